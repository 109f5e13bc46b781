"""What the composition itself remembers: releases, and how the loop fares."""

from controlplane.models.live_check import LiveCheck
from controlplane.models.loop import LoopState, Peer
from controlplane.models.release import Release
from controlplane.models.token import ApiToken

__all__ = ["ApiToken", "LiveCheck", "LoopState", "Peer", "Release"]
