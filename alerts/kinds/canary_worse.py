"""A canary that does worse than the versions it is compared with: more errors, or slower."""

from dataclasses import dataclass

from alerts.expressions import Expr, increase, series, sum_by
from alerts.guards import VERSION_LABELS, weight_series
from alerts.kind import PAGE, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.live.numbers import Unit
from alerts.proof_series import constant, counting, exactly, histogram, labelled
from alerts.recording import canaries
from telemetry import names
from telemetry.buckets import LATENCY_SECONDS

_MODEL = (names.MODEL,)


def _worse(scope: Scope, version: str, live: str, measure: str) -> Expr:
    """Versions whose recorded series `version` is both a factor and a margin over `live`, their model's."""
    of_version = series(names.recorded(version, scope.window_text), scope.matcher)
    same_version = series(names.recorded(version, scope.window_text), scope.beside.matcher)
    of_live = series(names.recorded(live, scope.window_text), scope.beside.matcher)
    by_factor = of_version.at_least_matching(_MODEL, of_live.times(scope.limit(f"{measure}_factor")))
    by_margin = same_version.at_least_matching(_MODEL, of_live.plus(scope.limit(f"{measure}_margin")))
    return by_factor.and_on(VERSION_LABELS, by_margin)


def _errors(scope: Scope) -> Expr:
    return series(names.recorded(names.VERSION_ERROR_RATIO, scope.window_text), scope.matcher)


def _p95(scope: Scope) -> Expr:
    return series(names.recorded(names.VERSION_P95, scope.window_text), scope.matcher)


def _allowed(scope: Scope, live: str, measure: str) -> Expr:
    """From where on a canary is worse: the higher one of the factor and the margin over live."""
    of_live = series(names.recorded(live, scope.window_text), scope.matcher)
    by_margin = of_live.plus(scope.limit(f"{measure}_margin"))
    return of_live.times(scope.limit(f"{measure}_factor")).at_least(by_margin).otherwise(by_margin)


def expression(scope: Scope) -> Expr:
    beside = scope.beside.matcher
    more_errors = _worse(scope, names.VERSION_ERROR_RATIO, names.LIVE_ERROR_RATIO, "error")
    slower = _worse(scope, names.VERSION_P95, names.LIVE_P95, "latency")
    asked = sum_by(VERSION_LABELS, increase(names.REQUESTS, scope.window_text, beside))
    enough = asked.at_least(scope.limit("requests"))
    # Read from the replicas themselves, not recorded: a rolled-back canary goes quiet at once.
    return more_errors.otherwise(slower).and_on(VERSION_LABELS, enough).and_on(VERSION_LABELS, canaries(beside))


@dataclass(frozen=True, slots=True)
class _Doing:
    """How a version does: the share of its requests that fail, and its p95 in seconds."""

    errors: float
    p95: float


def _answers(model: str, version: str, requests: float, doing: _Doing, timing: Timing) -> dict[str, str]:
    """The series of a version that answers `requests` a second."""
    labels = {names.MODEL: model, names.VERSION: version, names.ROUTE: "predict"}
    failed = requests * doing.errors
    return {
        labelled(names.REQUESTS, {**labels, names.STATUS: "success"}): counting(requests - failed, timing),
        labelled(names.REQUESTS, {**labels, names.STATUS: "error"}): counting(failed, timing),
        labelled(names.ERRORS, {**labels, names.REASON: "model_error"}): counting(failed, timing),
        **histogram(names.LATENCY, labels, LATENCY_SECONDS, 0.95, doing.p95, timing),
    }


def _beside(share: float, factor: float, margin: float) -> tuple[float, float]:
    """(live, canary): the canary is over by one of factor and margin, and a little under by the other.

    Where both limits meet, `share` is 1; a smaller one gives a live value whose margin is the wider limit.
    """
    live = share * margin / (factor - 1)
    less, more = sorted((live * factor, live + margin))
    return live, less + 0.8 * (more - less)


def _usual(scope: Scope) -> _Doing:
    """Where a factor and its margin come to the same, so that a slip of either shows; within what is plausible."""
    errors = scope.limit("error_margin") / max(scope.limit("error_factor") - 1, 1e-9)
    p95 = scope.limit("latency_margin") / max(scope.limit("latency_factor") - 1, 1e-9)
    shown = errors < 0.2 and errors + scope.limit("error_margin") < 0.95
    return _Doing(errors if shown else 0.01, p95 if LATENCY_SECONDS[0] < p95 < 1 else 0.06)


