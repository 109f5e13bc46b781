"""Predictions that moved: the median score against the day before, the baseline, or the live version."""

from alerts.expressions import Expr, call, max_by, offset, rate, series, sum_by
from alerts.guards import (
    LIVE,
    REQUESTS_PER_MINUTE,
    VERSION_LABELS,
    carrying_traffic,
    traffic_beside_floor,
    weight_series,
)
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.live.numbers import Unit
from alerts.proof_series import constant, counting, exactly, from_start, histogram, labelled, long_after
from alerts.recording import SCORE_WINDOW
from models_registry.fleet import FleetModel
from telemetry import names, promql
from telemetry.buckets import SCORE

_DAY = 86400
_MEDIAN = names.recorded(names.SCORE_P50, SCORE_WINDOW)


def shift(scope: Scope) -> Expr:
    """How far the median is from where it was, whichever of the three that is."""
    median, scope = series(_MEDIAN, scope.matcher), scope.beside
    yesterday = offset(_MEDIAN, promql.duration(_DAY), scope.matcher)
    baseline = max_by(VERSION_LABELS, series(names.PREDICTION_BASELINE_MEDIAN, scope.matcher))
    live_weight = max_by(VERSION_LABELS, series(names.TRAFFIC_WEIGHT, scope.matcher, LIVE)).above(0)
    medians = series(_MEDIAN, scope.matcher)
    live = max_by((names.MODEL,), medians.and_on(VERSION_LABELS, live_weight))
    # The live version's median, given to each version: what a version younger than a day, without a baseline, meets.
    lives = medians.times(0).plus_matching((names.MODEL,), live)
    return call("abs", median.minus(yesterday.otherwise(baseline).otherwise(lives)))


def expression(scope: Scope) -> Expr:
    moved = shift(scope).above(scope.limit("shift"))
    scores = sum_by(VERSION_LABELS, rate(f"{names.SCORE}_count", SCORE_WINDOW, scope.beside.matcher))
    enough = scores.times(60).at_least(scope.limit(REQUESTS_PER_MINUTE.name))
    return carrying_traffic(moved.and_on(VERSION_LABELS, enough), scope)


def is_probability(model: FleetModel) -> bool:
    """Whether the model's score lies between 0 and 1, so that a shift has a scale."""
    return model.task != "regression"


def _scores(model: str, version: str, median: float, per_second: float, timing: Timing) -> dict[str, str]:
    labels = {names.MODEL: model, names.VERSION: version}
    return {
        **histogram(names.SCORE, labels, SCORE, 0.5, median, timing),
        labelled(f"{names.SCORE}_count", labels): counting(per_second, timing),
    }


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model, limit = scope.models[0].name, scope.limit("shift")
    labels = {names.MODEL: model, names.VERSION: "v2"}
    traffic = traffic_beside_floor(scope, timing)
    busy = traffic.busy
    # Two medians whose distance is over the limit, and two whose distance is under it; all within 0 and 1.
    low, far, near = 0.005, 0.005 + min(limit * 1.05, (limit + 0.99) / 2), 0.005 + limit * 0.95

    def against_baseline(median: float, per_second: float = busy, weight: float = 1) -> dict[str, str]:
        return {
            **_scores(model, "v2", median, per_second, timing),
            labelled(names.PREDICTION_BASELINE_MEDIAN, labels): constant(low, timing),
            weight_series(model, "v2"): constant(weight, timing),
        }

    against_live = {
        **_scores(model, "v1", low, busy, timing),
        **_scores(model, "v2", far, busy, timing),
        weight_series(model, "v1"): constant(0.9, timing),
        weight_series(model, "v2", "canary"): constant(0.1, timing),
    }
    found = [
        Case("fires when the median leaves the baseline's", against_baseline(far), True, labels),
        Case("fires when a new version without a baseline leaves the live one's", against_live, True, labels),
        Case("is silent near the baseline's median", against_baseline(near), False),
        Case("is silent on a version without traffic", against_baseline(far, weight=0), False),
    ]
    found.append(Case("fires with just enough scores", against_baseline(far, traffic.least), True, labels, late=True))
    if traffic.thin:
        found.append(Case("is silent with too few scores", against_baseline(far, traffic.thin), False))
    return [*found, *_exactly(scope, timing, labels, busy), *_against_yesterday(model, low, far, busy, timing)]


def _exactly(scope: Scope, timing: Timing, labels: dict[str, str], busy: float) -> list[Case]:
    model, limit = labels[names.MODEL], scope.limit("shift")

    def version(name: str, median: float, weight: float, role: str = "live") -> dict[str, str]:
        of_version = {**labels, names.VERSION: name}
        return {
            labelled(_MEDIAN, of_version): exactly(median, timing),
            labelled(f"{names.SCORE}_count", of_version): counting(busy, timing),
            weight_series(model, name, role): constant(weight, timing),
        }

    # Against a baseline of 0 the shift is the median itself.
    at_limit = version("v2", limit, 1) | {labelled(names.PREDICTION_BASELINE_MEDIAN, labels): constant(0, timing)}
    unasked = version("v1", 0.5, 0.9) | version("v2", 0.5, 0.1, "canary") | version("v3", 0.5 + 2 * limit, 0)
    return [
        Case("is silent exactly at the limit", at_limit, False, given=True),
        Case("is silent whatever a live version without traffic does", unasked, False, given=True),
    ]


def _against_yesterday(model: str, low: float, far: float, busy: float, timing: Timing) -> list[Case]:
    """The day before counts, not the baseline, which says the opposite."""
    labels = {names.MODEL: model, names.VERSION: "v2"}

    def situation(before: float, baseline: float) -> dict[str, str]:
        median = labelled(_MEDIAN, labels)
        today = {
            median: from_start(before, far, timing),
            labelled(f"{names.SCORE}_count", labels): counting(busy, timing),
            labelled(names.PREDICTION_BASELINE_MEDIAN, labels): constant(baseline, timing),
            weight_series(model, "v2"): constant(1, timing),
        }
        return long_after(_DAY, {median: from_start(before, before, timing)}, today, timing)

    return [
        Case("fires when the median leaves that of the day before", situation(low, far), True, labels, after=_DAY),
        Case("is silent where it was the same the day before", situation(far, low), False, after=_DAY),
    ]


KIND = AlertKind(
    name="MLPredictionDistributionShift",
    plane=Plane.QUALITY,
    owner=Owner.APPLIED_ML,
    severity=TICKET,
    fixed_window=promql.seconds(SCORE_WINDOW),
    for_=1800,
    # What moved is compared with itself a day later.
    longest_for=_DAY // 2,
    parameters=(
        Parameter(
            "shift",
            0.20,
            "The median score may move by this, against 24 hours before; on a version younger than that, "
            "against its baseline's median, else the live version's.",
            minimum=0.001,
            maximum=0.95,
        ),
        REQUESTS_PER_MINUTE,
    ),
    labels=VERSION_LABELS,
    concerns=is_probability,
    summary="The median score of {model_name} moved by more than {shift}",
    description=(
        "The median score of {model_name}, version {model_version}, over the last 30 minutes has been more than "
        "{shift} away from the day before (on a new version: from its baseline, else the live version) for {for}."
    ),
    expression=expression,
    cases=cases,
    comparisons=(Comparison("Shift of the median score", shift, "shift", unit=Unit.SCORE),),
)
