"""Predicted classes that moved: the mix of answers differs from the baseline's."""

from alerts.expressions import Expr, call, max_by, series
from alerts.guards import VERSION_LABELS, carrying_traffic, weight_series
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.live.numbers import Unit
from alerts.proof_series import appearing, constant, exactly, from_start, labelled
from telemetry import names

_OF_CLASS = (*VERSION_LABELS, names.CLASS)


def _shares(scope: Scope, metric: str, other: str) -> Expr:
    """The shares that `metric` tells, and 0 for the classes that only `other` has."""
    told = series(metric, scope.matcher)
    absent = max_by(_OF_CLASS, series(other, scope.matcher)).times(0).and_on(VERSION_LABELS, told)
    return max_by(_OF_CLASS, told).otherwise(absent)


def shift(scope: Scope) -> Expr:
    now = _shares(scope, names.CLASS_RATIO, names.CLASS_RATIO_BASELINE)
    return call("abs", now.minus(_shares(scope.beside, names.CLASS_RATIO_BASELINE, names.CLASS_RATIO)))


def expression(scope: Scope) -> Expr:
    return carrying_traffic(shift(scope).above(scope.limit("shift")), scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    subject, limit = scope.models[0], scope.limit("shift")
    version = {names.MODEL: subject.name, names.VERSION: "v1"}
    labels = {**version, names.CLASS: subject.classes[0]}
    far = min(limit * 1.05, (limit + 1) / 2)

    def situation(now: str | None, before: float | None, others: str, weight: float = 1) -> dict[str, str]:
        """One class as it is answered now and was in the baseline; None: not told. Other classes stay as they were."""
        rest = {**version, names.CLASS: f"not {subject.classes[0]}"}
        given = {labelled(names.CLASS_RATIO, rest): others, weight_series(subject.name, "v1"): constant(weight, timing)}
        if now is not None:
            given[labelled(names.CLASS_RATIO, labels)] = now
        if before is not None:
            given[labelled(names.CLASS_RATIO_BASELINE, labels)] = constant(before, timing)
        return {**given, labelled(names.CLASS_RATIO_BASELINE, rest): constant(0.1, timing)}

    steady, rises, falls = constant(0.1, timing), from_start(0, far, timing), from_start(far, 0, timing)
    # Off from nothing, so that the shift is the share itself.
    at_limit = exactly(limit, timing)
    without_baseline = {
        series: values
        for series, values in situation(rises, 0, steady).items()
        if not series.startswith(names.CLASS_RATIO_BASELINE)
    }
    return [
        Case("fires when a class is answered more often", situation(rises, 0, steady), True, labels),
        Case("fires when a class is answered less often", situation(falls, far, steady), True, labels),
        Case("fires on a class that the baseline lacks", situation(rises, None, steady), True, labels),
        Case("fires on a class that is answered no more", situation(None, far, appearing(0.1, timing)), True, labels),
        Case("is silent exactly at the limit", situation(at_limit, 0, steady), False),
        Case("is silent on a rare class that the baseline lacks", situation(at_limit, None, steady), False),
        Case("is silent on a rare class that is answered no more", situation(None, limit, steady), False),
        Case("is silent without any baseline", without_baseline, False),
        Case("is silent on a version without traffic", situation(rises, 0, steady, weight=0), False),
    ]


KIND = AlertKind(
    name="MLPredictionClassShift",
    plane=Plane.QUALITY,
    owner=Owner.APPLIED_ML,
    severity=TICKET,
    for_=1800,
    parameters=(
        Parameter(
            "shift",
            0.15,
            "The share of a class may move by this against the baseline.",
            unit="ratio",
            minimum=0.001,
            maximum=0.95,
        ),
    ),
    labels=_OF_CLASS,
    concerns=lambda model: bool(model.classes) and model.task != "regression",
    summary="{model_name} answers {predicted_class} more or less often than in its baseline",
    description=(
        "The share of {predicted_class} among the answers of {model_name}, version {model_version}, has been more than "
        "{shift} away from the baseline's for {for}."
    ),
    expression=expression,
    cases=cases,
    comparisons=(Comparison("Shift of a class's share", shift, "shift", unit=Unit.PART),),
)