def _half_worse(scope: Scope, share: float) -> tuple[_Doing, _Doing] | None:
    """A live version, and a canary that passes one of its two limits only; None where no histogram can show it."""
    errors = scope.limit("error_factor"), scope.limit("error_margin")
    latency = scope.limit("latency_factor"), scope.limit("latency_margin")
    if min(errors[0], latency[0]) <= 1:
        return None
    (live_errors, errors_of), (live_p95, p95_of) = _beside(share, *errors), _beside(share, *latency)
    shown = errors_of < 1 and LATENCY_SECONDS[0] < live_p95 and p95_of < LATENCY_SECONDS[-1]
    return (_Doing(live_errors, live_p95), _Doing(errors_of, p95_of)) if shown else None


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model = scope.models[0].name
    labels = {names.MODEL: model, names.VERSION: "v2"}
    # Traffic in which one step already holds more canary requests than the policy wants.
    busy = max(100.0, 2 * scope.limit("requests") / timing.step)
    few = timing.at_the_end(0.9 * scope.limit("requests") / scope.window)
    usual = _usual(scope)
    error_limit = max(usual.errors * scope.limit("error_factor"), usual.errors + scope.limit("error_margin"))
    p95_limit = max(usual.p95 * scope.limit("latency_factor"), usual.p95 + scope.limit("latency_margin"))
    failing = _Doing(min(1.0, error_limit * 1.05), usual.p95)
    slow = _Doing(usual.errors, min(LATENCY_SECONDS[-1], p95_limit * 1.05))

    def situation(
        canary: _Doing, live: _Doing = usual, requests: float = busy, weight: float = 0.1, role: str = "canary"
    ) -> dict[str, str]:
        return {
            # Live has most of the traffic: what it does outweighs what another live version does.
            **_answers(model, "v1", 9 * busy, live, timing),
            **_answers(model, "v2", requests, canary, timing),
            weight_series(model, "v1"): constant(1 - weight, timing),
            weight_series(model, "v2", role): constant(weight, timing),
        }

    disagreeing = situation(failing) | {
        # A replica that has promoted v2 already, and one that still has another canary.
        weight_series(model, "v2"): constant(1, timing),
        weight_series(model, "v3", "canary"): constant(0.1, timing),
    }
    least = timing.once_full(1.1 * scope.limit("requests") / scope.window)
    found = [
        Case("fires when the canary fails more", situation(failing), True, labels),
        Case("fires with just enough canary requests", situation(failing, requests=least), True, labels, late=True),
        Case("fires when the canary is slower", situation(slow), True, labels),
        Case("fires while replicas disagree about the canary", disagreeing, True, labels),
        Case("is silent with too few canary requests", situation(_Doing(1.0, usual.p95), requests=few), False),
        Case("is silent once the canary is rolled back", situation(failing, weight=0), False),
        Case(
            "is silent on a version that is canary nowhere",
            situation(failing, _Doing(0, usual.p95), role="live"),
            False,
        ),
    ]
    for name, share in (("past the factor but within the margin", 0.4), ("past the margin but within the factor", 2)):
        pair = _half_worse(scope, share)
        if pair:
            found.append(Case(f"is silent {name}", situation(pair[1], pair[0]), False))
    return found + _exactly(scope, timing, labels, busy)


_MEASURES = {
    "error": (names.VERSION_ERROR_RATIO, names.LIVE_ERROR_RATIO),
    "latency": (names.VERSION_P95, names.LIVE_P95),
}


def _exactly(scope: Scope, timing: Timing, labels: dict[str, str], requests: float) -> list[Case]:
    """A canary that is worse by exactly the factor, where that is the wider limit, or else by exactly the margin."""
    model = labels[names.MODEL]

    def situation(measure: str, live: float, weight: float = 0.1) -> dict[str, str]:
        of_version, of_live = (names.recorded(record, scope.window_text) for record in _MEASURES[measure])
        worse = max(live * scope.limit(f"{measure}_factor"), live + scope.limit(f"{measure}_margin"))
        return {
            labelled(of_version, labels): exactly(worse, timing),
            labelled(of_live, {names.MODEL: model}): exactly(live, timing),
            labelled(names.REQUESTS, {**labels, names.ROUTE: "predict"}): counting(requests, timing),
            weight_series(model, "v2", "canary"): constant(weight, timing),
        }

    found = []
    for measure in _MEASURES:
        factor, margin = scope.limit(f"{measure}_factor"), scope.limit(f"{measure}_margin")
        limits = {"margin": 0.4 * margin / max(factor - 1, 0.4)} | (
            {"factor": 2 * margin / (factor - 1)} if factor > 1 else {}
        )
        for limit, live in limits.items():
            name = f"fires exactly at the {limit} of {measure}"
            found.append(Case(name, situation(measure, live), True, labels, given=True))
    gone = situation("error", 0, weight=0)
    return [*found, Case("is silent once nothing gives it traffic", gone, False, given=True)]


KIND = AlertKind(
    name="MLCanaryWorse",
    plane=Plane.HEALTH,
    owner=Owner.ON_CALL,
    severity=PAGE,
    window=300,
    for_=300,
    parameters=(
        Parameter(
            "error_factor", 2, "The canary's error ratio is this many times the live one.", minimum=1, maximum=50
        ),
        Parameter("error_margin", 0.01, "And this much above it.", unit="ratio", minimum=0.0001, maximum=0.9),
        Parameter("latency_factor", 1.5, "Or the canary's p95 is this many times the live one.", minimum=1, maximum=50),
        Parameter("latency_margin", 0.05, "And this much above it.", unit="s", minimum=0.001, maximum=4),
        Parameter("requests", 100, "Fewer canary requests than this in the window are chance.", minimum=1, maximum=1e6),
    ),
    labels=VERSION_LABELS,
    recorded=(names.VERSION_ERROR_RATIO, names.LIVE_ERROR_RATIO, names.VERSION_P95, names.LIVE_P95),
    summary="The canary {model_version} of {model_name} does worse than the live version",
    description=(
        "For {for}, version {model_version} of {model_name}, a canary, has failed at least {error_factor} times as "
        "often as the live version and {error_margin} more, or has been at least {latency_factor} times as slow (p95) "
        "and {latency_margin} slower."
    ),
    expression=expression,
    cases=cases,
    comparisons=(
        Comparison(
            "Errors by version",
            _errors,
            unit=Unit.RATIO,
            limit=lambda scope: _allowed(scope, names.LIVE_ERROR_RATIO, "error"),
            limit_name="canary's limit",
        ),
        Comparison(
            "95th percentile latency by version",
            _p95,
            unit=Unit.SECONDS,
            limit=lambda scope: _allowed(scope, names.LIVE_P95, "latency"),
            limit_name="canary's limit",
        ),
    ),
)
