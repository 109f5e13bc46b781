"""Deploy markers that don't reach Grafana."""

from alerts.expressions import Expr, max_by, series
from alerts.kind import TICKET, AlertKind, Case, Owner, Plane, Scope, Timing
from alerts.proof_series import constant, from_start
from telemetry import names


def expression(scope: Scope) -> Expr:
    return max_by((), series(names.ANNOTATIONS_PENDING)).above(0)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    return [
        Case("fires while annotations wait", {names.ANNOTATIONS_PENDING: from_start(0, 1, timing)}, True),
        Case("is silent while none waits", {names.ANNOTATIONS_PENDING: constant(0, timing)}, False),
    ]


KIND = AlertKind(
    name="PlumblineAnnotationsStuck",
    plane=Plane.META,
    owner=Owner.PLATFORM,
    severity=TICKET,
    for_=600,
    summary="Changes don't appear in Grafana",
    description=(
        "For {for}, annotations have been waiting for Grafana: its API is unreachable or refuses Plumbline's token. "
        "They are kept, and delivered once it answers."
    ),
    expression=expression,
    cases=cases,
)
