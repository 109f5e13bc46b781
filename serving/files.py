"""Writing files so that a reader, or a crash, never meets half of one."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def write_whole(target: Path, pieces: Iterable[bytes], prefix: str = ".") -> None:
    """Write `pieces` beside `target` under a hidden name starting with `prefix`, then rename.

    OSError when the disk refuses; the hidden file is removed then, and whenever `pieces` raises.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=prefix, suffix=".tmp")
    hidden = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())  # else a power cut can leave the new name with no content
        hidden.chmod(0o644)  # mkstemp's 0600 would hide the log from a drift worker of another user
        hidden.replace(target)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
