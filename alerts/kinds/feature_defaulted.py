"""Defaulted features: the serving app fills in more often than it should what the pipeline does not deliver."""

from alerts.feature_ratios import FEATURE_LABELS, FeatureRatio
from alerts.kind import TICKET, AlertKind, Comparison, Owner, Plane
from alerts.live.numbers import Unit
from telemetry import names

_DEFAULTED = FeatureRatio(names.DEFAULTED_RATIO, names.DEFAULTED_RATIO_LIMIT, "defaulted limit")

KIND = AlertKind(
    name="MLFeatureDefaultedHigh",
    plane=Plane.QUALITY,
    owner=Owner.FEATURE,
    severity=TICKET,
    for_=900,
    parameters=(_DEFAULTED.parameter(0.05),),
    labels=FEATURE_LABELS,
    concerns=lambda model: bool(model.features),
    summary="{feature_name} is filled with its default too often in requests to {model_name}",
    description=(
        "The share of requests to {model_name}, version {model_version}, in which {feature_name} got its default "
        "has been over its limit (the drift check's or the feature's own; {ratio} where none is known) for {for}."
    ),
    expression=_DEFAULTED.expression,
    cases=_DEFAULTED.cases,
    comparisons=(
        Comparison("Defaulted ratio by feature", _DEFAULTED.measured, unit=Unit.PART, limit=_DEFAULTED.limit),
    ),
    feature_limit=_DEFAULTED.own,
)
