"""Slow answers: the 95th percentile over the limit."""

from alerts.expressions import Expr, series
from alerts.guards import (
    REQUESTS_PER_MINUTE,
    busy_route,
    carrying_traffic,
    given_floor,
    traffic_beside_floor,
    weight_series,
)
from alerts.kind import PAGE, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.live.numbers import Unit
from alerts.proof_series import constant, counting, exactly, histogram, labelled
from telemetry import names
from telemetry.buckets import LATENCY_SECONDS

# What a histogram's 95th percentile can tell apart: it is never under 95 % of the first bound, so a limit there would
# always be passed, and never over the last bound, so a limit there never would.
_LOWEST, _HIGHEST = LATENCY_SECONDS[0], LATENCY_SECONDS[-1] * 0.99


def p95(scope: Scope) -> Expr:
    return series(names.recorded(names.LATENCY_P95, scope.window_text), scope.matcher)


def expression(scope: Scope) -> Expr:
    return carrying_traffic(busy_route(p95(scope).above(scope.limit("seconds")), scope), scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model, limit = scope.models[0].name, scope.limit("seconds")
    slow = min(limit * 1.05, (limit + LATENCY_SECONDS[-1]) / 2)
    traffic = traffic_beside_floor(scope, timing)
    answers = {names.MODEL: model, names.VERSION: "v1", names.ROUTE: "predict"}

    def situation(slowest: float, requests_per_second: float, weight: float) -> dict[str, str]:
        return {
            labelled(names.REQUESTS, {**answers, names.STATUS: "success"}): counting(requests_per_second, timing),
            **histogram(names.LATENCY, answers, LATENCY_SECONDS, 0.95, slowest, timing),
            weight_series(model, "v1"): constant(weight, timing),
        }

    found = [
        Case("fires when the 95th percentile is over the limit", situation(slow, traffic.busy, 1), True, answers),
        Case("fires when the traffic is just enough", situation(slow, traffic.least, 1), True, answers, late=True),
        Case("is silent under the limit", situation(limit * 0.95, traffic.busy, 1), False),
        Case("is silent on a version without traffic", situation(slow, traffic.busy, 0), False),
    ]
    if traffic.thin:
        found.append(Case("is silent with too little traffic", situation(slow, traffic.thin, 1), False))

    def given(slowest: float) -> dict[str, str]:
        return {
            labelled(names.recorded(names.LATENCY_P95, scope.window_text), answers): exactly(slowest, timing),
            **given_floor(scope, answers, timing),
            weight_series(model, "v1"): constant(1, timing),
        }

    return [
        *found,
        Case("is silent exactly at the limit", given(limit), False, given=True),
        Case("fires when the traffic is exactly enough", given(slow), True, answers, given=True),
    ]


KIND = AlertKind(
    name="MLInferenceHighLatencyP95",
    plane=Plane.HEALTH,
    owner=Owner.ON_CALL,
    severity=PAGE,
    window=300,
    for_=600,
    parameters=(
        Parameter(
            "seconds",
            0.35,
            "The 95th percentile of answering time must stay at or under this.",
            unit="s",
            minimum=_LOWEST,
            maximum=_HIGHEST,
        ),
        REQUESTS_PER_MINUTE,
    ),
    labels=(names.MODEL, names.VERSION, names.ROUTE),
    recorded=(names.LATENCY_P95, names.RPS),
    summary="{model_name} answers slowly: p95 over {seconds}",
    description=(
        "The 95th percentile latency of {model_name}, version {model_version}, route {route}, "
        "has been over {seconds} for {for}."
    ),
    expression=expression,
    cases=cases,
    comparisons=(Comparison("95th percentile latency", p95, "seconds", unit=Unit.SECONDS),),
)
