"""A day of `fraud`'s recorded latency, as a function of time, and a Prometheus store with it (and with `churn`).

A sample at each evaluation of a rule, every 30 s. The 95th percentile is 0.2 s, but for three breaches; for two hours
there are no samples at all. `amount` goes missing for half an hour.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.alerts import watched_conditions

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
MISSING = f'ml_feature_missing_ratio{{{LABELS},feature_name="amount"}}'


@dataclass(frozen=True)
class Breach:
    """`age` seconds ago it began."""

    age: int
    lasts: int
    value: float

    def holds(self, age: int) -> bool:
        return self.age - self.lasts < age <= self.age


BREACHES = (Breach(20 * HOUR, 1200, 0.5), Breach(10 * HOUR, 1800, 0.3), Breach(2 * HOUR, 900, 0.45))
GAP = (6 * HOUR, 4 * HOUR)  # from this age down to this one
GONE_MISSING = Breach(8 * HOUR, 1800, 0.2)  # of `amount`: a fifth


def p95_at(age: int) -> float | None:
    """Seconds; None where there is no sample."""
    if GAP[1] < age <= GAP[0]:
        return None
    return next((b.value for b in BREACHES if b.holds(age)), USUAL)


def samples(end: int) -> Iterator[str]:
    """The exposition up to `end`, a whole evaluation; in OpenMetrics all of a series stands together."""
    present = [age for age in range(SPAN, 0, -STEP) if p95_at(age) is not None]
    yield from (f"{P95} {p95_at(age)} {end - age}" for age in present)
    for series, value in ((RPS, 20), (WEIGHT, 1)):
        yield from (f"{series} {value} {end - age}" for age in present)
    yield from (f"{MISSING} {GONE_MISSING.value if GONE_MISSING.holds(age) else 0} {end - age}" for age in present)


def fill_store(folder: Path, end: int) -> None:
    """The day up to `end` as blocks of a Prometheus store in `folder`."""
    text = folder.with_suffix(".openmetrics")
    text.write_text("\n".join([*samples(end), *watched_conditions.samples(end), "# EOF\n"]))
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, folder], check=True, capture_output=True
    )
