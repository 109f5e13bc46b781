"""Releases that are refused or switched back: edits of the registry don't reach the servers."""

from alerts.expressions import Expr, max_by, series
from alerts.kind import TICKET, AlertKind, Case, Owner, Plane, Scope, Timing
from alerts.proof_series import constant, from_start
from telemetry import names


def expression(scope: Scope) -> Expr:
    return max_by((), series(names.RELEASE_FAILING)).equal_to(1)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    return [
        Case("fires while releases fail", {names.RELEASE_FAILING: from_start(0, 1, timing)}, True),
        Case("is silent while they succeed", {names.RELEASE_FAILING: constant(0, timing)}, False),
    ]


KIND = AlertKind(
    name="PlumblineReleaseFailing",
    plane=Plane.META,
    owner=Owner.PLATFORM,
    severity=TICKET,
    for_=600,
    summary="Plumbline can't publish: the newest release was refused or switched back",
    description=(
        "For {for}, what the registry says has not been what Prometheus and Alertmanager run. The previous release "
        "stays in force; the Releases page says what was refused and why."
    ),
    expression=expression,
    cases=cases,
)
