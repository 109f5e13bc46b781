"""Refused requests: callers send what the model's schema does not allow."""

from alerts.expressions import Expr, series
from alerts.guards import (
    REQUESTS_PER_MINUTE,
    ROUTE_LABELS,
    busy_route,
    carrying_traffic,
    given_floor,
    traffic_beside_floor,
    weight_series,
)
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.live.numbers import Unit
from alerts.proof_series import constant, counting, exactly, labelled
from telemetry import names


def refused_ratio(scope: Scope) -> Expr:
    return series(names.recorded(names.INVALID_INPUT_RATIO, scope.window_text), scope.matcher)


def expression(scope: Scope) -> Expr:
    return carrying_traffic(busy_route(refused_ratio(scope).above(scope.limit("ratio")), scope), scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model, limit = scope.models[0].name, scope.limit("ratio")
    answers = {names.MODEL: model, names.VERSION: "v1", names.ROUTE: "predict"}
    traffic = traffic_beside_floor(scope, timing)

    def situation(
        requests: float, ratio: float, reason: str = names.INVALID_INPUT, weight: float = 1
    ) -> dict[str, str]:
        refused = requests * ratio
        return {
            labelled(names.REQUESTS, {**answers, names.STATUS: "success"}): counting(requests - refused, timing),
            labelled(names.REQUESTS, {**answers, names.STATUS: "error"}): counting(refused, timing),
            labelled(names.ERRORS, {**answers, names.REASON: reason}): counting(refused, timing),
            weight_series(model, "v1"): constant(weight, timing),
        }

    bad = (limit + 1) / 2 if limit > 0.9 else limit * 1.05
    found = [
        Case("fires when too many requests are refused as invalid", situation(traffic.busy, bad), True, answers),
        Case("fires when the traffic is just enough", situation(traffic.least, bad), True, answers, late=True),
        Case("is silent under the limit", situation(traffic.busy, limit * 0.95), False),
        Case("does not count errors of ours", situation(traffic.busy, bad, reason="model_error"), False),
        Case("is silent on a version without traffic", situation(traffic.busy, bad, weight=0), False),
    ]
    if traffic.thin:
        found.append(Case("is silent with too little traffic", situation(traffic.thin, 1.0), False))

    def given(ratio: float) -> dict[str, str]:
        return {
            labelled(names.recorded(names.INVALID_INPUT_RATIO, scope.window_text), answers): exactly(ratio, timing),
            **given_floor(scope, answers, timing),
            weight_series(model, "v1"): constant(1, timing),
        }

    return [
        *found,
        Case("is silent exactly at the limit", given(limit), False, given=True),
        Case("fires when the traffic is exactly enough", given(bad), True, answers, given=True),
    ]


KIND = AlertKind(
    name="MLInvalidInputHigh",
    plane=Plane.HEALTH,
    owner=Owner.DATA,
    severity=TICKET,
    window=300,
    for_=900,
    parameters=(
        Parameter(
            "ratio",
            0.05,
            "The share of requests that are refused as invalid must stay at or under this.",
            unit="ratio",
            minimum=0.0001,
            maximum=0.99,
        ),
        REQUESTS_PER_MINUTE,
    ),
    labels=ROUTE_LABELS,
    recorded=(names.INVALID_INPUT_RATIO, names.RPS),
    summary="{model_name} refuses too many requests as invalid: over {ratio}",
    description=(
        "More than {ratio} of the requests to {model_name}, version {model_version}, route {route}, have been refused "
        "as invalid for {for}: what callers send and what the model's features allow have come apart."
    ),
    expression=expression,
    cases=cases,
    comparisons=(Comparison("Refused as invalid", refused_ratio, "ratio", unit=Unit.RATIO),),
)
