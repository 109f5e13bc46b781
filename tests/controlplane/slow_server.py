"""A slow server: its answers come late, and perhaps it does only late what it is asked for, or never."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import requests


class SlowServer:
    """`url` stands before `upstream` while it is open. Answers to `path` come after `seconds`, others at once.

    What `path` asks for is done at once, or with the answer where it `works_late`; with `deaf` it never is.
    """

    def __init__(
        self, upstream: str, path: str, seconds: float, *, works_late: bool = False, deaf: bool = False
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kind = {"Content-Type": self.headers.get("Content-Type", "")}
                if self.path == path and (works_late or deaf):
                    time.sleep(seconds)
                if self.path == path and deaf:
                    return
                answer = requests.request(self.command, upstream + self.path, data=body, headers=kind, timeout=10)
                if self.path == path and not works_late:
                    time.sleep(seconds)
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # who asked has gone meanwhile
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
