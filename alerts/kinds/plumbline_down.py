"""The control plane is gone, or its loop has stopped for so long that nothing is reconciled."""

from alerts.expressions import Expr, call, max_by, series
from alerts.kind import PAGE, AlertKind, Case, Owner, Parameter, Plane, Scope, Timing
from alerts.proof_series import constant, forgotten, from_start, just_within, labelled, lagging
from telemetry import names, promql


def is_up(job: str) -> Expr:
    """1 where a target of the job is up, 0 where none is or none is known; never without a series."""
    return max_by((), series("up", promql.equals("job", job))).otherwise(call("vector", 0))


def last_run() -> Expr:
    """When the loop last ended a run; no series while it never did."""
    return max_by((), series(names.RECONCILE_LAST_RUN))


def never_ran() -> Expr:
    """The control plane answers, and its loop has never ended a run: there is no moment to count from."""
    up = max_by((), series("up", promql.equals("job", names.JOB_PLUMBLINE)))
    return up.equal_to(1).unless_on((), last_run())


def expression(scope: Scope) -> Expr:
    gone = is_up(names.JOB_PLUMBLINE).equal_to(0)
    # With Redis down the web UI answers, and nothing is reconciled.
    stopped = call("time").minus(last_run()).above(scope.limit("stopped"))
    return gone.otherwise(stopped).otherwise(never_ran())


def cases(scope: Scope, timing: Timing) -> list[Case]:
    up = labelled("up", {"job": names.JOB_PLUMBLINE, "instance": "plumbline"})
    other = {labelled("up", {"job": names.JOB_DRIFT, "instance": "other"}): constant(1, timing)}
    limit = scope.limit("stopped")

    def ran(ago: float) -> dict[str, str]:
        return {up: constant(1, timing), names.RECONCILE_LAST_RUN: lagging(ago, timing)}

    forgot = {up: constant(1, timing), names.RECONCILE_LAST_RUN: forgotten(timing)}
    before = {**other, names.RECONCILE_LAST_RUN: forgotten(timing)}
    return [
        Case("fires when its loop has stopped", ran(limit * 1.05), True),
        Case("fires when its loop has never run", forgot, True),
        Case("fires when it can't be scraped", {up: from_start(1, 0, timing), **before}, True),
        Case("fires when its target is gone", {up: f"1+0x{timing.start // timing.step} stale", **before}, True),
        Case("is silent while it is up and its loop runs", ran(just_within(limit)), False),
    ]


KIND = AlertKind(
    name="PlumblineDown",
    plane=Plane.META,
    owner=Owner.PLATFORM,
    severity=PAGE,
    for_=600,
    parameters=(
        Parameter(
            "stopped",
            900,
            "The loop may be silent for this long before that counts as down.",
            unit="s",
            minimum=60,
            maximum=7 * 86400,
        ),
    ),
    summary="Plumbline is down",
    description=(
        "For {for}, Prometheus has not reached the control plane, or its loop has been silent for over {stopped}, or "
        "has never run (beat, the worker or Redis is down). Serving and alerting go on with what was published last. "
        "Until the loop runs again nothing is published and no drift check is started; pages, edits and roll-backs "
        "work as long as the web process answers."
    ),
    expression=expression,
    cases=cases,
)
