"""Scrape targets: one file a job, no part of a release. Prometheus sees a replaced file within seconds, by itself."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from django.conf import settings

from alerts.scraping import render_targets
from controlplane.bundle import render_options, sync_folder, write_whole
from models_registry.fleet import load_fleet


def sync_targets(now: datetime) -> int:
    """Bring the target files up to the heartbeats; how many were written or deleted."""
    return write_targets(settings.TARGETS_DIR, render_targets(load_fleet(), render_options(), now))


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
