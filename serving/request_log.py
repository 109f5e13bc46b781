"""One JSON line per answered request on standard output. Never feature values, never a typed path.

Lines are written by a thread: a reader that stops reading its pipe must not stop the event loop.
"""

import collections
import logging
import threading
from datetime import datetime
from typing import BinaryIO

import msgspec

log = logging.getLogger(__name__)

CAPACITY_LINES = 100_000
WRITE_SECONDS = 0.2
STOP_SECONDS = 5.0


class Line(msgspec.Struct):
    """What is said about a request; `version` and `role` are empty where none was chosen."""

    time: datetime
    request_id: str
    model: str
    version: str
    role: str
    route: str
    rows: int
    status: str
    code: int
    reason: str
    ms: float


class RequestLog:
    """Takes lines from the event loop, writes them to `stream` from a thread of its own."""

    def __init__(self, stream: BinaryIO, capacity: int = CAPACITY_LINES) -> None:
        self._stream = stream
        self._capacity = capacity
        self._lines: collections.deque[Line] = collections.deque()
        self._encode = msgspec.json.Encoder().encode_lines
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        """Begin writing."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits and end; gives up after some seconds, when nobody reads."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)

    def write(self, line: Line) -> None:
        """Take a line; drops it when too many wait."""
        if len(self._lines) >= self._capacity:
            self.dropped += 1
            return
        self._lines.append(line)

    def _run(self) -> None:
        try:
            while not self._stop.wait(WRITE_SECONDS):
                self._drain()
            self._drain()
        except (OSError, ValueError) as error:  # the reader is gone for good; requests go on
            self._capacity = 0
            self._lines.clear()
            log.error("The request log can't be written any more: %s", error)

    def _drain(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if lines:
            self._stream.write(self._encode(lines))
            self._stream.flush()
