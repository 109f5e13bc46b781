"""Odd features: values outside the registered range or categories, more often than they should be."""

from alerts.feature_ratios import FEATURE_LABELS, FeatureRatio
from alerts.kind import TICKET, AlertKind, Comparison, Owner, Plane
from alerts.live.numbers import Unit
from telemetry import names

_OUT_OF_RANGE = FeatureRatio(names.OUT_OF_RANGE_RATIO, names.OUT_OF_RANGE_RATIO_LIMIT, "out-of-range limit")

KIND = AlertKind(
    name="MLFeatureOutOfRangeHigh",
    plane=Plane.QUALITY,
    owner=Owner.FEATURE,
    severity=TICKET,
    for_=900,
    parameters=(_OUT_OF_RANGE.parameter(0.01),),
    labels=FEATURE_LABELS,
    concerns=lambda model: bool(model.features),
    summary="{feature_name} is out of its range too often in requests to {model_name}",
    description=(
        "The share of requests to {model_name}, version {model_version}, whose {feature_name} lies outside the "
        "registered range or categories has been over its limit (the drift check's or the feature's own; {ratio} "
        "where none is known) for {for}."
    ),
    expression=_OUT_OF_RANGE.expression,
    cases=_OUT_OF_RANGE.cases,
    comparisons=(
        Comparison("Out-of-range ratio by feature", _OUT_OF_RANGE.measured, unit=Unit.PART, limit=_OUT_OF_RANGE.limit),
    ),
    feature_limit=_OUT_OF_RANGE.own,
)
