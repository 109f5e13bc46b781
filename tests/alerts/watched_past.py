"""A day of `fraud`'s recorded latency, as a function of time, and a Prometheus store filled with it.

A sample at each evaluation of a rule, every 30 s. The 95th percentile is 0.2 s, but for three breaches; for two hours
there are no samples at all.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STEP = 30
HOUR = 3600
SPAN = 24 * HOUR
USUAL = 0.2
# Nothing older than a sample's own evaluation counts, so that what is missing is missing at once.
ARGUMENTS = (f"--query.lookback-delta={STEP - 1}s", "--storage.tsdb.retention.time=10d")
LABELS = 'model_name="fraud",model_version="v1"'
P95 = f'job:ml_inference_latency_p95_seconds:5m{{{LABELS},route="predict"}}'
RPS = f'job:ml_inference_rps:rate5m{{{LABELS},route="predict"}}'
WEIGHT = f'ml_model_traffic_weight{{{LABELS},role="live"}}'


@dataclass(frozen=True)
class Breach:
    """`age` seconds ago it began."""

    age: int
    lasts: int
    p95: float


BREACHES = (Breach(20 * HOUR, 1200, 0.5), Breach(10 * HOUR, 1800, 0.3), Breach(2 * HOUR, 900, 0.45))
GAP = (6 * HOUR, 4 * HOUR)  # from this age down to this one


def p95_at(age: int) -> float | None:
    """Seconds; None where there is no sample."""
    if GAP[1] < age <= GAP[0]:
        return None
    return next((b.p95 for b in BREACHES if b.age - b.lasts < age <= b.age), USUAL)


def samples(end: int) -> Iterator[str]:
    """The exposition up to `end`, a whole evaluation; in OpenMetrics all of a series stands together."""
    for series, value in ((P95, None), (RPS, 20), (WEIGHT, 1)):
        for age in range(SPAN, 0, -STEP):
            p95 = p95_at(age)
            if p95 is not None:
                yield f"{series} {p95 if value is None else value} {end - age}"


def fill_store(folder: Path, end: int) -> None:
    """The day up to `end` as blocks of a Prometheus store in `folder`."""
    text = folder.with_suffix(".openmetrics")
    text.write_text("\n".join([*samples(end), "# EOF\n"]))
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, folder], check=True, capture_output=True
    )
