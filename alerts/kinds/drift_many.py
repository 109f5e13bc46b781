"""Several features that drift together: rather one cause behind them than several."""

import math

from alerts.expressions import Expr, call, count_by, max_by, series
from alerts.guards import VERSION_LABELS, carrying_traffic, weight_series
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.live.numbers import Unit
from alerts.proof_series import constant, from_start, labelled
from telemetry import names

_OF_FEATURE = (*VERSION_LABELS, names.FEATURE)
# As many features as a proof shows at most.
_MOST_SHOWN = 300


def _drifting(scope: Scope) -> Expr:
    # Those that drift are few, so they are picked before they are aggregated.
    return count_by(VERSION_LABELS, max_by(_OF_FEATURE, series(names.DRIFT_DETECTED, scope.matcher).equal_to(1)))


def _all(scope: Scope) -> Expr:
    return count_by(VERSION_LABELS, max_by(_OF_FEATURE, series(names.DRIFT_DETECTED, scope.matcher)))


def _drifting_or_none(scope: Scope) -> Expr:
    return _drifting(scope).otherwise(_all(scope).times(0))


def _enough(scope: Scope) -> Expr:
    """How many are many: that share of all, but not fewer than the fewest, nor more than is many of itself."""
    # Rounded, since 0.2 * 35 is a little more than 7.
    share = call("round", _all(scope).times(scope.limit("share")), 0.001)
    return call("clamp_max", call("clamp_min", share, scope.limit("fewest")), scope.limit("features"))


def expression(scope: Scope) -> Expr:
    return carrying_traffic(_drifting(scope).at_least(_enough(scope.beside)), scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model, share = scope.models[0].name, scope.limit("share")
    many = math.ceil(scope.limit("features"))
    fewest = min(many, math.ceil(scope.limit("fewest")))
    labels = {names.MODEL: model, names.VERSION: "v1"}

    def situation(drifting: int, of: int, weight: float = 1) -> dict[str, str]:
        found = {
            labelled(names.DRIFT_DETECTED, {**labels, names.FEATURE: f"f{n}", names.CRITICAL: "false"}): from_start(
                0, int(n < drifting), timing
            )
            for n in range(of)
        }
        return {**found, weight_series(model, "v1"): constant(weight, timing)}

    # So many features that the fewest are just a large part of them, and that the many are not.
    part, crowd = math.floor(fewest / share + 1e-9), math.floor(many / share + 1e-9) + 1
    large = situation(fewest, max(fewest, min(part, _MOST_SHOWN)))
    found = [Case("fires when a few are a large part of all", large, True, labels)]
    if fewest > 1:
        fewer = situation(fewest - 1, max(fewest - 1, min(math.floor((fewest - 1) / share + 1e-9), _MOST_SHOWN)))
        found.append(Case("is silent on fewer, though a large part", fewer, False))
    if fewest < many and part < _MOST_SHOWN:
        found.append(Case("is silent on a few that are a small part", situation(fewest, part + 1), False))
    if crowd <= _MOST_SHOWN:
        found.append(Case("fires when many features drift, though a small part", situation(many, crowd), True, labels))
    return [*found, Case("is silent on a version without traffic", situation(many, many, weight=0), False)]


KIND = AlertKind(
    name="MLDriftManyFeatures",
    plane=Plane.QUALITY,
    owner=Owner.APPLIED_ML,
    severity=TICKET,
    for_=900,
    parameters=(
        Parameter("features", 3, "So many features drift together.", minimum=1, maximum=100),
        Parameter("fewest", 2, "Or so many that are a large part of all.", minimum=1, maximum=100),
        Parameter("share", 0.2, "What a large part is.", unit="ratio", minimum=0.01, maximum=1),
    ),
    labels=VERSION_LABELS,
    concerns=lambda model: len(model.features) > 1,
    summary="Several features of {model_name} drift together",
    description=(
        "At least {features} features of {model_name}, version {model_version}, or at least {fewest} that are {share} "
        "of all, have differed from the baseline for {for}: look for one cause behind them."
    ),
    expression=expression,
    cases=cases,
    comparisons=(
        Comparison("Features that drift", _drifting_or_none, "features"),
        Comparison(
            "Share of features that drift",
            lambda scope: _drifting_or_none(scope).over(_all(scope)),
            "share",
            unit=Unit.FEATURES,
            limit_name="a large part",
        ),
    ),
)
