"""Recorded series: one definition of each rate, ratio and percentile, for dashboards and alerts alike. Pure.

Aggregated by model, version and route, without job and instance. Ratios are sums of counts divided, never means of
ratios. Where nothing was asked there is no series rather than NaN.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from alerts.expressions import Expr, max_by, quantile_of_histogram, rate, series, sum_by
from alerts.options import RenderOptions
from telemetry import names, promql

GROUP = "ml-recording-rules"
FILE = "prometheus/rules/recording.yml"
DEFAULT_WINDOW = "5m"
SCORE_WINDOW = "30m"

_MODEL = (names.MODEL,)
_VERSION = (names.MODEL, names.VERSION)
_ROUTE = (names.MODEL, names.VERSION, names.ROUTE)
_BUCKETS = f"{names.LATENCY}_bucket"
_FAILED = promql.equals(names.STATUS, "error")
_INVALID = promql.equals(names.REASON, names.INVALID_INPUT)
_OVERLOADED = promql.equals(names.REASON, names.OVERLOADED)
NOT_INVALID_INPUT = f"{names.REASON}!={promql.quote(names.INVALID_INPUT)}"


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded series."""

    record: str
    expression: Expr


def _requests(window: str) -> Expr:
    return sum_by(_ROUTE, rate(names.REQUESTS, window))


def _share(part: Expr, whole: Expr) -> Expr:
    """part / whole, 0 where the part has no series yet, nothing where the whole is 0."""
    return part.otherwise(whole.times(0)).over(whole.above(0))


def _error_ratio(window: str) -> Expr:
    return _share(sum_by(_ROUTE, rate(names.REQUESTS, window, _FAILED)), _requests(window))


def _server_error_ratio(window: str) -> Expr:
    return _share(sum_by(_ROUTE, rate(names.ERRORS, window, NOT_INVALID_INPUT)), _requests(window))


def _invalid_input_ratio(window: str) -> Expr:
    return _share(sum_by(_ROUTE, rate(names.ERRORS, window, _INVALID)), _requests(window))


def _overloaded_ratio(window: str) -> Expr:
    # Of the model: requests are refused before a version works on them.
    refused = sum_by(_MODEL, rate(names.ERRORS, window, _OVERLOADED))
    return _share(refused, sum_by(_MODEL, rate(names.REQUESTS, window)))


def _latency(quantile: float) -> Callable[[str], Expr]:
    def expression(window: str) -> Expr:
        return quantile_of_histogram(quantile, sum_by(("le", *_ROUTE), rate(_BUCKETS, window))).without_nan()

    return expression


def _score_median(window: str) -> Expr:
    buckets = sum_by(("le", *_VERSION), rate(f"{names.SCORE}_bucket", window))
    return quantile_of_histogram(0.5, buckets).without_nan()


def _traffic_share(window: str) -> Expr:
    by_version = sum_by(_VERSION, rate(names.REQUESTS, window))
    return by_version.over_matching(_MODEL, sum_by(_MODEL, rate(names.REQUESTS, window)).above(0))


def _missing_online(window: str) -> Expr:
    labels = (*_VERSION, names.FEATURE)
    missing = sum_by(labels, rate(names.FEATURE_MISSING, window))
    return _share(missing, sum_by(labels, rate(names.FEATURE_VALUES, window)))


def _class_share(window: str) -> Expr:
    by_class = sum_by((*_VERSION, names.CLASS), rate(names.PREDICTIONS, window))
    return by_class.over_matching(_VERSION, sum_by(_VERSION, rate(names.PREDICTIONS, window)).above(0))


def canaries(*matchers: str) -> Expr:
    """Versions that at least one replica gives canary traffic, however much replicas disagree during a shift."""
    return max_by(_VERSION, series(names.TRAFFIC_WEIGHT, *matchers, promql.equals(names.ROLE, "canary"))).above(0)


def _failed_by_version(window: str) -> Expr:
    return sum_by(_VERSION, rate(names.ERRORS, window, NOT_INVALID_INPUT))


