"""What the composition itself remembers: releases, and how the loop fares."""

from controlplane.models.loop import LoopState, Peer
from controlplane.models.release import Release

__all__ = ["LoopState", "Peer", "Release"]
