"""Deleting from the registry. What is still needed stays, and the refusal says by what, and what to do first."""

from collections.abc import Iterable

from django.conf import settings
from django.db import models, transaction
from django.db.models import ProtectedError, RestrictedError

from models_registry import changes
from models_registry.actor import Actor
from models_registry.documents import (
    Document,
    baseline_document,
    feature_document,
    model_document,
    pipeline_document,
    team_document,
    version_document,
)
from models_registry.models import Baseline, Change, Feature, MLModel, ModelVersion, PipelineRelease, Team, Traffic


class InUse(ValueError):
    """It can't be deleted now; the message names what needs it and the remedy."""


def delete_team(team: Team, *, actor: Actor, reason: str = "") -> Change:
    """Delete a team that owns nothing any more, with its receivers and members."""
    if team.name == settings.PLATFORM_TEAM:
        raise InUse(f"{team} is told when Plumbline itself is down: name another team in PLATFORM_TEAM first.")
    return _delete(team, team_document(team), actor, reason, remedy="give them to another team first")


def delete_model(model: MLModel, *, actor: Actor, reason: str = "") -> Change:
    """Delete a model that nobody is served by, with everything that belongs to it."""
    if Traffic.objects.filter(model=model, live__isnull=False).exists():
        raise InUse(f"{model} answers requests: withdraw it first (POST /api/models/{model}/withdraw/).")
    return _delete(model, model_document(model), actor, reason, remedy="delete them first")


def delete_feature(feature: Feature, *, actor: Actor, reason: str = "") -> Change:
    """Delete a feature."""
    return _delete(feature, feature_document(feature), actor, reason, model=feature.model)


def delete_version(version: ModelVersion, *, actor: Actor, reason: str = "") -> Change:
    """Delete a version that has no traffic and is not what rolling back would return to."""
    holders = Traffic.objects.filter(model=version.model_id)
    needed = models.Q(live=version) | models.Q(canary=version) | models.Q(shadows=version)
    if holders.filter(needed).exists():
        raise InUse(f"{version} has traffic: roll it back, or take it off the shadows, first.")
    if holders.filter(previous_live=version).exists():
        raise InUse(f"{version} is what rolling back would return to: it can go after the next version went live.")
    document = version_document(version)
    return _delete(version, document, actor, reason, model=version.model, version=version.version)


def delete_baseline(baseline: Baseline, *, actor: Actor, reason: str = "") -> Change:
    """Delete a baseline that no version is measured against."""
    document = baseline_document(baseline)
    kind = Change.Kind.BASELINE
    remedy = "give them another baseline first"
    return _delete(baseline, document, actor, reason, model=baseline.model, kind=kind, remedy=remedy)


def delete_pipeline_release(release: PipelineRelease, *, actor: Actor, reason: str = "") -> Change:
    """Delete a pipeline release that no version names."""
    document = pipeline_document(release)
    kind = Change.Kind.PIPELINE
    remedy = "name another release there first"
    return _delete(release, document, actor, reason, model=release.model, kind=kind, remedy=remedy)


def _delete(
    row: models.Model,
    document: Document,
    actor: Actor,
    reason: str,
    *,
    model: MLModel | None = None,
    version: str = "",
    kind: str = Change.Kind.REGISTRY,
    remedy: str = "change them first",
) -> Change:
    with transaction.atomic():
        told = f"{row._meta.verbose_name} {row} deleted"
        deleted_model = row if isinstance(row, MLModel) else None
        # Written first, while the row still has an id; the reference to a deleted model is emptied by the deletion.
        change = changes.record(
            kind,
            actor=actor,
            obj=row,
            model=model or deleted_model,
            version=version,
            summary=told,
            reason=reason,
            before=document,
        )
        try:
            row.delete()
        except ProtectedError as error:
            raise InUse(_explain(row, error.protected_objects, remedy)) from error
        except RestrictedError as error:
            raise InUse(_explain(row, error.restricted_objects, remedy)) from error
        return change


def _explain(row: models.Model, needed_by: Iterable[models.Model], remedy: str) -> str:
    names = sorted(f"{other._meta.verbose_name} {other}" for other in needed_by)
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{row._meta.verbose_name} {row} is needed by {shown}: {remedy}."
