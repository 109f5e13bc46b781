"""Where the serving snapshot comes from, a file or a URL, and its last good copy on this replica's own disk."""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import requests

from serving import snapshot_check
from serving.files import write_whole
from serving.http_fetch import FetchError, get
from telemetry import snapshot as snapshots
from telemetry.snapshot import ServingSnapshot

log = logging.getLogger(__name__)

FETCH_SECONDS = 5.0
MAX_BYTES = 16 * 1024 * 1024
TOUCH_SECONDS = 30.0  # how often the copy's time stamp follows a confirmation; the age after a restart errs by as much


class Source(Protocol):
    """Something that can be asked for the snapshot's present text."""

    def read(self) -> bytes | None:
        """The text, or None when it is the same as at the last call. FetchError or OSError when it can't be read."""


@dataclass
class Token:
    """The bearer token: read again at each use, so that replacing the file is enough to change it."""

    file: Path | None = None
    value: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """The Authorization header, or none; OSError when the file can't be read."""
        token = self.file.read_text().strip() if self.file else self.value
        return {"Authorization": f"Bearer {token}"} if token else {}


class FileSource:
    """A snapshot file; whoever writes it replaces it by a rename."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: bytes | None = None

    def read(self) -> bytes | None:
        text = self._path.read_bytes()
        if text == self._last:
            return None
        self._last = text
        return text


class UrlSource:
    """The control plane's snapshot URL, asked with the ETag of the last answer."""

    def __init__(self, url: str, token: Token) -> None:
        self._url = url
        self._token = token
        self._session = requests.Session()
        self._etag = ""

    def read(self) -> bytes | None:
        headers = self._token.headers() | ({"If-None-Match": self._etag} if self._etag else {})
        response, pieces = get(self._session, self._url, headers, FETCH_SECONDS, MAX_BYTES)
        body = b"".join(pieces)
        if response.status_code == 304:
            return None
        self._etag = response.headers.get("ETag", "")
        return body


class SnapshotPoller:
    """Asks the source again and again and hands each new good snapshot on; keeps the last good one on disk.

    Nothing that the source does, or fails to do, reaches the event loop: it runs in a thread of its own.
    """

    def __init__(
        self, source: Source, cache: Path, poll_seconds: float, on_snapshot: Callable[[ServingSnapshot], None]
    ) -> None:
        self._source = source
        self._copy = cache / "snapshot.json"
        self._poll_seconds = poll_seconds
        self._on_snapshot = on_snapshot
        self._current: ServingSnapshot | None = None
        self._good = False  # whether the source's present text is the one that is served from
        self._confirmed = time.time()
        self._touched = 0.0
        self._complaint = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshot-poller", daemon=True)

    def start(self) -> None:
        """Begin polling."""
        self._thread.start()

    def stop(self) -> None:
        """Stop polling; returns without waiting for an answer that is under way."""
        self._stop.set()

    def age_seconds(self) -> float:
        """Seconds since the source last confirmed the snapshot in use; since the start, when it never did."""
        return max(0.0, time.time() - self._confirmed)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception:  # the poller must outlive whatever a source or a disk comes up with
                log.exception("Polling the serving snapshot failed")
            self._stop.wait(self._poll_seconds)

    def poll(self) -> None:
        """One round: ask, check, hand on. A source that fails, or sends what can't be used, changes nothing."""
        try:
            text = self._source.read()
            if text is not None:
                self._good = False
                snapshot = snapshot_check.check(snapshots.parse(text))
                self._good = True
                self._keep(text)
                self._use(snapshot)
        except (FetchError, OSError, ValueError) as error:
            self._complain(str(error))
            if self._current is None:
                self._start_from_copy()
            return
        if self._good:
            self._complain("")
            self._confirm()

    def _use(self, snapshot: ServingSnapshot) -> None:
        if self._current is None or snapshot.hash != self._current.hash:
            log.info("Serving snapshot %s with %d models", snapshot.hash, len(snapshot.models))
            self._current = snapshot
            self._on_snapshot(snapshot)

    def _complain(self, complaint: str) -> None:
        """Say each different trouble once, not at every poll."""
        if complaint and complaint != self._complaint:
            log.warning("No new serving snapshot, going on with the last good one: %s", complaint)
        elif self._complaint and not complaint:
            log.info("The serving snapshot's source answers again")
        self._complaint = complaint

    def _keep(self, text: bytes) -> None:
        try:
            write_whole(self._copy, [text])
        except OSError as error:
            log.error(
                "The last good snapshot can't be kept in %s, a restart will need the source: %s", self._copy, error
            )

    def _confirm(self) -> None:
        self._confirmed = time.time()
        if self._confirmed - self._touched > TOUCH_SECONDS:
            self._touched = self._confirmed
            try:
                os.utime(self._copy)
            except OSError as error:
                log.error("%s can't be touched: %s", self._copy, error)

    def _start_from_copy(self) -> None:
        try:
            text = self._copy.read_bytes()
            modified = self._copy.stat().st_mtime
            snapshot = snapshot_check.check(snapshots.parse(text))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log.error("The copy of the last good snapshot, %s, can't be used: %s", self._copy, error)
            return
        self._confirmed = modified
        self._use(snapshot)
