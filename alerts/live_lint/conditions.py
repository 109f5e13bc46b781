"""Metrics that are not always there, with when they are: their absence alone is no fault of a rule. Pure."""

from collections.abc import Mapping

from alerts.live_lint.questions import selectors
from telemetry import names

_CHECKED = "a drift check has looked at a version"
_ON_DEMAND: dict[str, tuple[str, ...]] = {
    _CHECKED: (
        names.DRIFT_SCORE,
        names.DRIFT_THRESHOLD,
        names.DRIFT_DETECTED,
        names.MISSING_RATIO,
        names.DEFAULTED_RATIO,
        names.OUT_OF_RANGE_RATIO,
        names.MISSING_RATIO_LIMIT,
        names.DEFAULTED_RATIO_LIMIT,
        names.OUT_OF_RANGE_RATIO_LIMIT,
        names.PREDICTION_DRIFT_SCORE,
        names.CLASS_RATIO,
    ),
    "a version with traffic has a drift check": (
        names.CHECK_STATE,
        names.CHECK_FIRST_DUE,
        names.CHECK_LAST_SUCCESS,
        names.CHECK_INTERVAL,
    ),
    "a version has a baseline": (
        names.BASELINE_AGE,
        names.BASELINE_MAX_AGE,
        names.PREDICTION_BASELINE_MEDIAN,
        names.CLASS_RATIO_BASELINE,
    ),
    "a version with traffic has a business proxy whose value is known": (names.BUSINESS_PROXY,),
    "a version with traffic has a business proxy": (names.BUSINESS_PROXY_LOWER, names.BUSINESS_PROXY_UPPER),
    "a replica has been heard of": (names.REPLICA_STARTS,),
    "a Grafana API is configured": (names.ANNOTATIONS_PENDING,),
    "a model answers with classes": (names.PREDICTIONS,),
    "the serving app counts its features": (names.FEATURE_VALUES, names.FEATURE_MISSING),
    "the serving app limits its requests in flight": (names.IN_FLIGHT, names.IN_FLIGHT_LIMIT),
}
EXISTS_WHEN = {metric: when for when, metrics in _ON_DEMAND.items() for metric in metrics}


def conditions(recorded: Mapping[str, str]) -> dict[str, str]:
    """Metric -> when it is there, for what is not always there. `recorded`: each recorded series' expression."""
    found = dict(EXISTS_WHEN)
    for name, expression in recorded.items():
        reasons = [EXISTS_WHEN[each.metric] for each in selectors(expression) if each.metric in EXISTS_WHEN]
        if reasons:
            found.setdefault(name, reasons[0])
    return found
