"""A scrape target with one model of two versions that does everything a dashboard shows."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

VERSIONS = ("v1", "v2")
BUCKETS = ("0.1", "0.5", "1.0", "+Inf")
FEATURES = ("amount", "country")


def serving(seconds: float) -> Iterator[str]:
    """What the serving app would report after `seconds` of ten requests a second and version."""
    for version in VERSIONS:
        who = f'model_name="fraud",model_version="{version}"'
        for status, share in (("success", 9), ("error", 1)):
            yield f'ml_inference_requests_total{{{who},route="predict",status="{status}"}} {share * seconds}'
        yield f'ml_inference_errors_total{{{who},route="predict",reason="model_error"}} {seconds}'
        for n, bucket in enumerate(BUCKETS, start=1):
            yield f'ml_inference_latency_seconds_bucket{{{who},route="predict",le="{bucket}"}} {n * 2.5 * seconds}'
            yield f'ml_prediction_score_bucket{{{who},le="{bucket}"}} {n * 2.5 * seconds}'
        for label in ("good", "bad"):
            yield f'ml_predictions_total{{{who},predicted_class="{label}"}} {5 * seconds}'
        yield f'ml_model_info{{{who},framework="sklearn"}} 1'
        role = "live" if version == "v1" else "canary"
        # Its share rises second by second: a marker's expression has a change to find.
        yield f'ml_model_traffic_weight{{{who},role="{role}"}} {min(seconds / 1000, 1)}'
    yield 'ml_inference_in_flight{model_name="fraud"} 3'
    yield 'ml_inference_in_flight_limit{model_name="fraud"} 64'
    yield f"process_cpu_seconds_total {seconds / 2}"
    yield "process_resident_memory_bytes 3e8"


def quality(_: float) -> Iterator[str]:
    """What the quality exporter would report."""
    for version in VERSIONS:
        who = f'model_name="fraud",model_version="{version}"'
        for feature in FEATURES:
            of = f'{who},feature_name="{feature}"'
            yield f'ml_data_drift_score{{{of},method="psi"}} 0.3'
            yield f'ml_data_drift_threshold{{{of},method="psi"}} 0.2'
            yield f'ml_data_drift_detected{{{of},critical="true"}} 1'
            for ratio in ("missing", "defaulted", "out_of_range"):
                yield f"ml_feature_{ratio}_ratio{{{of}}} 0.1"
                yield f"ml_feature_{ratio}_ratio_limit{{{of}}} 0.05"
        yield f"ml_prediction_score_baseline_median{{{who}}} 0.4"
        for label in ("good", "bad"):
            yield f'ml_prediction_class_ratio{{{who},predicted_class="{label}"}} 0.5'
            yield f'ml_prediction_class_ratio_baseline{{{who},predicted_class="{label}"}} 0.4'
        yield f'ml_drift_check_state{{{who},state="ok"}} 1'
        yield f'ml_baseline_info{{{who},baseline="2026-q1",population="all"}} 1'
        yield f"ml_baseline_age_seconds{{{who}}} 86400"
        yield f"ml_baseline_max_age_seconds{{{who}}} 864000"
    yield 'ml_feature_pipeline_info{model_name="fraud",release="features-1"} 1'


def plumbline(_: float) -> Iterator[str]:
    """What the control plane would report."""
    objective = 'model_name="fraud",route="predict",objective="availability"'
    yield f"plumbline_objective_error_budget_left{{{objective}}} 0.7"
    yield f"plumbline_objective_latency_limit_seconds{{{objective}}} 0.35"
    yield 'plumbline_model_registered{model_name="fraud",risk="high"} 1'
    yield 'plumbline_model_desired_weight{model_name="fraud",model_version="v1",role="live"} 0.9'
    yield 'plumbline_model_desired_weight{model_name="fraud",model_version="v2",role="canary"} 0.1'


SOURCES = {"/serving": serving, "/quality": quality, "/plumbline": plumbline}


class Target:
    """Serves all three, each under its own path."""

    def __enter__(self) -> Self:
        started = time.monotonic()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = ("\n".join(SOURCES[self.path](time.monotonic() - started)) + "\n").encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing to say on standard error."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
