"""A quiet fleet's metrics: what serving, the exporter and the control plane say of each model, standing still."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.alerting.fleet import CRITICAL, FEATURES, model_name
from telemetry import names
from telemetry.buckets import LATENCY_SECONDS, SCORE


def text(models: int) -> str:
    return "".join(line + "\n" for number in range(models) for line in _of(model_name(number)))


def _of(model: str) -> Iterator[str]:
    of_model = f'model_name="{model}"'
    version = f'{of_model},model_version="v1"'
    route = f'{version},route="predict"'
    yield f'{names.REQUESTS}{{{route},status="success"}} 1000'
    yield f'{names.REQUESTS}{{{route},status="error"}} 3'
    yield f'{names.ERRORS}{{{route},reason="model_error"}} 3'
    for bound in (*LATENCY_SECONDS, "+Inf"):
        yield f'{names.LATENCY}_bucket{{{route},le="{bound}"}} 1000'
    for bound in (*SCORE, "+Inf"):
        yield f'{names.SCORE}_bucket{{{version},le="{bound}"}} 1000'
    yield f"{names.SCORE}_count{{{version}}} 1000"
    yield f'{names.TRAFFIC_WEIGHT}{{{version},role="live"}} 1'
    yield f'{names.MODEL_INFO}{{{version},framework="onnx"}} 1'
    yield f"{names.IN_FLIGHT_LIMIT}{{{of_model}}} 64"
    yield f"{names.IN_FLIGHT}{{{of_model}}} 1"
    yield f'{names.DESIRED_WEIGHT}{{{version},role="live"}} 1'
    yield f'{names.MODEL_REGISTERED}{{{of_model},risk="standard"}} 1'
    yield f"{names.VERSION_REGISTERED}{{{version}}} 1"
    yield f'{names.CHECK_STATE}{{{version},state="ok"}} 1'
    yield f"{names.CHECK_LAST_SUCCESS}{{{version}}} 4102444800"
    yield f"{names.CHECK_INTERVAL}{{{version}}} 3600"
    for number in range(FEATURES):
        feature = f'{version},feature_name="feature-{number:02}"'
        critical = "true" if number < CRITICAL else "false"
        yield f'{names.DRIFT_DETECTED}{{{feature},critical="{critical}"}} 0'
        yield f"{names.MISSING_RATIO}{{{feature}}} 0.01"
        yield f"{names.MISSING_RATIO_LIMIT}{{{feature}}} 0.05"


@contextmanager
def served(content: str) -> Iterator[str]:
    """`host:port` that answers every GET with `content`."""
    body = content.encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Not a word."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
