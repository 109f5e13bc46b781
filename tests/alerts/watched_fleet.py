"""Two replicas that disagree about a canary, a quality exporter and a control plane: one real scrape target each."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from models_registry.fleet import Fleet
from telemetry import names
from telemetry.buckets import LATENCY_SECONDS, SCORE

VERSIONS = ("v1", "v2")
# Replica -> the role of each version there: a shift that one replica has applied and the other has not.
ROLES = ({"v1": "live", "v2": "canary"}, {"v2": "live", "v3": "canary"})
FAILING = {"v1": 0.0, "v2": 0.5}


def _line(metric: str, value: float, **labels: str) -> str:
    # The exposition format knows three escapes.
    quoted = (v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for v in labels.values())
    pairs = ",".join(f'{name}="{value}"' for name, value in zip(labels, quoted, strict=True))
    return f"{metric}{{{pairs}}} {value}"


def serving(fleet: Fleet, roles: dict[str, str], seconds: float) -> Iterator[str]:
    """A hundred requests a second for each version that answers here; half of v2's fail, some are refused."""
    for model in fleet.models:
        for version in VERSIONS:
            of = {names.MODEL: model.name, names.VERSION: version}
            failed = 100 * seconds * FAILING[version]
            yield _line(names.MODEL_INFO, 1, **of, framework="onnx")
            yield _line(names.REQUESTS, 100 * seconds - failed, **of, route="predict", status="success")
            yield _line(names.REQUESTS, failed, **of, route="predict", status="error")
            yield _line(names.ERRORS, failed, **of, route="predict", reason="model_error")
            yield _line(names.ERRORS, failed / 2.5, **of, route="predict", reason="invalid_input")
            for bound in (*LATENCY_SECONDS, "+Inf"):
                yield _line(f"{names.LATENCY}_bucket", 100 * seconds, **of, route="predict", le=str(bound))
            for bound in (*SCORE, "+Inf"):
                yield _line(f"{names.SCORE}_bucket", 100 * seconds * (bound != 0.0), **of, le=str(bound))
            yield _line(f"{names.SCORE}_count", 100 * seconds, **of)
            yield _line(names.PREDICTIONS, 100 * seconds, **of, predicted_class="yes")
            for feature in model.features:
                yield _line(names.FEATURE_VALUES, 100 * seconds, **of, feature_name=feature.name)
                yield _line(names.FEATURE_MISSING, seconds, **of, feature_name=feature.name)
        for version, role in roles.items():
            share = 0.9 if role == "live" else 0.1
            yield _line(names.TRAFFIC_WEIGHT, share, model_name=model.name, model_version=version, role=role)
        yield _line(names.IN_FLIGHT, 60, model_name=model.name)
        yield _line(names.IN_FLIGHT_LIMIT, 64, model_name=model.name)


def quality(fleet: Fleet, seconds: float) -> Iterator[str]:
    """Every feature drifts and is out of all limits, every check is long overdue, every baseline is too old."""
    for model in fleet.models:
        for version in VERSIONS:
            of = {names.MODEL: model.name, names.VERSION: version}
            for feature in model.features:
                named = {**of, names.FEATURE: feature.name}
                yield _line(names.DRIFT_DETECTED, 1, **named, critical=str(feature.critical).lower())
                for ratio in (names.MISSING_RATIO, names.DEFAULTED_RATIO, names.OUT_OF_RANGE_RATIO):
                    yield _line(ratio, 0.9, **named)
                yield _line(names.DEFAULTED_RATIO_LIMIT, 0.5, **named)
            for name in model.classes:
                yield _line(names.CLASS_RATIO, float(name == "yes"), **of, predicted_class=name)
            yield _line(names.CLASS_RATIO_BASELINE, 1, **of, predicted_class="no")
            yield _line(names.BUSINESS_PROXY, 0.9, **of, proxy="approval_rate")
            yield _line(names.BUSINESS_PROXY_UPPER, 0.6, **of, proxy="approval_rate")
            yield _line(names.BASELINE_AGE, 7e6, **of)
            yield _line(names.BASELINE_MAX_AGE, 6e6, **of)
            yield _line(names.PREDICTION_BASELINE_MEDIAN, 0.9, **of)
            yield _line(names.CHECK_LAST_SUCCESS, 1, **of)
            yield _line(names.CHECK_INTERVAL, 60, **of)
            yield _line(names.CHECK_STATE, 1, **of, state="drifted" if version == "v1" else "baseline_mismatch")


def plumbline(fleet: Fleet, seconds: float) -> Iterator[str]:
    for model in fleet.models:
        yield _line(names.DESIRED_WEIGHT, 1, model_name=model.name, model_version="v1", role="live")
        yield _line(names.MODEL_REGISTERED, 1, model_name=model.name, risk=model.risk)
        # v2 is loaded, and nobody registered it.
        yield _line(names.VERSION_REGISTERED, 1, model_name=model.name, model_version="v1")
        yield _line(names.REPLICA_STARTS, seconds, model_name=model.name)
    yield f"{names.RELEASE_FAILING} 1"
    yield f"{names.ANNOTATIONS_PENDING} 3"
    yield f"{names.RECONCILE_LAST_RUN} {time.time()}"


class WatchedFleet:
    """Four scrape targets on the loopback, each on a port of its own."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.began = time.monotonic()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = ("\n".join(outer.page(self.server.server_port)) + "\n").encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(4)]

    @property
    def addresses(self) -> list[str]:
        """Of the two replicas, the exporter and the control plane."""
        return [f"127.0.0.1:{server.server_port}" for server in self.servers]

    def page(self, port: int) -> Iterator[str]:
        seconds = time.monotonic() - self.began
        place = [server.server_port for server in self.servers].index(port)
        if place < 2:
            return serving(self.fleet, ROLES[place], seconds)
        return quality(self.fleet, seconds) if place == 2 else plumbline(self.fleet, seconds)

    def __enter__(self) -> Self:
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()
