"""Twelve hours of `churn`: what the alerts with more than one series look at, each gone wrong once, at a known time.

A sample every 30 s, in the store of `watched_past`. The canary v2 is there for two hours only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from alerts.objectives import AVAILABILITY, ObjectiveRow
from telemetry import names

STEP, HOUR, MINUTE = 30, 3600, 60
SPAN = 12 * HOUR


@dataclass(frozen=True)
class Time:
    """From `since` seconds ago, for `lasts` seconds."""

    since: int
    lasts: int

    def holds(self, age: int) -> bool:
        return self.since - self.lasts < age <= self.since


CANARY = Time(8 * HOUR, 2 * HOUR)
FAILING = Time(7 * HOUR, 20 * MINUTE)  # the canary: 6 % of its requests instead of 1 %
DRIFTING = Time(5 * HOUR, HOUR)  # f0, f1 and f2 of five features
BURNING = Time(3 * HOUR, 30 * MINUTE)  # a fifth of the answers are bad, over each window
FULL = Time(2 * HOUR, 10 * MINUTE)  # 95 % of the limit in flight
UNSERVED = Time(90 * MINUTE, 10 * MINUTE)  # no replica has it loaded
OBJECTIVE = ObjectiveRow("churn", "answers", AVAILABILITY, "predict", 0.99)

Value = Callable[[int], float | None]


def _series() -> Iterator[tuple[str, dict[str, str], Value]]:
    """Metric, labels, and its value by age; None: no sample."""

    def during(time: Time, then: float, else_: float) -> Value:
        return lambda age: then if time.holds(age) else else_

    def of_canary(value: Value) -> Value:
        return lambda age: value(age) if CANARY.holds(age) else None

    def constant(value: float) -> Value:
        return lambda age: value

    live, canary = {names.VERSION: "v1"}, {names.VERSION: "v2"}
    yield names.TRAFFIC_WEIGHT, {**live, names.ROLE: "live"}, during(CANARY, 0.9, 1)
    yield names.TRAFFIC_WEIGHT, {**canary, names.ROLE: "canary"}, of_canary(constant(0.1))
    errors, p95 = names.recorded(names.VERSION_ERROR_RATIO, "5m"), names.recorded(names.VERSION_P95, "5m")
    yield errors, live, constant(0.01)
    yield errors, canary, of_canary(during(FAILING, 0.06, 0.01))
    yield names.recorded(names.LIVE_ERROR_RATIO, "5m"), {}, constant(0.01)
    yield p95, live, constant(0.2)
    yield p95, canary, of_canary(constant(0.2))
    yield names.recorded(names.LIVE_P95, "5m"), {}, constant(0.2)
    counted = {**canary, names.ROUTE: "predict", names.STATUS: "success"}
    yield names.REQUESTS, counted, of_canary(lambda age: 10 * (SPAN - age))
    for place in range(5):
        of = {**live, names.FEATURE: f"f{place}"}
        critical = "true" if place == 0 else "false"
        drifts = during(DRIFTING, int(place < 3), 0)
        yield names.DRIFT_DETECTED, {**of, names.CRITICAL: critical}, drifts
    of_score = {**live, names.FEATURE: "f0", names.METHOD: "psi"}
    yield names.DRIFT_SCORE, of_score, during(DRIFTING, 0.3, 0.15)
    yield names.DRIFT_THRESHOLD, of_score, constant(0.25)
    objective = {names.ROUTE: "predict", names.OBJECTIVE: "answers", names.PERIOD: "30d"}
    for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d"):
        bad = during(BURNING, 0.2, 0.001) if window in ("5m", "1h") else constant(0.001)
        yield names.recorded(names.OBJECTIVE_BAD_RATIO, window), objective, bad
        yield names.recorded(names.OBJECTIVE_EVENTS, window), objective, constant(10)
        yield names.recorded(names.OBJECTIVE_BAD_COUNT, window), objective, constant(36)
    yield names.recorded(names.OBJECTIVE_BAD, "5m"), objective, constant(0.01)
    yield names.SATURATION, {}, during(FULL, 0.95, 0.5)
    yield names.DESIRED_WEIGHT, {**live, names.ROLE: "live"}, constant(1)
    loaded = {**live, names.FRAMEWORK: "onnx", "job": names.JOB_INFERENCE, "instance": "replica-1"}
    yield names.MODEL_INFO, loaded, lambda age: None if UNSERVED.holds(age) else 1


def samples(end: int) -> Iterator[str]:
    """The exposition up to `end`, a whole evaluation; in OpenMetrics all of a metric stands together."""
    for metric, labels, value in sorted(_series(), key=lambda each: each[0]):
        written = ",".join(f'{name}="{text}"' for name, text in {names.MODEL: "churn", **labels}.items())
        for age in range(SPAN, 0, -STEP):
            found = value(age)
            if found is not None:
                yield f"{metric}{{{written}}} {found} {end - age}"
