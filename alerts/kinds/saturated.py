"""A model at its limit of requests in flight, or past it: requests are refused as overloaded."""

from alerts.expressions import Expr, series
from alerts.guards import MODEL_LABELS, REQUESTS_PER_MINUTE, busy_model, given_floor, traffic_beside_floor
from alerts.kind import PAGE, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.live.numbers import Unit
from alerts.proof_series import constant, counting, exactly, from_start, labelled
from telemetry import names


def _filled(scope: Scope) -> Expr:
    return series(names.SATURATION, scope.matcher)


def _refused(scope: Scope) -> Expr:
    return series(names.recorded(names.OVERLOADED_RATIO, scope.window_text), scope.matcher)


def expression(scope: Scope) -> Expr:
    # Of the model, not of a version: the limit is the model's, and any version's requests can be the ones refused.
    full = _filled(scope).at_least(scope.limit("in_flight"))
    return full.otherwise(busy_model(_refused(scope).at_least(scope.limit("refused")), scope))


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model, full, refused = scope.models[0].name, scope.limit("in_flight"), scope.limit("refused")
    labels = {names.MODEL: model}
    route = {**labels, names.VERSION: "v1", names.ROUTE: "predict"}
    traffic = traffic_beside_floor(scope, timing)

    def in_flight(*shares: float) -> dict[str, str]:
        """Replicas, each with that share of its limit in flight."""
        found = {}
        for place, share in enumerate(shares):
            of = {**labels, "job": names.JOB_INFERENCE, "instance": f"replica-{place}"}
            found[labelled(names.IN_FLIGHT, of)] = from_start(0, share, timing)
            found[labelled(names.IN_FLIGHT_LIMIT, of)] = constant(1, timing)
        return found

    def refusing(ratio: float, requests: float = traffic.busy, reason: str = names.OVERLOADED) -> dict[str, str]:
        return {
            labelled(names.REQUESTS, {**route, names.STATUS: "success"}): counting(requests * (1 - ratio), timing),
            labelled(names.REQUESTS, {**route, names.STATUS: "error"}): counting(requests * ratio, timing),
            labelled(names.ERRORS, {**route, names.REASON: reason}): counting(requests * ratio, timing),
        }

    bad = (refused + 1) / 2 if refused > 0.9 else refused * 1.05
    found = [
        Case("fires when a replica is as full as the limit says", in_flight(0.1, full), True, labels),
        Case("fires when requests are refused", refusing(bad), True, labels),
        Case("fires when the traffic is just enough", refusing(bad, traffic.least), True, labels, late=True),
        Case("is silent while all replicas are under the limit", in_flight(full * 0.98, full * 0.98), False),
        Case("is silent while few requests are refused", refusing(refused * 0.95), False),
        Case("does not count other errors", refusing(bad, reason="model_error"), False),
    ]
    if traffic.thin:
        found.append(Case("is silent with too little traffic", refusing(1.0, traffic.thin), False))
    overloaded = labelled(names.recorded(names.OVERLOADED_RATIO, scope.window_text), labels)
    at_limits = {overloaded: exactly(refused, timing), **given_floor(scope, route, timing)}
    filled = {labelled(names.SATURATION, labels): exactly(full, timing)}
    return [
        *found,
        Case("fires exactly at the limits of refused requests and of traffic", at_limits, True, labels, given=True),
        Case("fires exactly at the limit of requests in flight", filled, True, labels, given=True),
    ]


KIND = AlertKind(
    name="MLInferenceSaturated",
    plane=Plane.HEALTH,
    owner=Owner.ON_CALL,
    severity=PAGE,
    window=300,
    for_=300,
    parameters=(
        Parameter(
            "in_flight",
            0.9,
            "The fullest replica has this share of the model's limit of requests in flight.",
            unit="ratio",
            minimum=0.01,
            maximum=1,
        ),
        Parameter(
            "refused",
            0.01,
            "Or this share of requests is refused as overloaded.",
            unit="ratio",
            minimum=0.0001,
            maximum=0.99,
        ),
        REQUESTS_PER_MINUTE,
    ),
    labels=MODEL_LABELS,
    recorded=(names.OVERLOADED_RATIO, names.RPS),
    summary="{model_name} is saturated",
    description=(
        "For {for}, a replica of {model_name} has had {in_flight} or more of its limit of requests in flight, "
        "or {refused} or more of the requests have been refused as overloaded."
    ),
    expression=expression,
    cases=cases,
    comparisons=(
        Comparison("In flight, the fullest replica", _filled, "in_flight", unit=Unit.FILLED),
        Comparison("Refused as overloaded", _refused, "refused", unit=Unit.RATIO),
    ),
)
