"""A webhook receiver: what a team's chat or pager would be. Keeps what Alertmanager posts; GET lists it as JSON.

Lives in a thread of the process that makes it.
"""

import json
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from controlplane.stack.ports import HOST

LARGEST_BODY = 4 * 1024 * 1024
CLIENT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST: `path` without the query, `body` parsed from JSON, `authorization` as sent."""

    path: str
    received_at: str  # ISO 8601, UTC
    body: Any
    authorization: str

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """The alerts of an Alertmanager notification; empty for any other body."""
        found: list[dict[str, Any]] = self.body.get("alerts", []) if isinstance(self.body, dict) else []
        return found


class Receiver:
    """Listens on `port`, or on another where that is taken or not given. `answer`: its status for POSTs."""

    def __init__(self, port: int | None = None) -> None:
        self.answer = 200
        self._deliveries: list[Delivery] = []
        self._changed = threading.Condition()
        self._server = _listen(port, self)
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def received(self, path: str | None = None) -> list[Delivery]:
        """What was accepted so far, oldest first: all of it, or what was posted to `path`."""
        with self._changed:
            return [delivery for delivery in self._deliveries if path in (None, delivery.path)]

    def wait_for(self, count: int, path: str | None = None, timeout: float = 30.0) -> list[Delivery]:
        """As `received`, once there are at least `count`; TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.received(path)) >= count, timeout):
                raise TimeoutError(
                    f"{len(self.received(path))} of {count} deliveries to {path or 'any path'} came in {timeout:g} s."
                )
            return self.received(path)

    def clear(self) -> None:
        """Forgets what was received, and answers 200 again."""
        with self._changed:
            self._deliveries.clear()
        self.answer = 200

    def accept(self, delivery: Delivery) -> None:
        with self._changed:
            self._deliveries.append(delivery)
            self._changed.notify_all()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver


def _listen(port: int | None, receiver: Receiver) -> _HttpServer:
    try:
        server = _HttpServer((HOST, port or 0), _Handler)
    except OSError:
        server = _HttpServer((HOST, 0), _Handler)
    server.receiver = receiver
    return server


class _Handler(BaseHTTPRequestHandler):
    server: _HttpServer
    timeout = CLIENT_SECONDS

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self._answer(413, {"error": f"{length} bytes are more than {LARGEST_BODY}"})
            return
        try:
            body = json.loads(self.rfile.read(length))
        except ValueError as error:
            self._answer(400, {"error": f"not JSON: {error}"})
            return
        status = self.server.receiver.answer
        if status < 300:
            at = datetime.now(UTC).isoformat()
            authorization = self.headers.get("Authorization", "")
            self.server.receiver.accept(Delivery(urlsplit(self.path).path, at, body, authorization))
        self._answer(status, {})

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        deliveries = self.server.receiver.received(None if path == "/" else path)
        # The token that Alertmanager sent is nobody's to read here.
        shown = [{name: value for name, value in asdict(one).items() if name != "authorization"} for one in deliveries]
        self._answer(200, shown)

    def _answer(self, status: int, content: object) -> None:
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the deliveries themselves are the record."""
