"""Export documents: each registry object as plain data, as the registry file holds it and as Changes keep it."""

from typing import Any

from models_registry.models import (
    Baseline,
    Feature,
    MLModel,
    ModelVersion,
    PipelineRelease,
    Receiver,
    Team,
    Traffic,
)

Document = dict[str, Any]


def _filled(document: Document) -> Document:
    """Without what is empty: an export states only what was said."""
    return {key: value for key, value in document.items() if value not in (None, "", [], {})}


def team_document(team: Team) -> Document:
    """A team with its receivers and members."""
    return _filled(
        {
            "name": team.name,
            "description": team.description,
            "time_zone": team.time_zone,
            "always_on_duty": team.always_on_duty or None,
            "hours_start": team.hours_start.strftime("%H:%M"),
            "hours_end": team.hours_end.strftime("%H:%M"),
            "working_days": team.working_days,
            "receivers": {r.severity: receiver_document(r) for r in team.receivers.all()},
            "members": {m.user.get_username(): m.role for m in team.members.all()},
        }
    )


def receiver_document(receiver: Receiver) -> Document:
    """A receiver; its secret stays in its file."""
    return _filled({"kind": receiver.kind, "address": receiver.address, "secret_file": receiver.secret_file})


def feature_document(feature: Feature) -> Document:
    """One feature of a model."""
    return _filled(
        {
            "name": feature.name,
            "kind": feature.kind,
            "critical": feature.critical or None,
            "required": feature.required or None,
            "minimum": feature.minimum,
            "maximum": feature.maximum,
            "categories": feature.categories,
            "default": feature.default,
            "team": feature.team.name if feature.team else None,
            "missing_limit": feature.missing_limit,
            "out_of_range_limit": feature.out_of_range_limit,
            "defaulted_limit": feature.defaulted_limit,
        }
    )


def version_document(version: ModelVersion) -> Document:
    """One version of a model."""
    return _filled(
        {
            "version": version.version,
            "framework": version.framework,
            "artifact": version.artifact,
            "sha256": version.sha256,
            "baseline": version.baseline.name if version.baseline else None,
            "pipeline_release": version.pipeline_release.release if version.pipeline_release else None,
            "notes": version.notes,
        }
    )


def baseline_document(baseline: Baseline, with_profile: bool = False) -> Document:
    """A baseline; its profile only where it is asked for, since it can be large and the hash names it."""
    return _filled(
        {
            "name": baseline.name,
            "population": baseline.population,
            "sha256": baseline.sha256,
            "rows": baseline.rows,
            "data_from": baseline.data_from.isoformat() if baseline.data_from else None,
            "data_until": baseline.data_until.isoformat() if baseline.data_until else None,
            "max_age_days": baseline.max_age_days,
            "frozen": baseline.frozen_at is not None,
            "profile": baseline.profile if with_profile else None,
        }
    )


def pipeline_document(release: PipelineRelease) -> Document:
    """A release of a model's feature pipeline."""
    return _filled({"release": release.release, "released_at": release.released_at.isoformat(), "notes": release.notes})


def traffic_document(traffic: Traffic, shadows: list[str]) -> Document:
    """Who answers requests. `shadows` is handed in, since reading it is a query."""
    return _filled(
        {
            "live": traffic.live.version if traffic.live else None,
            "canary": traffic.canary.version if traffic.canary else None,
            "canary_percent": traffic.canary_percent or None,
            "shadows": shadows,
            "previous_live": traffic.previous_live.version if traffic.previous_live else None,
        }
    )


def model_document(model: MLModel) -> Document:
    """A model's own fields and its features; its versions and the rest have documents of their own."""
    return _filled(
        {
            "name": model.name,
            "description": model.description,
            "risk": model.risk,
            "task": model.task,
            "classes": model.classes,
            "on_call_team": model.on_call_team.name,
            "applied_ml_team": model.applied_ml_team.name,
            "data_team": model.data_team.name,
            "in_flight_limit": model.in_flight_limit,
            "timeout_seconds": model.timeout_seconds,
            "features": [feature_document(f) for f in model.features.all()],
        }
    )
