"""Baselines past their age: drift is no longer computed against them."""

import math

from alerts.expressions import Expr, max_by, min_by, series
from alerts.guards import VERSION_LABELS, carrying_traffic, weight_series
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.proof_series import constant, exactly, labelled
from telemetry import names

_DAY = 86400


def _age(scope: Scope) -> Expr:
    return max_by(VERSION_LABELS, series(names.BASELINE_AGE, scope.matcher))


def days(scope: Scope) -> Expr:
    return _age(scope).over(_DAY)


def _limit(scope: Scope) -> Expr:
    """An age whose limit is not exported is held against the policy's."""
    stated = min_by(VERSION_LABELS, series(names.BASELINE_MAX_AGE, scope.matcher)).over(_DAY)
    return stated.otherwise(_age(scope).times(0).plus(scope.limit("days")))


def expression(scope: Scope) -> Expr:
    return carrying_traffic(days(scope).above(_limit(scope.beside)), scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model, limit = scope.models[0].name, scope.limit("days") * _DAY
    # In days, it must not come out as the next number above.
    at_limit = limit if limit / _DAY <= scope.limit("days") else math.nextafter(limit, 0)
    labels = {names.MODEL: model, names.VERSION: "v1"}

    def situation(old: float, exported: float | None = None, weight: float = 1) -> dict[str, str]:
        given = {
            labelled(names.BASELINE_AGE, labels): exactly(old, timing),
            weight_series(model, "v1"): constant(weight, timing),
        }
        if exported is not None:
            given[labelled(names.BASELINE_MAX_AGE, labels)] = constant(exported, timing)
        return given

    return [
        Case("fires over the policy's limit where none is exported", situation(limit + 60), True, labels),
        Case("fires over the exported limit", situation(7 * _DAY + 60, exported=7 * _DAY), True, labels),
        Case("is silent at the policy's limit", situation(at_limit), False),
        Case("is silent at the exported limit", situation(2 * limit, exported=2 * limit), False),
        Case("is silent on a version without traffic", situation(limit + 60, weight=0), False),
    ]


KIND = AlertKind(
    name="MLBaselineStale",
    plane=Plane.QUALITY,
    owner=Owner.APPLIED_ML,
    severity=TICKET,
    for_=0,
    parameters=(
        Parameter(
            "days",
            180,
            "The fallback, for baselines without a series ml_baseline_max_age_seconds. A baseline states its own "
            "limit in the registry, and where it does this changes nothing.",
            minimum=0.1,
            maximum=10_000,
        ),
    ),
    labels=VERSION_LABELS,
    summary="The baseline of {model_name} is too old",
    description=(
        "The baseline that {model_name}, version {model_version}, is compared with is older than its limit: its drift "
        "check gives no scores until a new one is frozen."
    ),
    expression=expression,
    cases=cases,
    comparisons=(Comparison("Age of the baseline in days", days, limit=_limit),),
)
