"""Which proofs have passed before: their digests, newest last, in a file beside the releases."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from controlplane.bundle import write_whole

LOG = logging.getLogger(__name__)
PROVEN = ".proven"
KEEP = 5000


@dataclass(frozen=True, slots=True)
class ProvenFile:
    """A file that is lost, or holds nonsense, costs a run of all proofs."""

    path: Path

    def read(self) -> list[str]:
        try:
            return self.path.read_text(encoding="ascii", errors="replace").split()
        except FileNotFoundError:
            return []
        except OSError as error:
            LOG.warning("%s can't be read, so all proofs run: %s", self.path, error)
            return []

    def add(self, digests: Collection[str]) -> None:
        """They have passed. Where that can't be written they run again next time."""
        kept = [known for known in self.read() if known not in digests] + list(digests)
        try:
            write_whole(self.path, "".join(f"{known}\n" for known in kept[-KEEP:]))
        except OSError as error:
            LOG.warning("%s can't be written: %s", self.path, error)
