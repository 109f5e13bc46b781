"""The expressions behind a runbook page's live part. They read the metrics themselves: true also before any release."""

from telemetry import names
from telemetry.names import FEATURE, METHOD, MODEL, REASON, ROLE, ROUTE, STATE, VERSION
from telemetry.promql import duration, equals, selector

# The guide's window; short enough to follow a rollback, long enough for a quiet model.
WINDOW_SECONDS = 300
SCORE_WINDOW = "30m"


def instant(model: str, window_seconds: int = WINDOW_SECONDS) -> dict[str, str]:
    """Questions about `model` now, by name."""
    of = equals(MODEL, model)
    window = duration(window_seconds)
    return {
        "rps_by_version": _rate(VERSION, of, window),
        "errors_by_version": _error_ratio(VERSION, of, window),
        "invalid_by_version": _invalid_ratio(VERSION, of, window),
        "p95_by_version": _p95(VERSION, of, window),
        "rps_by_route": _rate(f"{VERSION}, {ROUTE}", of, window),
        "errors_by_route": _error_ratio(f"{VERSION}, {ROUTE}", of, window),
        "p95_by_route": _p95(f"{VERSION}, {ROUTE}", of, window),
        "errors_by_reason": f"sum by ({REASON}) (rate({selector(names.ERRORS, of)}[{window}]))",
        "applied": f"max by ({VERSION}, {ROLE}) ({selector(names.TRAFFIC_WEIGHT, of)})",
        "applied_least": f"min by ({VERSION}, {ROLE}) ({selector(names.TRAFFIC_WEIGHT, of)})",
        "replicas": f"count by ({VERSION}) ({selector(names.MODEL_INFO, of)})",
        "drifted": f"max by ({VERSION}, {FEATURE}) ({selector(names.DRIFT_DETECTED, of)}) == 1",
        "drift_score": f"max by ({VERSION}, {FEATURE}, {METHOD}) ({selector(names.DRIFT_SCORE, of)})",
        "drift_threshold": f"max by ({VERSION}, {FEATURE}, {METHOD}) ({selector(names.DRIFT_THRESHOLD, of)})",
        "missing": f"max by ({VERSION}, {FEATURE}) ({selector(names.MISSING_RATIO, of)})",
        "missing_limit": f"max by ({VERSION}, {FEATURE}) ({selector(names.MISSING_RATIO_LIMIT, of)})",
        "missing_before": f"max by ({VERSION}, {FEATURE}) ({selector(names.MISSING_RATIO, of)} offset 1h)",
        "score": _median(of),
        "score_yesterday": _median(of, " offset 1d"),
        "score_baseline": f"max by ({VERSION}) ({selector(names.PREDICTION_BASELINE_MEDIAN, of)})",
        "check_state": f"max by ({VERSION}, {STATE}) ({selector(names.CHECK_STATE, of)}) == 1",
        "check_success": f"max by ({VERSION}) ({selector(names.CHECK_LAST_SUCCESS, of)})",
    }


def over_time(model: str, step: float) -> dict[str, str]:
    """Charts of `model`, by name; rates over at least four scrapes and two steps."""
    of = equals(MODEL, model)
    window = duration(max(60, int(2 * step)))
    answering = f'{ROLE}!="shadow"'
    return {
        "errors": _error_ratio(VERSION, of, window),
        "latency": _p95(VERSION, of, window),
        "traffic": _rate(VERSION, of, window),
        "weight": f"max by ({VERSION}) ({selector(names.TRAFFIC_WEIGHT, of, answering)})",
        "drift": f"max by ({VERSION}, {FEATURE}) ({selector(names.DRIFT_SCORE, of)})",
        "missing": f"max by ({VERSION}, {FEATURE}) ({selector(names.MISSING_RATIO, of)})",
        "score": _median(of),
    }


def guide_queries(model: str) -> dict[str, str]:
    """The guide's five drill-down queries for `model`, to be read and copied; they use the recorded series."""
    of = equals(MODEL, model)
    errors = selector(names.REQUESTS, of, 'status="error"')
    p95 = selector(names.recorded(names.LATENCY_P95, "5m"), of)
    p50 = selector(names.recorded(names.SCORE_P50, "30m"), of)
    return {
        "errors_by_version": f"sum by ({VERSION}) (rate({errors}[5m]))",
        "routes_over_the_limit": p95,
        "features_in_drift": f"{selector(names.DRIFT_DETECTED, of)} == 1",
        "features_gone_missing": f"max_over_time({selector(names.MISSING_RATIO, of)}[1h])",
        "score_against_yesterday": f"{p50} - on({MODEL}, {VERSION}) {p50} offset 24h",
    }


def _rate(by: str, of: str, window: str) -> str:
    return f"sum by ({by}) (rate({selector(names.REQUESTS, of)}[{window}]))"


def _error_ratio(by: str, of: str, window: str) -> str:
    """Errors that are not the caller's, by all requests; NaN, so unknown, without requests."""
    errors = selector(names.ERRORS, of, f'{REASON}!="{names.INVALID_INPUT}"')
    return f"sum by ({by}) (rate({errors}[{window}])) / {_rate(by, of, window)}"


def _invalid_ratio(by: str, of: str, window: str) -> str:
    errors = selector(names.ERRORS, of, equals(REASON, names.INVALID_INPUT))
    return f"sum by ({by}) (rate({errors}[{window}])) / {_rate(by, of, window)}"


def _p95(by: str, of: str, window: str) -> str:
    buckets = selector(f"{names.LATENCY}_bucket", of)
    return f"histogram_quantile(0.95, sum by (le, {by}) (rate({buckets}[{window}])))"


def _median(of: str, offset: str = "") -> str:
    buckets = selector(f"{names.SCORE}_bucket", of)
    return f"histogram_quantile(0.5, sum by (le, {VERSION}) (rate({buckets}[{SCORE_WINDOW}]{offset})))"
