"""Drift checks that can't give a score: the data can't be read, or the baseline does not fit."""

from alerts.expressions import Expr, max_by, series
from alerts.guards import VERSION_LABELS, carrying_traffic, weight_series
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Plane, Scope, Timing
from alerts.proof_series import appearing, constant, labelled
from telemetry import names, promql

_OF_STATE = (*VERSION_LABELS, names.STATE)
_FAILING = promql.one_of(names.STATE, (names.SOURCE_FAILED, names.BASELINE_MISMATCH))


def _failing(scope: Scope) -> Expr:
    return max_by(_OF_STATE, series(names.CHECK_STATE, scope.matcher, _FAILING))


def _any_state(scope: Scope) -> Expr:
    return max_by(VERSION_LABELS, series(names.CHECK_STATE, scope.matcher))


def expression(scope: Scope) -> Expr:
    return carrying_traffic(_failing(scope).equal_to(1), scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model = scope.models[0].name
    version = {names.MODEL: model, names.VERSION: "v1"}

    def situation(state: str, weight: float = 1) -> dict[str, str]:
        return {
            labelled(names.CHECK_STATE, {**version, names.STATE: state}): appearing(1, timing),
            weight_series(model, "v1"): constant(weight, timing),
        }

    def fires(what: str, state: str) -> Case:
        return Case(f"fires when {what}", situation(state), True, {**version, names.STATE: state})

    return [
        fires("the source can't be read", names.SOURCE_FAILED),
        fires("the baseline does not fit", names.BASELINE_MISMATCH),
        Case("is silent while it works", situation("ok"), False),
        Case("is silent while it is paused", situation("paused"), False),
        Case("is silent on a version without traffic", situation(names.SOURCE_FAILED, weight=0), False),
    ]


KIND = AlertKind(
    name="MLDriftCheckFailing",
    plane=Plane.QUALITY,
    owner=Owner.CHECK,
    severity=TICKET,
    for_=300,
    labels=_OF_STATE,
    summary="The drift check of {model_name} fails: {state}",
    description=(
        "For {for}, the drift check of {model_name}, version {model_version}, has ended in the state {state} instead "
        "of a score: drift would go unseen."
    ),
    expression=expression,
    cases=cases,
    comparisons=(Comparison("Checks in a state of failure (1)", _failing),),
    known=_any_state,
)
