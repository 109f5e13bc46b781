"""The control plane is gone, or its loop has stopped for so long that nothing is reconciled."""

from alerts.expressions import Expr, call, max_by, series
from alerts.kind import PAGE, AlertKind, Case, Owner, Parameter, Plane, Scope, Timing
from alerts.proof_series import constant, from_start, labelled, lagging
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
    other = {labelled("up", {"job": names.JOB_DRIFT, "instance": "other"}): constant(1, timing)}
    limit = scope.limit("stopped")

    def last_run(lag: float) -> dict[str, str]:
        return {up: constant(1, timing), names.RECONCILE_LAST_RUN: lagging(lag, timing)}

    return [
        Case("fires when its loop has stopped", last_run(limit * 1.05), True),
        Case("fires when it can't be scraped", {up: from_start(1, 0, timing), **other}, True),
        Case("fires when its target is gone", {up: f"1+0x{timing.start // timing.step} stale", **other}, True),
        Case("is silent while it is up and its loop runs", last_run(limit * 0.95), False),
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
