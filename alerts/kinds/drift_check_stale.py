"""Drift checks that stopped: no success for several intervals, so the drift alerts are blind."""

from alerts.expressions import Expr, call, max_by, series
from alerts.guards import VERSION_LABELS, carrying_traffic, weight_series
from alerts.kind import TICKET, AlertKind, Case, Owner, Parameter, Plane, Scope, Timing
from alerts.proof_series import constant, labelled
from telemetry import names, promql

# What an interval that is not exported counts as (seconds).
_UNKNOWN_INTERVAL = 86400


def expression(scope: Scope) -> Expr:
    succeeded = max_by(VERSION_LABELS, series(names.CHECK_LAST_SUCCESS, scope.matcher)).above(0)
    due = max_by(VERSION_LABELS, series(names.CHECK_FIRST_DUE, scope.matcher))
    # Counted from the first time it was due where it never succeeded.
    silence = call("time").minus(succeeded.otherwise(due))
    interval = max_by(VERSION_LABELS, series(names.CHECK_INTERVAL, scope.matcher))
    interval = interval.otherwise(succeeded.otherwise(due).times(0).plus(_UNKNOWN_INTERVAL))
    paused = series(names.CHECK_STATE, scope.matcher, promql.equals(names.STATE, "paused")).equal_to(1)
    stale = silence.above(interval.times(scope.limit("intervals"))).unless_on(VERSION_LABELS, paused)
    return carrying_traffic(stale, scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model = scope.models[0].name
    labels = {names.MODEL: model, names.VERSION: "v1"}
    # promtool's clock starts at 0, and the last success with it: three of these intervals end at the start.
    interval = (timing.start + timing.step / 2) / scope.limit("intervals")
    fresh = 2 * timing.firing_from / scope.limit("intervals")

    def situation(metric: str, interval: float, weight: float = 1, state: str = "ok") -> dict[str, str]:
        at = 0.001 if metric == names.CHECK_LAST_SUCCESS else 0
        return {
            labelled(metric, labels): constant(at, timing),
            labelled(names.CHECK_INTERVAL, labels): constant(interval, timing),
            labelled(names.CHECK_STATE, {**labels, names.STATE: state}): constant(1, timing),
            weight_series(model, "v1"): constant(weight, timing),
        }

    return [
        Case("fires long after the last success", situation(names.CHECK_LAST_SUCCESS, interval), True, labels),
        Case(
            "fires when it never succeeded", situation(names.CHECK_FIRST_DUE, interval, state="never_run"), True, labels
        ),
        Case("is silent while the last success is fresh", situation(names.CHECK_LAST_SUCCESS, fresh), False),
        Case("is silent while paused", situation(names.CHECK_LAST_SUCCESS, interval, state="paused"), False),
        Case("is silent on a version without traffic", situation(names.CHECK_LAST_SUCCESS, interval, weight=0), False),
    ]


KIND = AlertKind(
    name="MLDriftCheckStale",
    plane=Plane.QUALITY,
    owner=Owner.APPLIED_ML,
    severity=TICKET,
    for_=300,
    parameters=(
        Parameter("intervals", 3, "Check intervals that may pass without a success.", minimum=1, maximum=1000),
    ),
    labels=VERSION_LABELS,
    summary="The drift check of {model_name} has stopped",
    description=(
        "No drift check of {model_name}, version {model_version}, has succeeded for more than {intervals} of its "
        "intervals, and it is not paused: drift would go unseen."
    ),
    expression=expression,
    cases=cases,
)
