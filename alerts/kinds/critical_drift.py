"""Drift of a critical feature, as the drift check judged it."""

from alerts.expressions import Expr, max_by, series
from alerts.guards import carrying_traffic, weight_series
from alerts.kind import PAGE, TICKET, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.proof_series import constant, from_start, labelled
from telemetry import names, promql

_LABELS = (names.MODEL, names.VERSION, names.FEATURE)
_CRITICAL = promql.equals(names.CRITICAL, "true")


def detected(scope: Scope) -> Expr:
    """0 or 1, as the check judged; or as it would have judged a feature by another threshold."""
    told = max_by(_LABELS, series(names.DRIFT_DETECTED, scope.matcher, _CRITICAL))
    judged = told
    for feature, threshold in scope.feature_limits.items():
        scored = _score_of(feature, scope).and_on(_LABELS, told)
        drifts = scored.above(threshold).times(0).plus(1)
        judged = drifts.otherwise(scored.times(0)).otherwise(judged)
    return judged


def _score_of(feature: str, scope: Scope) -> Expr:
    return max_by(_LABELS, series(names.DRIFT_SCORE, scope.matcher, promql.equals(names.FEATURE, feature)))


def _score(scope: Scope) -> Expr:
    """Of the critical features: what the check judged by."""
    scored = max_by(_LABELS, series(names.DRIFT_SCORE, scope.matcher))
    return scored.and_on(_LABELS, detected(scope))


def _threshold(scope: Scope) -> Expr:
    stated = max_by(_LABELS, series(names.DRIFT_THRESHOLD, scope.matcher))
    for feature, threshold in scope.feature_limits.items():
        stated = _score_of(feature, scope).times(0).plus(threshold).otherwise(stated)
    return stated.and_on(_LABELS, detected(scope))


def expression(scope: Scope) -> Expr:
    return carrying_traffic(detected(scope).equal_to(1), scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    subject = scope.models[0]
    feature = next(f for f in subject.features if f.critical)
    labels = {names.MODEL: subject.name, names.VERSION: "v1", names.FEATURE: feature.name}

    def situation(values: str, critical: str = "true", weight: float = 1) -> dict[str, str]:
        return {
            labelled(names.DRIFT_DETECTED, {**labels, names.CRITICAL: critical}): values,
            weight_series(subject.name, "v1"): constant(weight, timing),
        }

    drifts = from_start(0, 1, timing)
    return [
        Case("fires when a critical feature drifts", situation(drifts), True, labels),
        Case("is silent while it does not", situation(constant(0, timing)), False),
        Case("is silent on a feature that is not critical", situation(drifts, critical="false"), False),
        Case("is silent on a version without traffic", situation(drifts, weight=0), False),
    ]


KIND = AlertKind(
    name="MLDriftCriticalFeatureDetected",
    plane=Plane.QUALITY,
    owner=Owner.APPLIED_ML,
    severity=TICKET,
    high_risk_severity=PAGE,
    for_=900,
    labels=_LABELS,
    concerns=lambda model: any(f.critical for f in model.features),
    summary="{feature_name}, a critical feature of {model_name}, drifts",
    description=(
        "The values of {feature_name} that {model_name}, version {model_version}, is fed differ from its baseline; "
        "the drift check has said so for {for}."
    ),
    expression=expression,
    cases=cases,
    comparisons=(
        Comparison("Critical features that drift (1)", detected),
        Comparison("Drift score by feature", _score, limit=_threshold, limit_name="threshold"),
    ),
    known=detected,
    feature_limit=Parameter("drift threshold", 0, "A drift score above it drifts.", maximum=100),
)
