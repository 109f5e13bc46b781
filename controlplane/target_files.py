"""Target files on disk: each replaced by a rename, which Prometheus sees within seconds, by itself."""

from collections.abc import Mapping
from pathlib import Path

from controlplane.bundle import sync_folder, write_whole


def write_targets(folder: Path, files: Mapping[str, str]) -> int:
    """Replace, each by a rename, only what differs, and delete target files that are not in `files`."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = 0
    for name, text in sorted(files.items()):
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_whole(path, text)
            changed += 1
    for stray in folder.glob("*.json"):
        if stray.name not in files:
            stray.unlink()
            changed += 1
    if changed:
        sync_folder(folder)
    return changed
