"""What an agent remembers between two runs, in one file of its home, replaced by a rename."""

import json
import logging
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from controlplane.bundle import write_whole

LOG = logging.getLogger(__name__)
RETRY_AFTER = timedelta(hours=1)
RETRY_LATE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Memory:
    """Hashes of releases; empty: none.

    `wanted` is what was pulled last, with `etag`. `trying` is set before `current` is switched and cleared with the
    verdict, `base` is the way back from it. `refused` is what the checkers or the servers would not take, or not in
    time; until when it is not tried again (ISO 8601), and why.
    """

    etag: str = ""
    wanted: str = ""
    trying: str = ""
    base: str = ""
    refused: str = ""
    refused_until: str = ""
    reason: str = ""

    def refuses(self, release: str, now: datetime) -> bool:
        """Whether trying `release` again would be too early: what refused it may be gone after a while."""
        try:
            return release == self.refused and datetime.fromisoformat(self.refused_until) > now
        except (ValueError, TypeError):
            return False  # written by an older agent, or damaged

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `path` holds; nothing where it is missing or damaged, which costs one more pull and one more try."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{each.name: str(content.get(each.name, "")) for each in fields(cls)})
        except FileNotFoundError:
            return cls()
        except (ValueError, AttributeError) as error:
            LOG.warning("%s is damaged, and begun anew: %s", path, error)
            return cls()

    def write(self, path: Path) -> None:
        """On disk for good when this returns; OSError where it can't be."""
        write_whole(path, json.dumps(asdict(self), indent=2) + "\n")
