"""The bundle: every file that the servers run from, as {path: text}, named by its content."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

PROMETHEUS_CONFIG = "prometheus/prometheus.yml"
ALERTMANAGER_CONFIG = "alertmanager/alertmanager.yml"
RULES_FOLDER = "prometheus/rules/"
TESTS_FOLDER = "prometheus/tests/"
# Scrape targets come and go without a release: a link beside prometheus.yml leads to them.
TARGETS = "prometheus/targets"


@dataclass(frozen=True)
class Bundle:
    """Files by their path inside the bundle. Equal files, equal hash, whatever their order."""

    files: Mapping[str, str]

    def __post_init__(self) -> None:
        for path in self.files:
            parts = PurePosixPath(path).parts
            if not parts or path.startswith("/") or ".." in parts or f"{path}/".startswith(TARGETS + "/"):
                raise ValueError(f"{path!r} is no path inside a bundle.")

    @cached_property
    def hash(self) -> str:
        """64 hexadecimal digits: SHA-256 over the paths and texts, each with its length."""
        digest = hashlib.sha256()
        for path in sorted(self.files):
            for part in (path.encode(), self.files[path].encode()):
                digest.update(b"%d:" % len(part) + part)
        return digest.hexdigest()

    def text(self, path: str) -> str:
        """The file at `path`; empty where there is none."""
        return self.files.get(path, "")

    def folder(self, prefix: str) -> dict[str, str]:
        """The files whose paths start with `prefix`, sorted."""
        return {path: self.files[path] for path in sorted(self.files) if path.startswith(prefix)}

    def write(self, folder: Path) -> None:
        """All files into `folder`, on disk for good when this returns. OSError where the disk is full or read-only."""
        for path, text in sorted(self.files.items()):
            write_whole(folder / path, text)
        for each in sorted({folder, *((folder / path).parent for path in self.files)}):
            sync_folder(each)

    @classmethod
    def read(cls, folder: Path) -> "Bundle":
        """What lies in `folder`, targets aside. OSError, or ValueError where a file is not UTF-8."""
        files = {}
        for root, folders, names in os.walk(folder):
            relative = Path(root).relative_to(folder)
            folders[:] = [name for name in folders if (relative / name).as_posix() != TARGETS]
            for name in names:
                path = (relative / name).as_posix()
                if path != TARGETS:
                    # Bytes, since reading as text would change line ends, and with them the hash.
                    files[path] = Path(root, name).read_bytes().decode()
        return cls(files)


def write_whole(path: Path, text: str) -> None:
    """Replace `path` by a rename: a reader, or a crash, sees the old text or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.tmp")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` (a rename, a new file) survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
