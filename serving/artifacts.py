"""From an artifact's address to a checked file on this replica's own disk."""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from serving.files import write_whole
from serving.http_fetch import FetchError, get

log = logging.getLogger(__name__)

MAX_BYTES = 2 * 1024**3
DOWNLOAD_SECONDS = 300.0
KEEP_UNUSED = 8  # artifacts kept beside those in use, so that rolling back needs no download
_CHUNK = 1024 * 1024


class ArtifactError(Exception):
    """The artifact can't be had, or is not the one that was registered; the message names address and remedy."""


class ArtifactStore:
    """Verified artifacts by hash, in `<cache>/artifacts/`: a restart needs neither the control plane nor the store."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "artifacts"

    def fetch(self, address: str, sha256: str) -> Path:
        """The local file whose content has `sha256`, copied or downloaded when it isn't there yet.

        What is loaded is always the checked copy, never the address itself: a file that is replaced between the
        check and the load can't slip in. Raises ArtifactError.
        """
        expected = sha256.lower()
        if len(expected) != 64 or not set(expected) <= set("0123456789abcdef"):
            raise ArtifactError(f"sha256 is {sha256!r}: register the artifact with its 64 hexadecimal digits.")
        target = self._folder / expected
        if target.exists():
            if _digest(target) == expected:
                target.touch()
                return target
            log.error("The cached artifact %s is damaged; fetching it again", target)
            target.unlink()
        try:
            write_whole(target, _checked(_pieces(address), address, expected))
        except (FetchError, OSError) as error:
            raise ArtifactError(f"The artifact {address!r} can't be had: {error}") from error
        return target

    def prune(self, in_use: set[str]) -> None:
        """Remove cached artifacts that no version uses, but the last few."""
        if not self._folder.is_dir():
            return
        unused = [p for p in self._folder.iterdir() if p.name not in in_use and not p.name.startswith(".")]
        for path in sorted(unused, key=lambda p: p.stat().st_mtime, reverse=True)[KEEP_UNUSED:]:
            path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(pieces: Iterator[bytes], address: str, expected: str) -> Iterator[bytes]:
    """`pieces`, ending in ArtifactError instead of the file's end when the hash is another one."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != expected:
        raise ArtifactError(
            f"The artifact {address!r} has SHA-256 {digest.hexdigest()}, registered is {expected}: "
            "it was changed after it was registered. Register it as a new version."
        )


def _pieces(address: str) -> Iterator[bytes]:
    """The artifact's content. No path is off limits: only content of the registered hash is ever loaded."""
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        with requests.Session() as session:
            # The serving token is not sent: an artifact's address may be anyone's.
            _, pieces = get(session, address, {}, DOWNLOAD_SECONDS, MAX_BYTES)
            yield from pieces
    elif parts.scheme == "file" and parts.netloc in ("", "localhost"):
        yield from _file_pieces(Path(unquote(parts.path)))
    elif parts.scheme == "":
        yield from _file_pieces(Path(address))
    else:
        raise ArtifactError(
            f"The artifact {address!r} has a scheme that serving can't read: use a path, http or https."
        )


def _file_pieces(path: Path) -> Iterator[bytes]:
    if not path.is_file():  # before opening: reading a pipe or a device would never end
        raise ArtifactError(f"The artifact {str(path)!r} is not a file on this machine.")
    if path.stat().st_size > MAX_BYTES:
        raise ArtifactError(f"The artifact {str(path)!r} is larger than {MAX_BYTES} bytes.")
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece
