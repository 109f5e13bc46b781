"""A real replica in a process of its own, and a small real control plane for it."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from telemetry.snapshot import ServingSnapshot, SnapshotModel

ROOT = Path(__file__).resolve().parents[2]


def wait_until(condition: Callable[[], Any], seconds: float = 15.0, every: float = 0.05) -> Any:
    """The first true value of `condition`, or AssertionError when time is up."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{condition} did not come true within {seconds} s"
        time.sleep(every)
    return value


def write_snapshot(path: Path, *models: SnapshotModel) -> ServingSnapshot:
    """Replace the snapshot file by a rename, as whoever writes one does."""
    snapshot = ServingSnapshot(models)
    draft = path.with_suffix(".draft")
    draft.write_text(snapshot.text)
    draft.replace(path)
    return snapshot


class Replica:
    """`python -m serving` on a free port. A context manager; `folder` keeps its cache, logs and output."""

    def __init__(self, folder: Path, snapshot: str | Path, *arguments: str, ready: bool = True) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.predictions = folder / "predictions"
        self._arguments = ["--snapshot", str(snapshot), "--poll-seconds", "0.2", *arguments]
        self._ready = ready

    def __enter__(self) -> "Replica":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it listens (and is ready, where that is expected)."""
        command = [sys.executable, "-m", "serving", "--port", "0", "--replica", "r1", "--cache", str(self.cache)]
        if "--predictions" not in self._arguments:
            command += ["--predictions", str(self.predictions)]
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SERVING_", "PLUMBLINE_", "DJANGO_"))}
        with (self.folder / "stdout").open("wb") as stdout, (self.folder / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(
                command + self._arguments, cwd=ROOT, stdout=stdout, stderr=stderr, env=environment
            )
        try:
            found = wait_until(self._address, 30)
            self.port = int(found.group(1))
            if self._ready:
                wait_until(lambda: self.get("/readyz")[0] == 200, 30)
        except BaseException as error:
            self.stop()
            error.add_note(self.stderr)
            raise

    def _address(self) -> "re.Match[str] | None":
        assert self.process.poll() is None, self.stderr
        return re.search(r"listens on \S+:(\d+)", self.stderr)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; kills it when it doesn't within 20 s. Returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    @property
    def stdout(self) -> list[dict[str, Any]]:
        """The request log so far."""
        return [json.loads(line) for line in (self.folder / "stdout").read_text().splitlines()]

    @property
    def stderr(self) -> str:
        """The operational log so far."""
        return (self.folder / "stderr").read_text()

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept alive between requests."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page."""
        connection = self.connect()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def predict(
        self,
        features: Mapping[str, Any] | None = None,
        connection: http.client.HTTPConnection | None = None,
        path: str = "/predict",
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON of a prediction; `body` replaces `features` (bytes as they are, else as JSON)."""
        document = {"features": features if features is not None else {"x": 1, "y": 2}} if body is None else body
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        used = connection or self.connect()
        used.request("POST", path, raw, dict(headers or {}))
        answer = used.getresponse()
        text = answer.read()
        if connection is None:
            used.close()
        return answer.status, json.loads(text)

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample of /metrics by name and labels."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample of that name and exactly those labels, if it is there."""
        return self.samples().get((name, frozenset(labels.items())))


class ControlPlane:
    """Answers the two serving URLs like the real one: token, ETag, 304, heartbeats; and artifacts from a folder."""

    def __init__(self, token: str = "") -> None:
        self.token = token
        self.snapshot = ServingSnapshot(())
        self.heartbeats: list[dict[str, Any]] = []
        self.not_modified = 0
        self.delay = 0.0  # seconds before each answer
        self.artifacts: dict[str, bytes] = {}
        self.artifact_headers: list[Mapping[str, str]] = []
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The snapshot's URL."""
        return f"http://127.0.0.1:{self._port}/api/serving/snapshot"

    def artifact_url(self, name: str) -> str:
        """Where the artifact `name` is to be had."""
        return f"http://127.0.0.1:{self._port}/artifacts/{name}"

    def __enter__(self) -> "ControlPlane":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; on the same port again after `stop`."""
        plane = self

        class Handler(_Handler):
            control_plane = plane

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Be gone: connections are refused."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Handler(BaseHTTPRequestHandler):
    control_plane: ControlPlane
    protocol_version = "HTTP/1.0"  # no connection outlives `stop`

    def do_GET(self) -> None:
        plane = self.control_plane
        time.sleep(plane.delay)
        if self.path.startswith("/artifacts/"):
            plane.artifact_headers.append(dict(self.headers))
            body = plane.artifacts.get(self.path.removeprefix("/artifacts/"))
            return self._answer(404 if body is None else 200, body or b"")
        if plane.token and self.headers["Authorization"] != f"Bearer {plane.token}":
            return self._answer(401, b"")
        etag = f'"{plane.snapshot.hash}"'
        if self.headers["If-None-Match"] == etag:
            plane.not_modified += 1
            return self._answer(304, b"", etag)
        return self._answer(200, plane.snapshot.text.encode(), etag)

    def do_POST(self) -> None:
        plane = self.control_plane
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/api/serving/heartbeats":
            return self._answer(404, b"")
        if plane.token and self.headers["Authorization"] != f"Bearer {plane.token}":
            return self._answer(401, b"")
        plane.heartbeats.append(json.loads(body))
        return self._answer(204, b"")

    def _answer(self, status: int, body: bytes, etag: str = "") -> None:
        self.send_response(status)
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
