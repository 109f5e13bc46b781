"""The fleet as the document that serving runs from."""

from models_registry.fleet import Fleet, FleetModel
from telemetry.snapshot import ServingSnapshot, SnapshotFeature, SnapshotModel, SnapshotVersion


def build(fleet: Fleet) -> ServingSnapshot:
    """Every model that has a live version, with the versions that replicas should hold.

    The previous live version stays loaded, so that rolling back needs no download.
    """
    return ServingSnapshot(models=tuple(_model(m) for m in fleet.models if m.split.live))


def _model(model: FleetModel) -> SnapshotModel:
    split = model.split
    held = {v for v in (split.live, split.canary, split.previous_live, *split.shadows) if v is not None}
    return SnapshotModel(
        name=model.name,
        task=model.task,
        classes=model.classes,
        features=tuple(
            SnapshotFeature(f.name, f.kind, f.minimum, f.maximum, f.categories, required=f.required, default=f.default)
            for f in model.features
        ),
        versions=tuple(
            SnapshotVersion(v.version, v.framework, v.artifact, v.sha256)
            for v in sorted(model.versions, key=lambda v: v.version)
            if v.version in held
        ),
        live=split.live,
        canary=split.canary,
        canary_percent=split.canary_percent,
        shadows=tuple(sorted(split.shadows)),
        in_flight_limit=model.in_flight_limit,
        timeout_seconds=model.timeout_seconds,
    )
