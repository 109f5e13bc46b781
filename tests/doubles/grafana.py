"""A Grafana that is real HTTP and answers as the recorded exchanges in tests/data/grafana/ (of a Grafana 7.5.5) do.

`tests/dashboards/test_grafana_double.py` replays every recorded exchange against it.
"""

import base64
import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

PLAIN = "application/json"
# The router's own answers and the macaron framework's differ in this.
FRAMEWORK, BINDING = "application/json; charset=UTF-8", "application/json; charset=utf-8"
ADMIN = "admin:admin"
EDITOR_KEY, VIEWER_KEY = "editor-key", "viewer-key"


class Fault(Enum):
    """What may go wrong with one post of an annotation."""

    ERROR_BEFORE_STORING = auto()  # a 500, nothing stored
    ERROR_AFTER_STORING = auto()  # a 500, and yet it is stored
    SILENCE_AFTER_STORING = auto()  # stored, but the answer takes longer than anyone waits
    STORED_LATE = auto()  # no answer for now; stored later, by `land_late_requests`
    NOT_JSON = auto()  # stored, but something in between answers 200 with a page


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    content_type: str = PLAIN


@dataclass
class Store:
    """The annotations, as Grafana gives them back."""

    annotations: list[dict[str, Any]] = field(default_factory=list)
    last_id: int = 0

    def add(self, body: dict[str, Any], login: str = "") -> int:
        self.last_id += 1
        now = int(time.time() * 1000)
        avatar = "/avatar/46d229b033af06a191ff2267bca9ae56" if login else ""
        self.annotations.append(
            {
                "id": self.last_id,
                "alertId": 0,
                "alertName": "",
                "dashboardId": 0,
                "panelId": 0,
                "userId": 0,
                "newState": "",
                "prevState": "",
                "created": now,
                "updated": now,
                "time": body["time"],
                "timeEnd": body.get("timeEnd", body["time"]),
                "text": body["text"],
                "tags": list(body.get("tags", [])),
                "login": login,
                "email": f"{login}@localhost" if login else "",
                "avatarUrl": avatar,
                "data": {},
            }
        )
        return self.last_id

    def search(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        wanted, start, end = set(query.get("tags", [])), int(query["from"][0]), int(query["to"][0])
        any_tag = query.get("matchAny") == ["true"]

        def matches(row: dict[str, Any]) -> bool:
            tags = set(row["tags"])
            tagged = bool(wanted & tags) if any_tag else wanted <= tags
            return row["time"] <= end and row["timeEnd"] >= start and (tagged or not wanted)

        found = sorted((row for row in self.annotations if matches(row)), key=lambda row: -row["id"])
        return found[: int(query.get("limit", ["100"])[0])]

    def find(self, number: int) -> dict[str, Any] | None:
        return next((row for row in self.annotations if row["id"] == number), None)


class GrafanaDouble:
    """A context manager; `faults` are used up by the posts that arrive, first in, first out."""

    def __init__(self) -> None:
        self.store = Store()
        self.keys = {EDITOR_KEY: "Editor", VIEWER_KEY: "Viewer"}
        self.last_key = 0
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, str]] = []
        self.post_seconds = 0.0  # how long each post takes
        self._late: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    # --- The server -------------------------------------------------------------------------------------------
    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> Self:
        """Listens; after `stop`, on the same port and with the same annotations."""
        self._stopping.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self))
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        """Refuses connections from now on."""
        self._stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- What tests ask ---------------------------------------------------------------------------------------
    def tagged(self, tag: str) -> list[dict[str, Any]]:
        """The stored annotations with `tag`."""
        with self._lock:
            return [row for row in self.store.annotations if tag in row["tags"]]

    def clear(self) -> None:
        """As new, on the same port."""
        with self._lock:
            self.store = Store()
            self.faults.clear()
            self.requests.clear()
            self._late.clear()
            self.post_seconds = 0.0
        self.keys = {EDITOR_KEY: "Editor", VIEWER_KEY: "Viewer"}

    def land_late_requests(self) -> None:
        """What a proxy held back arrives at last."""
        with self._lock:
            for body in self._late:
                self.store.add(body)
            self._late.clear()

    # --- The API ----------------------------------------------------------------------------------------------
    def answer(self, method: str, target: str, authorization: str, raw: bytes) -> Answer | None:
        """The answer, or None where the connection is closed without one."""
        url = urlsplit(target)
        with self._lock:
            self.requests.append((method, target))
        if url.path == "/api/health":
            return Answer(200, {"commit": "NA", "database": "ok", "version": "5.0.0"}, FRAMEWORK)
        role = self._role(authorization)
        if role is None:
            said = "invalid API key" if authorization.startswith("Bearer ") else "Unauthorized"
            return Answer(401, {"message": said}, FRAMEWORK)
        if url.path == "/api/annotations":
            if method == "GET":
                with self._lock:
                    return Answer(200, self.store.search(parse_qs(url.query)))
            return self._post(role, raw)
        if url.path.startswith("/api/annotations/"):
            return self._change(method, int(url.path.rsplit("/", 1)[1]), raw)
        return self._other(method, url.path, role, raw)

    def _role(self, authorization: str) -> str | None:
        kind, _, value = authorization.partition(" ")
        if kind == "Basic":
            return "Admin" if base64.b64decode(value).decode() == ADMIN else None
        return self.keys.get(value) if kind == "Bearer" else None

    def _post(self, role: str, raw: bytes) -> Answer | None:
        problem, body = _bound(raw)
        if problem is not None:
            return problem
        if role == "Viewer":
            return Answer(403, {"message": "Access denied to this dashboard"})
        if not body.get("text"):
            return Answer(400, {"message": "Failed to save annotation"})
        self._stopping.wait(self.post_seconds)
        with self._lock:
            fault = self.faults.popleft() if self.faults else None
            if fault is Fault.ERROR_BEFORE_STORING:
                return Answer(500, {"message": "Failed to save annotation"})
            if fault is Fault.STORED_LATE:
                self._late.append(body)
                number = 0
            else:
                number = self.store.add(body, "admin" if role == "Admin" else "")
        if fault in (Fault.SILENCE_AFTER_STORING, Fault.STORED_LATE):
            self._stopping.wait(30)
            return None
        if fault is Fault.ERROR_AFTER_STORING:
            return Answer(500, {"message": "Failed to save annotation"})
        if fault is Fault.NOT_JSON:
            return Answer(200, "<html>Please sign in</html>", "text/html")
        return Answer(200, {"id": number, "message": "Annotation added"})

    def _change(self, method: str, number: int, raw: bytes) -> Answer:
        with self._lock:
            row = self.store.find(number)
            if row is None:
                return Answer(500, {"message": "Could not find annotation to update"})
            if method == "DELETE":
                self.store.annotations.remove(row)
                return Answer(200, {"message": "Annotation deleted"})
            row.update(json.loads(raw))
            return Answer(200, {"message": "Annotation patched"})

    def _other(self, method: str, path: str, role: str, raw: bytes) -> Answer:
        if path == "/api/auth/keys" and role == "Admin":
            asked = json.loads(raw)
            self.last_key += 1
            key = f"{asked['name']}-{self.last_key}"
            self.keys[key] = asked["role"]
            return Answer(200, {"id": self.last_key, "name": asked["name"], "key": key})
        if path == "/api/admin/provisioning/dashboards/reload":
            if role != "Admin":
                return Answer(403, {"message": "Permission denied"}, FRAMEWORK)
            return Answer(200, {"message": "Dashboards config reloaded"})
        if path.startswith("/api/dashboards/uid/"):
            return Answer(404, {"message": "Dashboard not found"})
        if path == "/api/search":
            return Answer(200, [])
        if path == "/api/org":
            parts = ("address1", "address2", "city", "zipCode", "state", "country")
            return Answer(200, {"id": 1, "name": "Main Org.", "address": dict.fromkeys(parts, "")})
        return Answer(404, {"message": "Not found"}, FRAMEWORK)


def _bound(raw: bytes) -> tuple[Answer | None, dict[str, Any]]:
    """The body as Grafana's Go struct takes it, or the 400 that its binding answers."""
    try:
        body = json.loads(raw)
    except json.JSONDecodeError as error:
        where = error.doc[error.pos] if error.pos < len(error.doc) else ""
        return _unbound(f"invalid character '{where}' looking for beginning of object key string"), {}
    if not isinstance(body.get("time"), int):
        kind = "string" if isinstance(body.get("time"), str) else "object"
        return _unbound(f"json: cannot unmarshal {kind} into Go struct field PostAnnotationsCmd.time of type int64"), {}
    return None, body


def _unbound(message: str) -> Answer:
    return Answer(400, [{"classification": "DeserializationError", "message": message}], BINDING)


def _handler(grafana: GrafanaDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = grafana.answer(self.command, self.path, self.headers.get("Authorization") or "", raw)
            if answer is None:
                self.close_connection = True
                return
            body = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
            self.send_response(HTTPStatus(answer.status))
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PATCH(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def log_message(self, *_: object) -> None:
            """Nothing to say on standard error."""

    return Handler
