"""Two hours of a watched model's metrics, as functions of time, and a Prometheus store filled with them.

`fraud`: v1 is live and well. v2 became the canary with 10 % half an hour ago and fails a fifth of its requests, all on
one route. `country` drifts; `amount` went missing half an hour ago.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

SHIFTED = 1800  # seconds before now that v2 got its share
SPAN = 7200
STEP = 15
LATENCY = ("0.01", "0.025", "0.05", "0.1", "0.2", "0.35", "0.5", "0.75", "1.0", "2.0", "5.0", "+Inf")
# How many of 100 answers are at most as slow as the bucket's bound.
FAST = (20, 60, 90, 97, 99, 100, 100, 100, 100, 100, 100, 100)
SLOW = (5, 10, 20, 40, 60, 80, 90, 96, 99, 100, 100, 100)
SCORE = ("0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0", "+Inf")


def samples(age: float, model: str = "fraud") -> Iterator[str]:
    """The exposition `age` seconds before now, without timestamps."""
    elapsed, with_canary = SPAN - age, max(0.0, SHIFTED - age)
    alone = elapsed - with_canary
    yield from _version(model, "v1", "live", 20 * alone + 18 * with_canary, 0.001, FAST, 0.9 if with_canary else 1.0)
    if with_canary or age <= SHIFTED:
        yield from _version(model, "v2", "canary", 2 * with_canary, 0.21, SLOW, 0.1)
    for version in ("v1", "v2") if with_canary else ("v1",):
        yield from _quality(model, version, bool(with_canary))
    yield f'ml_inference_in_flight{{model_name="{model}"}} 3'
    yield f'ml_inference_in_flight_limit{{model_name="{model}"}} 64'


def _version(
    model: str, version: str, role: str, requests: float, failing: float, latency: tuple[int, ...], weight: float
) -> Iterator[str]:
    who = f'model_name="{model}",model_version="{version}"'
    for route, share in (("predict", 0.8), ("predict_batch", 0.2)):
        # Only predict_batch of the canary fails; the live version fails a little everywhere.
        bad = failing if version == "v1" else failing / 0.2 if route == "predict_batch" else 0.0
        bad, of_route = min(bad, 1.0), requests * share
        yield f'ml_inference_requests_total{{{who},route="{route}",status="success"}} {of_route * (1 - bad)}'
        yield f'ml_inference_requests_total{{{who},route="{route}",status="error"}} {of_route * bad}'
        yield f'ml_inference_errors_total{{{who},route="{route}",reason="model_error"}} {of_route * bad}'
        yield f'ml_inference_errors_total{{{who},route="{route}",reason="invalid_input"}} 0'
        for bound, percent in zip(LATENCY, latency, strict=True):
            bucket = f'ml_inference_latency_seconds_bucket{{{who},route="{route}",le="{bound}"}}'
            yield f"{bucket} {of_route * percent / 100}"
    for n, bound in enumerate(SCORE):
        yield f'ml_prediction_score_bucket{{{who},le="{bound}"}} {requests * min(1.0, n / 10)}'
    yield f'ml_model_info{{{who},framework="sklearn"}} 1'
    yield f'ml_model_traffic_weight{{{who},role="{role}"}} {weight}'


def _quality(model: str, version: str, lately: bool) -> Iterator[str]:
    who = f'model_name="{model}",model_version="{version}"'
    for feature, score in (("amount", 0.05), ("country", 0.31 if lately else 0.11)):
        of = f'{who},feature_name="{feature}"'
        yield f'ml_data_drift_score{{{of},method="psi"}} {score}'
        yield f'ml_data_drift_threshold{{{of},method="psi"}} 0.2'
        yield f'ml_data_drift_detected{{{of},critical="false"}} {int(score > 0.2)}'
        missing = 0.12 if feature == "amount" and lately else 0.004
        yield f"ml_feature_missing_ratio{{{of}}} {missing}"
        yield f"ml_feature_missing_ratio_limit{{{of}}} 0.05"
    yield f"ml_prediction_score_baseline_median{{{who}}} 0.48"
    yield f'ml_drift_check_state{{{who},state="{"drifted" if lately else "ok"}"}} 1'


def fill_store(folder: Path, now: float) -> None:
    """The two hours up to `now` as blocks of a Prometheus store in `folder`."""
    text = folder.with_suffix(".openmetrics")
    with text.open("w") as file:
        for age in range(SPAN, -1, -STEP):
            file.writelines(f"{line} {now - age:.3f}\n" for line in samples(age))
        file.write("# EOF\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, folder], check=True, capture_output=True
    )
