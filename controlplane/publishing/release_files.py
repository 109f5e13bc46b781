"""Releases on disk: releases/<hash>/ each whole, `current` a link to one of them, one publisher at a time.

Every change is a rename. A crash at any instant leaves `current` pointing to a whole release, the old or the new one.
"""

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from controlplane.bundle import TARGETS, Bundle, sync_folder

LOG = logging.getLogger(__name__)
KEEP = 10  # releases on disk, the current and the previous one aside
LOCK_POLL_SECONDS = 0.1


class Busy(RuntimeError):
    """Another publisher holds the lock."""


@dataclass(frozen=True, slots=True)
class ReleaseFiles:
    """`releases` holds the releases, `current` is the link that the servers read through, `targets` the targets."""

    releases: Path
    current: Path
    targets: Path

    @classmethod
    def from_settings(cls, settings: Any) -> Self:
        """From Django's settings."""
        return cls(settings.RELEASES_DIR, settings.CURRENT_LINK, settings.TARGETS_DIR)

    @contextmanager
    def lock(self, wait_seconds: float = 0.0) -> Iterator[None]:
        """Alone for as long as the block lasts; Busy where another publisher is not done within `wait_seconds`.

        The kernel drops the lock with its process, however that ends.
        """
        self.releases.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + wait_seconds
        with (self.releases / ".lock").open("a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() >= deadline:
                        raise Busy(f"another publish has been running for {wait_seconds:g} s.") from error
                    time.sleep(LOCK_POLL_SECONDS)
            yield

    def current_hash(self) -> str:
        """The hash that `current` points to; empty where there is no link yet."""
        try:
            return self.current.readlink().name
        except FileNotFoundError:
            return ""

    def folder(self, release: str) -> Path:
        return self.releases / release

    def read(self, release: str) -> Bundle | None:
        """The release as it lies on disk (its hash differs from `release` where somebody edited it), or None."""
        if not release or not self.folder(release).is_dir():
            return None
        try:
            return Bundle.read(self.folder(release))
        except (OSError, ValueError) as error:
            LOG.warning("release %s can't be read: %s", release, error)
            return None

    def write(self, bundle: Bundle) -> bool:
        """Put the release on disk, whole; False where it lay there already. OSError leaves nothing half-written."""
        target, draft = self.folder(bundle.hash), self.releases / f".{bundle.hash}.tmp"
        # Under the lock, a draft can only be one that a dead publisher left.
        shutil.rmtree(draft, ignore_errors=True)
        if target.is_dir():
            return self._repair(bundle, target)
        try:
            draft.mkdir(parents=True)
            bundle.write(draft)
            self._link_targets(draft)
            draft.rename(target)
            sync_folder(self.releases)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return True

    def _repair(self, bundle: Bundle, target: Path) -> bool:
        """Undo what somebody edited by hand, file by file, since the servers may be reading it."""
        found = self.read(bundle.hash)
        whole = found is not None and found.hash == bundle.hash
        if not whole:
            bundle.write(target)
            for stray in (f for f in target.rglob("*") if f.is_file() and _inside(target, f) not in bundle.files):
                stray.unlink()
        if not (target / TARGETS).is_symlink():
            self._link_targets(target)
        os.utime(target)  # used again: among the last to be cleared away
        return not whole

    def _link_targets(self, folder: Path) -> None:
        link = folder / TARGETS
        link.parent.mkdir(parents=True, exist_ok=True)
        self.targets.mkdir(parents=True, exist_ok=True)
        # Relative, so that it leads there too where the whole home is mounted elsewhere (a container).
        final = self.releases / "hash" / TARGETS
        link.symlink_to(os.path.relpath(self.targets, final.parent), target_is_directory=True)

    def switch(self, release: str) -> None:
        """Let `current` point to `release` (empty: to nothing), by one rename."""
        if not release:
            self.current.unlink(missing_ok=True)
            return
        draft = self.current.with_name(f".{self.current.name}.tmp")
        with suppress(FileNotFoundError):  # nobody died here before
            draft.unlink()
        draft.symlink_to(os.path.relpath(self.folder(release), self.current.parent), target_is_directory=True)
        draft.replace(self.current)
        sync_folder(self.current.parent)

    def clear_old(self, keep: set[str]) -> int:
        """Delete all but the newest KEEP releases, never `keep` nor the current one; how many."""
        try:
            keep = keep | {self.current_hash()}
            others = [f for f in self.releases.iterdir() if f.is_dir() and f.name not in keep]
            dead = [f for f in others if f.name.startswith(".")]
            old = sorted((f for f in others if f not in dead), key=lambda f: f.stat().st_mtime, reverse=True)[KEEP:]
        except OSError as error:
            # What was published before is no worse for it.
            LOG.warning("old releases could not be cleared away: %s", error)
            return 0
        for folder in dead + old:
            shutil.rmtree(folder, ignore_errors=True)
        return len(old)


def _inside(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix()
