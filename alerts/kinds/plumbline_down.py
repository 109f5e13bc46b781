"""The control plane is gone, or its loop has stopped for so long that nothing is reconciled."""

from alerts.expressions import Expr, call, max_by, series
from alerts.kind import PAGE, AlertKind, Case, Owner, Parameter, Plane, Scope, Timing
from alerts.proof_series import constant, from_start, labelled
from telemetry import names, promql


def is_up(job: str) -> Expr:
    """1 where a target of the job is up, 0 where none is or none is known; never without a series."""
    return max_by((), series("up", promql.equals("job", job))).otherwise(call("vector", 0))


def expression(scope: Scope) -> Expr:
    gone = is_up(names.JOB_PLUMBLINE).equal_to(0)
    # With Redis down the web UI answers, and nothing is reconciled.
    stopped = call("time").minus(max_by((), series(names.RECONCILE_LAST_RUN))).above(scope.limit("stopped"))
    return gone.otherwise(stopped)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    up = labelled("up", {"job": names.JOB_PLUMBLINE, "instance": "plumbline"})
    # promtool's clock starts at 0: with a last run this long before the start, the limit is passed at the start.
    last_run = timing.start + timing.step / 2 - scope.limit("stopped")
    loop_stopped = {up: constant(1, timing), names.RECONCILE_LAST_RUN: constant(last_run, timing)}
    return [
        Case("fires when its loop has stopped", loop_stopped, True),
        Case("fires when it can't be scraped", {up: from_start(1, 0, timing)}, True),
        Case("fires when its target is gone", {up: f"1+0x{timing.start // timing.step} stale"}, True),
        Case("is silent while it is up", {up: constant(1, timing)}, False),
    ]


KIND = AlertKind(
    name="PlumblineDown",
    plane=Plane.META,
    owner=Owner.PLATFORM,
    severity=PAGE,
    for_=600,
    parameters=(
        Parameter(
            "stopped", 900, "The loop may be silent for this long before that counts as down.", unit="s", minimum=60
        ),
    ),
    summary="Plumbline is down",
    description=(
        "For {for}, Prometheus has not reached the control plane, or its loop has been silent for over {stopped} "
        "(beat, the worker or Redis is down). Serving and alerting go on with what was published last. Until the loop "
        "runs again nothing is published and no drift check is started; pages, edits and roll-backs work as long as "
        "the web process answers."
    ),
    expression=expression,
    cases=cases,
)
