"""Missing features: a pipeline stopped delivering what a model is fed."""

from alerts.feature_ratios import FEATURE_LABELS, FeatureRatio
from alerts.kind import TICKET, AlertKind, Comparison, Owner, Plane
from alerts.live.numbers import Unit
from telemetry import names

_MISSING = FeatureRatio(names.MISSING_RATIO, names.MISSING_RATIO_LIMIT, "missing limit")

KIND = AlertKind(
    name="MLFeatureMissingRatioHigh",
    plane=Plane.QUALITY,
    owner=Owner.FEATURE,
    severity=TICKET,
    for_=900,
    parameters=(_MISSING.parameter(0.05),),
    labels=FEATURE_LABELS,
    concerns=lambda model: bool(model.features),
    summary="{feature_name} is missing too often in requests to {model_name}",
    description=(
        "The share of requests to {model_name}, version {model_version}, that lack {feature_name} "
        "has been over its limit (the drift check's or the feature's own; {ratio} where none is known) for {for}."
    ),
    expression=_MISSING.expression,
    cases=_MISSING.cases,
    comparisons=(Comparison("Missing ratio by feature", _MISSING.measured, unit=Unit.PART, limit=_MISSING.limit),),
    feature_limit=_MISSING.own,
)
