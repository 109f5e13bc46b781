"""What serving demands of a snapshot beyond its form: names that are safe as labels and paths, traffic that adds up."""

import math

from telemetry import identifiers
from telemetry.snapshot import ServingSnapshot, SnapshotFeature, SnapshotModel

TASKS = ("binary_classification", "multiclass_classification", "regression")
KINDS = ("numeric", "categorical")
MAX_TIMEOUT_SECONDS = 300


def check(snapshot: ServingSnapshot) -> ServingSnapshot:
    """`snapshot` if serving can run from it, else ValueError naming the model, the field and the value.

    Names become labels and folders of the prediction log: they are checked here again, since the snapshot file
    may have been written by hand.
    """
    names = [model.name for model in snapshot.models]
    if len(set(names)) != len(names):
        raise ValueError("The serving snapshot names a model twice.")
    for model in snapshot.models:
        try:
            _check_model(model)
        except (TypeError, ValueError) as error:
            raise ValueError(f"Model {model.name!r} in the serving snapshot: {error}") from error
    return snapshot


def _check_model(model: SnapshotModel) -> None:
    identifiers.check_name(model.name)
    if model.task not in TASKS:
        raise ValueError(f"task is {model.task!r}: use one of {', '.join(TASKS)}.")
    if model.task == "binary_classification" and len(model.classes) != 2:
        raise ValueError(f"classes has {len(model.classes)} entries: binary_classification has 2, the positive last.")
    versions = [identifiers.check_version(version.version) for version in model.versions]
    if len(set(versions)) != len(versions):
        raise ValueError("versions names one twice.")
    for role, version in [("live", model.live), ("canary", model.canary), *(("shadows", s) for s in model.shadows)]:
        if version is not None and version not in versions:
            raise ValueError(f"{role} is {version!r}, which versions doesn't list.")
    if model.canary is not None and model.canary == model.live:
        raise ValueError(f"canary and live are both {model.live!r}.")
    if isinstance(model.canary_percent, bool) or not 0 <= model.canary_percent <= 100:
        raise ValueError(f"canary_percent is {model.canary_percent!r}: use 0 to 100.")
    if model.in_flight_limit < 1:
        raise ValueError(f"in_flight_limit is {model.in_flight_limit!r}: use 1 or more.")
    if not 0 < model.timeout_seconds <= MAX_TIMEOUT_SECONDS:
        raise ValueError(f"timeout_seconds is {model.timeout_seconds!r}: use more than 0, up to {MAX_TIMEOUT_SECONDS}.")
    _check_features(model.features)


def _check_features(features: tuple[SnapshotFeature, ...]) -> None:
    names = [identifiers.check_feature(feature.name) for feature in features]
    if not names:
        raise ValueError("features is empty.")
    if len(set(names)) != len(names):
        raise ValueError("features names one twice.")
    for feature in features:
        if feature.kind not in KINDS:
            raise ValueError(f"feature {feature.name!r} has kind {feature.kind!r}: use {' or '.join(KINDS)}.")
        if feature.default is not None:
            numeric = isinstance(feature.default, (int, float)) and not isinstance(feature.default, bool)
            if numeric != (feature.kind == "numeric") or (numeric and not math.isfinite(float(feature.default))):
                raise ValueError(
                    f"feature {feature.name!r} has default {feature.default!r}, which is not {feature.kind}."
                )
