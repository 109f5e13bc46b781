"""A canary that does worse than the versions it is compared with: more errors, or slower."""

from alerts.expressions import Expr, increase, series, sum_by
from alerts.guards import VERSION_LABELS, weight_series
from alerts.kind import PAGE, AlertKind, Case, Owner, Parameter, Plane, Scope, Timing
from alerts.proof_series import constant, counting, histogram, labelled
from alerts.recording import canaries
from telemetry import names
from telemetry.buckets import LATENCY_SECONDS

_MODEL = (names.MODEL,)


def _worse(scope: Scope, version: str, live: str, measure: str) -> Expr:
    """Versions whose recorded series `version` is both a factor and a margin over `live`, their model's."""
    of_version = series(names.recorded(version, scope.window_text), scope.matcher)
    of_live = series(names.recorded(live, scope.window_text), scope.matcher)
    by_factor = of_version.at_least_matching(_MODEL, of_live.times(scope.limit(f"{measure}_factor")))
    by_margin = of_version.at_least_matching(_MODEL, of_live.plus(scope.limit(f"{measure}_margin")))
    return by_factor.and_on(VERSION_LABELS, by_margin)


def expression(scope: Scope) -> Expr:
    more_errors = _worse(scope, names.VERSION_ERROR_RATIO, names.LIVE_ERROR_RATIO, "error")
    slower = _worse(scope, names.VERSION_P95, names.LIVE_P95, "latency")
    asked = sum_by(VERSION_LABELS, increase(names.REQUESTS, scope.window_text, scope.matcher))
    enough = asked.at_least(scope.limit("requests"))
    # Read from the replicas themselves, not recorded: a rolled-back canary goes quiet at once.
    return more_errors.otherwise(slower).and_on(VERSION_LABELS, enough).and_on(VERSION_LABELS, canaries(scope.matcher))


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model = scope.models[0].name
    labels = {names.MODEL: model, names.VERSION: "v2"}
    # Traffic in which one step already holds more canary requests than the policy wants.
    busy = max(100.0, 2 * scope.limit("requests") / timing.step)
    live_errors, live_p95 = 0.01, 0.06
    worse = max(live_errors * scope.limit("error_factor"), live_errors + scope.limit("error_margin"))
    slower = max(live_p95 * scope.limit("latency_factor"), live_p95 + scope.limit("latency_margin"))

    def version(name: str, requests: float, errors: float, p95: float) -> dict[str, str]:
        answers = {names.MODEL: model, names.VERSION: name, names.ROUTE: "predict"}
        failed = requests * errors
        return {
            labelled(names.REQUESTS, {**answers, names.STATUS: "success"}): counting(requests - failed, timing),
            labelled(names.REQUESTS, {**answers, names.STATUS: "error"}): counting(failed, timing),
            labelled(names.ERRORS, {**answers, names.REASON: "model_error"}): counting(failed, timing),
            **histogram(names.LATENCY, answers, LATENCY_SECONDS, 0.95, p95, timing),
        }

    def situation(
        errors: float = live_errors, p95: float = live_p95, requests: float = busy, weight: float = 0.1
    ) -> dict[str, str]:
        return {
            **version("v1", busy, live_errors, live_p95),
            **version("v2", requests, errors, p95),
            weight_series(model, "v1"): constant(1 - weight, timing),
            weight_series(model, "v2", "canary"): constant(weight, timing),
        }

    few = 0.9 * scope.limit("requests") / scope.window
    disagreeing = situation(errors=min(1.0, worse * 1.1)) | {
        # A replica that has promoted v2 already, and one that still has another canary.
        weight_series(model, "v2"): constant(1, timing),
        weight_series(model, "v3", "canary"): constant(0.1, timing),
    }
    return [
        Case("fires when the canary fails more", situation(errors=min(1.0, worse * 1.1)), True, labels),
        Case("fires when the canary is slower", situation(p95=min(5.0, slower * 1.1)), True, labels),
        Case("fires while replicas disagree about the canary", disagreeing, True, labels),
        Case("is silent while the canary is hardly worse", situation(errors=worse * 0.9, p95=slower * 0.95), False),
        Case("is silent with too few canary requests", situation(errors=1.0, requests=few), False),
        Case("is silent once the canary is rolled back", situation(errors=1.0, weight=0), False),
    ]


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
)
