"""The alert that always fires: when it stops arriving, alerting itself is broken."""

from alerts.expressions import Expr, call
from alerts.kind import TICKET, AlertKind, Case, Owner, Plane, Scope, Timing


def expression(scope: Scope) -> Expr:
    return call("vector", 1)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    return [Case("always fires", {}, True)]


KIND = AlertKind(
    name="Watchdog",
    plane=Plane.META,
    owner=Owner.PLATFORM,
    severity=TICKET,
    for_=0,
    summary="Alerting works from end to end",
    description=(
        "This alert always fires. Plumbline expects it from Alertmanager: when it stays away, "
        "Prometheus, Alertmanager or the path between them is broken."
    ),
    expression=expression,
    cases=cases,
)