def _asked_by_version(window: str) -> Expr:
    return sum_by(_VERSION, rate(names.REQUESTS, window))


def _of_live(by_version: Expr, labels: tuple[str, ...] = _MODEL) -> Expr:
    """The sum over the versions that are canary nowhere."""
    return sum_by(labels, by_version.unless_on(_VERSION, canaries()))


def _version_error_ratio(window: str) -> Expr:
    return _share(_failed_by_version(window), _asked_by_version(window))


def _live_error_ratio(window: str) -> Expr:
    failed, asked = _of_live(_failed_by_version(window)), _of_live(_asked_by_version(window))
    # Beside a canary, live versions that nobody asks count as free of errors: the comparison must not fall silent.
    return _share(failed, asked).otherwise(max_by(_MODEL, canaries()).times(0))


def _version_p95(window: str) -> Expr:
    return quantile_of_histogram(0.95, sum_by(("le", *_VERSION), rate(_BUCKETS, window))).without_nan()


def _live_p95(window: str) -> Expr:
    by_version = sum_by(("le", *_VERSION), rate(_BUCKETS, window))
    return quantile_of_histogram(0.95, _of_live(by_version, ("le", *_MODEL))).without_nan()


# Prefix -> its expression over a window. A policy with another window than the usual one reads series of its own.
WINDOWED: dict[str, Callable[[str], Expr]] = {
    names.RPS: _requests,
    names.ERROR_RATIO: _error_ratio,
    names.SERVER_ERROR_RATIO: _server_error_ratio,
    names.INVALID_INPUT_RATIO: _invalid_input_ratio,
    names.OVERLOADED_RATIO: _overloaded_ratio,
    names.LATENCY_P50: _latency(0.50),
    names.LATENCY_P95: _latency(0.95),
    names.LATENCY_P99: _latency(0.99),
    names.TRAFFIC_SHARE: _traffic_share,
    names.MISSING_ONLINE: _missing_online,
    names.CLASS_SHARE: _class_share,
    names.VERSION_ERROR_RATIO: _version_error_ratio,
    names.VERSION_P95: _version_p95,
    names.LIVE_ERROR_RATIO: _live_error_ratio,
    names.LIVE_P95: _live_p95,
}


def recordings(extra: Iterable[tuple[str, int]] = ()) -> list[Recording]:
    """Every series over its usual window, and those over others: `extra` holds (prefix, seconds), repeats allowed."""
    usual = promql.seconds(DEFAULT_WINDOW)
    others = sorted({(prefix, seconds) for prefix, seconds in extra if seconds != usual})
    asked = [(prefix, usual) for prefix in WINDOWED] + others
    return [*map(_windowed, asked), *_unwindowed()]


def _windowed(asked: tuple[str, int]) -> Recording:
    prefix, window = asked[0], promql.duration(asked[1])
    return Recording(names.recorded(prefix, window), WINDOWED[prefix](window))


def _unwindowed() -> list[Recording]:
    # A feature that drifts in two versions counts once.
    drifting = max_by((names.MODEL, names.FEATURE), series(names.DRIFT_DETECTED))
    # The fullest replica: the others can't take its requests.
    limit = max_by((names.MODEL, "instance"), series(names.IN_FLIGHT_LIMIT)).above(0)
    filled = max_by((names.MODEL, "instance"), series(names.IN_FLIGHT)).over(limit)
    return [
        Recording(names.recorded(names.SCORE_P50, SCORE_WINDOW), _score_median(SCORE_WINDOW)),
        Recording(names.DRIFT_FEATURES_TRIGGERED, sum_by(_MODEL, drifting)),
        Recording(names.SATURATION, max_by(_MODEL, filled)),
    ]


def recording_group(options: RenderOptions, extra: Iterable[tuple[str, int]] = ()) -> dict[str, Any]:
    """The rule group `ml-recording-rules` as Prometheus' rule files hold it."""
    return {
        "name": GROUP,
        "interval": promql.duration(options.evaluation_interval),
        "rules": [{"record": r.record, "expr": r.expression.text} for r in recordings(extra)],
    }
