"""A served model whose request series are gone: every alert on its traffic is blind."""

from alerts.expressions import Expr, count_by, max_by, series
from alerts.guards import MODEL_LABELS, weight_series
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Plane, Scope, Timing
from alerts.proof_series import constant, counting, labelled, vanishing
from telemetry import names


def _desired(scope: Scope) -> Expr:
    return max_by(MODEL_LABELS, series(names.DESIRED_WEIGHT, scope.matcher))


def _applied(scope: Scope) -> Expr:
    """What replicas say themselves, for the time that the control plane is dead."""
    return max_by(MODEL_LABELS, series(names.TRAFFIC_WEIGHT, scope.matcher))


def _told(scope: Scope) -> Expr:
    return _desired(scope).otherwise(_applied(scope))


def _counting(scope: Scope) -> Expr:
    return count_by(MODEL_LABELS, series(names.REQUESTS, scope.matcher)).otherwise(_told(scope).times(0))


def expression(scope: Scope) -> Expr:
    counted = max_by(MODEL_LABELS, series(names.REQUESTS, scope.beside.matcher))
    # Not absent(): over several models it stays blind while one of them is counted.
    return _desired(scope).above(0).otherwise(_applied(scope).above(0)).unless_on(MODEL_LABELS, counted)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model = scope.models[0].name
    labels = {names.MODEL: model}
    desired = labelled(names.DESIRED_WEIGHT, {**labels, names.VERSION: "v1", names.ROLE: "live"})
    applied = weight_series(model, "v1")
    requests = labelled(
        names.REQUESTS, {**labels, names.VERSION: "v1", names.ROUTE: "predict", names.STATUS: "success"}
    )
    gone, served = vanishing(1, timing), constant(1, timing)
    return [
        Case("fires when the request series are gone", {desired: served, requests: gone}, True, labels),
        Case("fires while the control plane is dead", {applied: served, requests: gone}, True, labels),
        Case("is silent while requests are counted", {desired: served, requests: counting(1, timing)}, False),
        Case("is silent while the counters stand still", {desired: served, requests: constant(0, timing)}, False),
        Case("is silent on a model without traffic", {desired: constant(0, timing), requests: gone}, False),
        Case("is silent on one that replicas give no traffic", {applied: constant(0, timing), requests: gone}, False),
        Case("is silent on a model that nobody serves", {requests: gone}, False),
    ]


KIND = AlertKind(
    name="MLMonitoringAbsent",
    plane=Plane.HEALTH,
    owner=Owner.ON_CALL,
    severity=TICKET,
    for_=600,
    labels=MODEL_LABELS,
    summary="{model_name} is served, and nothing counts its requests",
    description=(
        "{model_name} has traffic, and for {for} Prometheus has had no series of its requests: errors, latency and "
        "everything else that is judged by its traffic go unseen. Its quality tickets are muted meanwhile."
    ),
    expression=expression,
    cases=cases,
    comparisons=(Comparison("Series that count requests", _counting),),
    known=_told,
)
