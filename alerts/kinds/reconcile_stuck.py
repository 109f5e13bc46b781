"""The loop has stopped: nothing new is published, targets and annotations wait."""

from alerts.expressions import Expr, call, max_by, series
from alerts.kind import TICKET, AlertKind, Case, Owner, Parameter, Plane, Scope, Timing
from alerts.proof_series import lagging
from telemetry import names


def expression(scope: Scope) -> Expr:
    silence = call("time").minus(max_by((), series(names.RECONCILE_LAST_RUN)))
    return silence.above(max(scope.limit("runs") * scope.options.reconcile_interval, 60))


def cases(scope: Scope, timing: Timing) -> list[Case]:
    limit = max(scope.limit("runs") * scope.options.reconcile_interval, 60)
    return [
        Case("fires when the loop has stopped", {names.RECONCILE_LAST_RUN: lagging(limit * 1.05, timing)}, True),
        Case("is silent while it runs", {names.RECONCILE_LAST_RUN: lagging(limit * 0.95, timing)}, False),
    ]


KIND = AlertKind(
    name="PlumblineReconcileStuck",
    plane=Plane.META,
    owner=Owner.PLATFORM,
    severity=TICKET,
    for_=600,
    parameters=(
        Parameter("runs", 8, "Runs of the loop that may be missed (at least a minute).", minimum=2, maximum=10_000),
    ),
    summary="Plumbline's loop has stopped",
    description=(
        "The loop that keeps rules, routes, targets, annotations and drift checks true has not run for {for}: "
        "the worker, beat or Redis is down, or a run hangs."
    ),
    expression=expression,
    cases=cases,
)
