"""The loop has stopped: nothing new is published, targets and annotations wait."""

from alerts.expressions import Expr, call
from alerts.kind import TICKET, AlertKind, Case, Owner, Parameter, Plane, Scope, Timing
from alerts.kinds.plumbline_down import last_run, never_ran
from alerts.proof_series import constant, forgotten, just_within, labelled, lagging
from telemetry import names


def expression(scope: Scope) -> Expr:
    return call("time").minus(last_run()).above(_limit(scope)).otherwise(never_ran())


def _limit(scope: Scope) -> float:
    """Seconds."""
    return max(scope.limit("runs") * scope.options.reconcile_interval, 60)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    limit = _limit(scope)
    up = labelled("up", {"job": names.JOB_PLUMBLINE, "instance": "plumbline"})
    other = labelled("up", {"job": names.JOB_DRIFT, "instance": "other"})

    def ran(ago: float) -> dict[str, str]:
        return {up: constant(1, timing), names.RECONCILE_LAST_RUN: lagging(ago, timing)}

    return [
        Case("fires when the loop has stopped", ran(limit * 1.05), True),
        Case("fires when the loop has never run", {**ran(0), names.RECONCILE_LAST_RUN: forgotten(timing)}, True),
        Case("is silent while it runs", ran(just_within(limit)), False),
        # That is what PlumblineDown tells.
        Case("is silent while it can't be scraped", {up: constant(0, timing), other: constant(1, timing)}, False),
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
