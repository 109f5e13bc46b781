"""Tells the registry what this replica has loaded and where to scrape it. Nothing depends on its success."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

import requests

from serving.rollout import RolloutState
from serving.snapshot_source import Token

log = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
TIMEOUT_SECONDS = (2.0, 3.0)  # connecting, reading
MAX_MESSAGE = 500  # characters of an error that are sent on


def heartbeat_url(snapshot_url: str) -> str:
    """The snapshot's URL with its last path segment replaced by `heartbeats`."""
    parts = urlsplit(snapshot_url)
    path = parts.path.rstrip("/").rpartition("/")[0] + "/heartbeats"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


class Heartbeat:
    """Posts the state every few seconds, and at once after `wake`."""

    def __init__(self, url: str, token: Token, replica: str, address: str, state: Callable[[], RolloutState]) -> None:
        self._url = url
        self._token = token
        self._replica = replica
        self._address = address
        self._state = state
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._session = requests.Session()
        self._complaint = ""
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin posting."""
        self._thread.start()

    def stop(self) -> None:
        """Stop posting; returns without waiting for an answer that is under way."""
        self._stop.set()
        self._wake.set()

    def wake(self) -> None:
        """Post now: what is loaded has changed."""
        self._wake.set()

    def body(self) -> dict[str, object]:
        """The JSON that is posted."""
        state = self._state()
        return {
            "replica": self._replica,
            "address": self._address,
            "started_at": self._started_at,
            "snapshot": state.snapshot,
            "loaded": {model: list(versions) for model, versions in state.loaded.items()},
            "errors": {which: message[:MAX_MESSAGE] for which, message in state.errors.items()},
        }

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._post()
            except Exception:  # the thread must outlive whatever a network comes up with
                log.exception("The heartbeat failed")
            self._wake.wait(BEAT_SECONDS)
            self._wake.clear()

    def _post(self) -> None:
        try:
            response = self._session.post(
                self._url,
                json=self.body(),
                headers=self._token.headers(),
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
            complaint = "" if response.ok else f"{self._url} answered {response.status_code}"
        except (requests.RequestException, OSError) as error:
            complaint = f"{self._url} can't be reached: {type(error).__name__}"
        if complaint and complaint != self._complaint:
            log.warning("The heartbeat is not taken: %s; serving goes on", complaint)
        elif self._complaint and not complaint:
            log.info("The heartbeat is taken again")
        self._complaint = complaint
