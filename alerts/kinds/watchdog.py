"""The alert that always fires, for a service outside that notices when it stays away. Plumbline itself doesn't."""

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
        "This alert always fires: where Alertmanager no longer has it, Prometheus, Alertmanager or the path between "
        "them is broken. It is no incident, and Plumbline does not notice when it stays away: have a service outside "
        "look for it."
    ),
    expression=expression,
    cases=cases,
)
