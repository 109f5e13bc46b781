"""A control plane as an agent sees it, over real HTTP: gives whatever lies on the shelf, right or wrong."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from controlplane.bundle import Bundle
from controlplane.publishing.bundle_tar import Contents, pack

TOKEN = "let-me-in"


class Shelf:
    """`url` while it is open; `answers` counts the statuses that it gave."""

    def __init__(self) -> None:
        self.body = b""
        self.answers: list[int] = []
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, etag = shelf._status(self), f'"{hashlib.sha256(shelf.body).hexdigest()}"'
                shelf.answers.append(status)
                self.send_response(status)
                self.send_header("ETag", etag)
                body = shelf.body if status == 200 else b""
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def put(self, bundle: Bundle, targets: dict[str, str] | None = None) -> None:
        self.body = pack(Contents(bundle, targets or {}))

    def _status(self, asked: BaseHTTPRequestHandler) -> int:
        if asked.path != "/api/bundle" or asked.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401
        if not self.body:
            return 404
        known = asked.headers.get("If-None-Match") == f'"{hashlib.sha256(self.body).hexdigest()}"'
        return 304 if known else 200

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
