"""A stand-in for a serving replica's /metrics: two versions with the traffic that they were told, told anew at will."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

REQUESTS_PER_SECOND = 50.0


class Replica:
    """Serves `model`: v1 answers well, v2 fails a third of its requests. `shares` says who gets how much."""

    def __init__(self, model: str, shares: dict[str, float]) -> None:
        self.model = model
        self._shares = dict(shares)
        self._requests = dict.fromkeys(shares, 0.0)
        self._since = time.monotonic()
        self._lock = threading.Lock()
        replica = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = ("\n".join(replica.lines()) + "\n").encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet: tests read their own output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def serve(self, shares: dict[str, float]) -> None:
        """From now on the versions get these shares."""
        with self._lock:
            self._count()
            self._shares = {version: shares.get(version, 0.0) for version in self._shares}

    def lines(self) -> Iterator[str]:
        with self._lock:
            self._count()
            for version, share in self._shares.items():
                yield from self._version(version, share, self._requests[version])

    def _count(self) -> None:
        now = time.monotonic()
        for version, share in self._shares.items():
            self._requests[version] += share * REQUESTS_PER_SECOND * (now - self._since)
        self._since = now

    def _version(self, version: str, share: float, requests: float) -> Iterator[str]:
        who = f'model_name="{self.model}",model_version="{version}"'
        failed = requests * (0.34 if version == "v2" else 0.0)
        for status, count in (("success", requests - failed), ("error", failed)):
            yield f'ml_inference_requests_total{{{who},route="predict",status="{status}"}} {count}'
        yield f'ml_inference_errors_total{{{who},route="predict",reason="model_error"}} {failed}'
        for bound, part in (("0.05", 0.9), ("0.1", 1.0), ("+Inf", 1.0)):
            yield f'ml_inference_latency_seconds_bucket{{{who},route="predict",le="{bound}"}} {requests * part}'
        yield f'ml_model_info{{{who},framework="sklearn"}} 1'
        role = "canary" if version == "v2" else "live"
        yield f'ml_model_traffic_weight{{{who},role="{role}"}} {share}'

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
