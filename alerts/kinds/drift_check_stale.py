"""Drift checks that stopped: no success for several intervals, so the drift alerts are blind."""

import math

from alerts.expressions import Expr, call, max_by, series
from alerts.guards import VERSION_LABELS, carrying_traffic, weight_series
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.proof_series import constant, just_within, labelled, lagging
from telemetry import names, promql

# What an interval that is not exported counts as (seconds).
_UNKNOWN_INTERVAL = 86400


def _counted_from(scope: Scope) -> Expr:
    """The last success, and the first time it was due where there never was one."""
    succeeded = max_by(VERSION_LABELS, series(names.CHECK_LAST_SUCCESS, scope.matcher)).above(0)
    return succeeded.otherwise(max_by(VERSION_LABELS, series(names.CHECK_FIRST_DUE, scope.matcher)))


def _silence(scope: Scope) -> Expr:
    return call("time").minus(_counted_from(scope))


def _interval(scope: Scope) -> Expr:
    stated = max_by(VERSION_LABELS, series(names.CHECK_INTERVAL, scope.matcher))
    return stated.otherwise(_counted_from(scope).times(0).plus(_UNKNOWN_INTERVAL))


def expression(scope: Scope) -> Expr:
    paused = series(names.CHECK_STATE, scope.beside.matcher, promql.equals(names.STATE, "paused")).equal_to(1)
    stale = (
        _silence(scope).above(_interval(scope.beside).times(scope.limit("intervals"))).unless_on(VERSION_LABELS, paused)
    )
    return carrying_traffic(stale, scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model = scope.models[0].name
    labels = {names.MODEL: model, names.VERSION: "v1"}
    limit = scope.limit("intervals")
    # promtool's clock starts at 0, and a success has to come after that: all the intervals fit into a step. A power of
    # two, so that the product is exact.
    interval = 2.0 ** math.floor(math.log2(timing.step / limit))
    succeeded, due = names.CHECK_LAST_SUCCESS, names.CHECK_FIRST_DUE

    def situation(
        metric: str, *, late: bool, exported: float | None = interval, weight: float = 1, state: str = "ok"
    ) -> dict[str, str]:
        """`late`: longer ago than the limit, else just within it."""
        longest = limit * (exported or _UNKNOWN_INTERVAL)
        silence = longest * 1.05 if late else just_within(longest)
        given = {
            labelled(metric, labels): lagging(silence, timing),
            labelled(names.CHECK_STATE, {**labels, names.STATE: state}): constant(1, timing),
            weight_series(model, "v1"): constant(weight, timing),
        }
        if metric == due:
            # As the exporter has it where there was none.
            given[labelled(succeeded, labels)] = constant(0, timing)
        if exported is not None:
            given[labelled(names.CHECK_INTERVAL, labels)] = constant(exported, timing)
        return given

    never, unknown = situation(due, late=True, state="never_run"), situation(due, late=True, exported=None)
    return [
        Case("fires long after the last success", situation(succeeded, late=True), True, labels),
        Case("fires when it never succeeded", never, True, labels),
        Case("fires where its interval is not known", unknown, True, labels),
        Case("is silent while the last success is just fresh enough", situation(succeeded, late=False), False),
        Case("is silent where its interval is not known", situation(due, late=False, exported=None), False),
        Case("is silent while paused", situation(succeeded, late=True, state="paused"), False),
        Case("is silent on a version without traffic", situation(succeeded, late=True, weight=0), False),
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
    comparisons=(
        Comparison("Check intervals since the last success", lambda s: _silence(s).over(_interval(s)), "intervals"),
    ),
)
