"""Missing features: a pipeline stopped delivering what a model is fed."""

from alerts.expressions import Expr, max_by, min_by, series
from alerts.guards import carrying_traffic, weight_series
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.live.numbers import Unit
from alerts.proof_series import constant, from_start, labelled
from telemetry import names

_LABELS = (names.MODEL, names.VERSION, names.FEATURE)


def missing_ratio(scope: Scope) -> Expr:
    return max_by(_LABELS, series(names.MISSING_RATIO, scope.matcher))


def expression(scope: Scope) -> Expr:
    ratio = missing_ratio(scope)
    limit = min_by(_LABELS, series(names.MISSING_RATIO_LIMIT, scope.matcher))
    # A ratio whose limit is not exported is held against the policy's.
    limit = limit.otherwise(ratio.times(0).plus(scope.limit("ratio")))
    return carrying_traffic(ratio.above(limit), scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    subject, limit = scope.models[0], scope.limit("ratio")
    labels = {names.MODEL: subject.name, names.VERSION: "v1", names.FEATURE: subject.features[0].name}
    over = min(limit * 1.05, (limit + 1) / 2) or 0.01

    def situation(ratio: str, exported: float | None = None, weight: float = 1) -> dict[str, str]:
        given = {
            labelled(names.MISSING_RATIO, labels): ratio,
            weight_series(subject.name, "v1"): constant(weight, timing),
        }
        if exported is not None:
            given[labelled(names.MISSING_RATIO_LIMIT, labels)] = constant(exported, timing)
        return given

    rises = from_start(0, over, timing)
    return [
        Case("fires over the policy's limit where none is exported", situation(rises), True, labels),
        Case("fires over the exported limit", situation(from_start(0, 0.5, timing), exported=0.4), True, labels),
        Case("is silent at the policy's limit", situation(from_start(0, limit, timing)), False),
        Case("is silent at the exported limit", situation(from_start(0, over, timing), exported=over), False),
        Case("is silent on a version without traffic", situation(rises, weight=0), False),
    ]


KIND = AlertKind(
    name="MLFeatureMissingRatioHigh",
    plane=Plane.QUALITY,
    owner=Owner.FEATURE,
    severity=TICKET,
    for_=900,
    parameters=(
        Parameter(
            "ratio",
            0.05,
            "The fallback, for features without a series ml_feature_missing_ratio_limit. For those that a drift check "
            "has looked at, the exporter states one and this changes nothing: change the feature's missing limit, or "
            "the drift check's.",
            unit="ratio",
            maximum=0.99,
        ),
    ),
    labels=_LABELS,
    concerns=lambda model: bool(model.features),
    summary="{feature_name} is missing too often in requests to {model_name}",
    description=(
        "The share of requests to {model_name}, version {model_version}, that lack {feature_name} "
        "has been over its limit (the drift check's or the feature's own; {ratio} where none is known) for {for}."
    ),
    expression=expression,
    cases=cases,
    comparison=Comparison("Missing ratio by feature", missing_ratio, "ratio", unit=Unit.PART),
)
