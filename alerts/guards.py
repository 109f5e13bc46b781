"""What keeps alerts quiet: versions without traffic, and traffic too thin to judge by."""

from collections.abc import Mapping
from dataclasses import dataclass

from alerts.expressions import Expr, max_by, series, sum_by
from alerts.kind import Parameter, Scope, Timing
from alerts.proof_series import exactly, just_reaching, labelled
from telemetry import names, promql

MODEL_LABELS = (names.MODEL,)
VERSION_LABELS = (names.MODEL, names.VERSION)
ROUTE_LABELS = (names.MODEL, names.VERSION, names.ROUTE)
# A shadow answers nobody, so its weight is 0 and its versions' alerts are quiet.
CANARY = promql.equals(names.ROLE, "canary")
LIVE = promql.equals(names.ROLE, "live")

REQUESTS_PER_MINUTE = Parameter(
    "requests_per_minute", 1, "Traffic below this, averaged over the window, is too thin to judge by.", maximum=1e6
)


def carrying_traffic(expression: Expr, scope: Scope) -> Expr:
    """Only versions that at least one replica gives traffic: a rolled-back canary goes quiet at once."""
    applied = max_by(VERSION_LABELS, series(names.TRAFFIC_WEIGHT, scope.beside.matcher)).above(0)
    return expression.and_on(VERSION_LABELS, applied)


def carrying_or_due_traffic(expression: Expr, scope: Scope) -> Expr:
    """Versions that a replica gives traffic, and those that ought to have it: one that no replica can load fails it."""
    applied = max_by(VERSION_LABELS, series(names.TRAFFIC_WEIGHT, scope.beside.matcher)).above(0)
    desired = max_by(VERSION_LABELS, series(names.DESIRED_WEIGHT, scope.beside.matcher)).above(0)
    return expression.and_on(VERSION_LABELS, applied.otherwise(desired))


def busy_route(expression: Expr, scope: Scope) -> Expr:
    """Only routes that answer at least the policy's requests a minute over its window."""
    rps = series(names.recorded(names.RPS, scope.window_text), scope.beside.matcher)
    return expression.and_on(ROUTE_LABELS, rps.times(60).at_least(scope.limit(REQUESTS_PER_MINUTE.name)))


def busy_model(expression: Expr, scope: Scope) -> Expr:
    """Only models whose routes together answer at least the policy's requests a minute over its window."""
    rps = sum_by(MODEL_LABELS, series(names.recorded(names.RPS, scope.window_text), scope.beside.matcher))
    return expression.and_on(MODEL_LABELS, rps.times(60).at_least(scope.limit(REQUESTS_PER_MINUTE.name)))


def given_floor(scope: Scope, labels: Mapping[str, str], timing: Timing) -> dict[str, str]:
    """The recorded rate of requests that is just enough to judge by, for proofs."""
    per_second = just_reaching(scope.limit(REQUESTS_PER_MINUTE.name), 60)
    return {labelled(names.recorded(names.RPS, scope.window_text), labels): exactly(per_second, timing)}


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests a second beside the policy's floor, for proofs."""

    busy: float  # in a single step already more than enough
    least: float  # just enough to judge by, once the window is full
    thin: float  # never quite enough; 0 where there is no floor to be under


def traffic_beside_floor(scope: Scope, timing: Timing) -> Traffic:
    """What a proof of an alert that needs REQUESTS_PER_MINUTE tries: with no floor, a little and a lot all the same."""
    floor = scope.limit(REQUESTS_PER_MINUTE.name) / 60
    return Traffic(
        busy=max(100.0, timing.at_once(floor * 10)),
        least=max(timing.once_full(floor * 1.1), 0.01),
        thin=timing.at_the_end(floor * 0.9),
    )


def desired_series(model: str, version: str, role: str = "live") -> str:
    """The series that says which share of the traffic `version` ought to have, for proofs."""
    return labelled(names.DESIRED_WEIGHT, {names.MODEL: model, names.VERSION: version, names.ROLE: role})


def weight_series(model: str, version: str, role: str = "live") -> str:
    """The series that says which share of the traffic a replica gives `version`, for proofs."""
    return labelled(names.TRAFFIC_WEIGHT, {names.MODEL: model, names.VERSION: version, names.ROLE: role})
