"""Failed answers: too many requests end in an error of ours. Requests that are refused as invalid don't count."""

from alerts.expressions import Expr, increase, series, sum_by
from alerts.guards import (
    REQUESTS_PER_MINUTE,
    ROUTE_LABELS,
    busy_route,
    carrying_or_due_traffic,
    desired_series,
    given_floor,
    weight_series,
)
from alerts.kind import PAGE, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.live.numbers import Unit
from alerts.proof_series import constant, counting, exactly, labelled
from alerts.recording import NOT_INVALID_INPUT
from telemetry import names


def error_ratio(scope: Scope) -> Expr:
    return series(names.recorded(names.SERVER_ERROR_RATIO, scope.window_text), scope.matcher)


def expression(scope: Scope) -> Expr:
    errors = increase(names.ERRORS, scope.window_text, scope.beside.matcher, NOT_INVALID_INPUT)
    enough = sum_by(ROUTE_LABELS, errors).at_least(scope.limit("errors"))
    condition = error_ratio(scope).above(scope.limit("ratio")).and_on(ROUTE_LABELS, enough)
    return carrying_or_due_traffic(busy_route(condition, scope), scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model, limit, errors = scope.models[0].name, scope.limit("ratio"), scope.limit("errors")
    floor = scope.limit(REQUESTS_PER_MINUTE.name) / 60
    answers = {names.MODEL: model, names.VERSION: "v1", names.ROUTE: "predict"}
    # Traffic in which even a step's errors at the limit are many.
    busy = max(100.0, timing.at_once(floor * 10), 10 * errors / (limit * timing.step))

    def situation(requests: float, ratio: float, reason: str = "model_error", weight: float = 1) -> dict[str, str]:
        failed = requests * ratio
        return {
            labelled(names.REQUESTS, {**answers, names.STATUS: "success"}): counting(requests - failed, timing),
            labelled(names.REQUESTS, {**answers, names.STATUS: "error"}): counting(failed, timing),
            labelled(names.ERRORS, {**answers, names.REASON: reason}): counting(failed, timing),
            weight_series(model, "v1"): constant(weight, timing),
        }

    bad = (limit + 1) / 2 if limit > 0.9 else limit * 1.05
    silent = [
        Case("is silent under the limit", situation(busy, limit * 0.95), False),
        Case("does not count invalid input", situation(busy, bad, reason=names.INVALID_INPUT), False),
        Case(
            "is silent on a version without traffic",
            situation(busy, bad, weight=0) | {desired_series(model, "v1"): constant(0, timing)},
            False,
        ),
    ]
    if floor:
        silent.append(Case("is silent with too little traffic", situation(timing.at_the_end(floor * 0.9), 1.0), False))
    if errors:
        few = timing.at_the_end(0.9 * errors / scope.window)
        requests = max(few, timing.once_full(floor * 1.1))
        refused = labelled(names.ERRORS, {**answers, names.REASON: names.INVALID_INPUT})
        series = {**situation(requests, few / requests), refused: counting(few, timing)}
        silent.append(Case("is silent with too few errors, invalid input not counted", series, False))
    due = situation(busy, bad, weight=0) | {desired_series(model, "v1"): constant(1, timing)}
    fires = [
        Case("fires when the error ratio is over the limit", situation(busy, bad), True, answers),
        Case("fires on a version that ought to have traffic and that no replica can load", due, True, answers),
    ]
    # As little traffic, and as few errors, as are still judged by.
    failed = timing.once_full(1.1 * errors / scope.window)
    least = max(timing.once_full(1.1 * floor), failed, 0.01)
    enough = max(bad, failed / least)
    fires.append(
        Case("fires when traffic and errors are just enough", situation(least, enough), True, answers, late=True)
    )
    return fires + silent + _exactly(scope, timing, answers, counting(busy, timing), bad)


def _exactly(scope: Scope, timing: Timing, answers: dict[str, str], errors: str, bad: float) -> list[Case]:
    """The ratio at its limit, and traffic that is exactly enough."""

    def situation(ratio: float) -> dict[str, str]:
        return {
            labelled(names.recorded(names.SERVER_ERROR_RATIO, scope.window_text), answers): exactly(ratio, timing),
            **given_floor(scope, answers, timing),
            labelled(names.ERRORS, {**answers, names.REASON: "model_error"}): errors,
            weight_series(answers[names.MODEL], "v1"): constant(1, timing),
        }

    return [
        Case("is silent exactly at the limit", situation(scope.limit("ratio")), False, given=True),
        Case("fires when the traffic is exactly enough", situation(bad), True, answers, given=True),
    ]


KIND = AlertKind(
    name="MLInferenceHighErrorRate",
    plane=Plane.HEALTH,
    owner=Owner.ON_CALL,
    severity=PAGE,
    window=300,
    for_=600,
    parameters=(
        Parameter(
            "ratio",
            0.03,
            "The share of requests that fail must stay at or under this; invalid input is no failure.",
            unit="ratio",
            minimum=0.0001,
            maximum=0.99,
        ),
        Parameter("errors", 3, "Fewer errors than this in the window are chance.", maximum=1e6),
        REQUESTS_PER_MINUTE,
    ),
    labels=(names.MODEL, names.VERSION, names.ROUTE),
    recorded=(names.SERVER_ERROR_RATIO, names.RPS),
    summary="{model_name} fails too often: errors over {ratio}",
    description=(
        "More than {ratio} of the requests to {model_name}, version {model_version}, route {route}, "
        "have failed for {for}; requests refused as invalid are not counted."
    ),
    expression=expression,
    cases=cases,
    comparisons=(Comparison("Errors, invalid input not counted", error_ratio, "ratio", unit=Unit.RATIO),),
)
