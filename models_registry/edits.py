"""Editing the registry. The admin, the API and the registry file all come through here.

Each function checks the whole edit first (ValidationError names the fields), then writes it and its Change in one
transaction. A repeated edit changes nothing and writes no second Change: it returns None.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction

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
from models_registry.models import (
    Baseline,
    Change,
    Feature,
    Member,
    MLModel,
    ModelVersion,
    PipelineRelease,
    Receiver,
    Team,
)

Row = TypeVar("Row", bound=models.Model)

# What a version is. Once registered under its name, it is that for good.
VERSION_IDENTITY = ("framework", "artifact", "sha256")
# A frozen baseline may still change how long it is trusted.
FROZEN_MAY_NOT_CHANGE = ("name", "population", "profile", "data_from", "data_until")


class VersionDiffers(ValueError):
    """The version is registered with other content. `fields` maps each field to (registered, given)."""

    def __init__(self, version: ModelVersion, fields: dict[str, tuple[Any, Any]]) -> None:
        self.fields = fields
        told = "; ".join(f"{name} is {old!r}, not {new!r}" for name, (old, new) in fields.items())
        super().__init__(f"{version} is registered with other content: {told}. Register another version.")


def save_team(
    team: Team,
    *,
    actor: Actor,
    receivers: Sequence[Receiver] | None = None,
    members: Sequence[Member] | None = None,
    reason: str = "",
) -> Change | None:
    """Write `team`; `receivers` and `members`, where given, become all that it has. None: nothing differs."""
    with transaction.atomic():
        before = _stored_team(team.pk)
        check_team(team, receivers, members)
        team.save()
        if receivers is not None:
            _replace(team, "team", "severity", team.receivers.all(), receivers)
        if members is not None:
            _replace(team, "team", "user_id", team.members.all(), members)
        return _record(team, before, _stored_team(team.pk), actor=actor, reason=reason)


def check_team(
    team: Team, receivers: Sequence[Receiver] | None = None, members: Sequence[Member] | None = None
) -> None:
    """All that `save_team` would refuse, in one ValidationError."""
    _check_together(
        lambda: _refuse_rename(team),
        team.full_clean,
        lambda: _check_all("receivers", "severity", receivers or (), exclude={"team"}),
        lambda: _check_all("members", "user", members or (), exclude={"team"}),
    )


def save_model(
    model: MLModel, *, actor: Actor, features: Sequence[Feature] | None = None, reason: str = ""
) -> Change | None:
    """Write `model`; `features`, where given, become all that it has, in that order. None: nothing differs."""
    with transaction.atomic():
        before = _stored_model(model.pk)
        check_model(model, features)
        model.save()
        if features is not None:
            for position, feature in enumerate(features):
                feature.position = position
            _replace(model, "model", "name", model.features.all(), features)
        return _record(model, before, _stored_model(model.pk), actor=actor, model=model, reason=reason)


def check_model(model: MLModel, features: Sequence[Feature] | None, unknown: Iterable[str] = ()) -> None:
    """All that `save_model` would refuse, in one ValidationError. Nothing is said of the fields that are `unknown`."""
    _check_together(
        lambda: _refuse_rename(model),
        lambda: model.full_clean(exclude=unknown),
        lambda: _check_all("features", "name", features or (), exclude={"model"}),
    )


def save_feature(feature: Feature, *, actor: Actor, reason: str = "") -> Change | None:
    """Write one feature; a new one is put last. None: nothing differs."""
    with transaction.atomic():
        before = _document_of(Feature.objects.select_related("team"), feature.pk, feature_document)
        if feature.pk is None:
            last = feature.model.features.aggregate(last=models.Max("position"))["last"]
            feature.position = 0 if last is None else last + 1
        feature.full_clean()
        feature.save()
        after = _document_of(Feature.objects.select_related("team"), feature.pk, feature_document)
        return _record(feature, before, after, actor=actor, model=feature.model, reason=reason)


def register_version(version: ModelVersion, *, actor: Actor, reason: str = "") -> tuple[ModelVersion, Change | None]:
    """The stored version, and its Change where it is new. Safe to retry: the same content again changes nothing.

    Raises VersionDiffers where its name is registered with other content.
    """
    known = _known_version(version)
    if known is None:
        try:
            return version, save_version(version, actor=actor, reason=reason)
        except (IntegrityError, ValidationError):
            # Somebody else registered it in between, or it is wrong in itself.
            known = _known_version(version)
            if known is None:
                raise
    stated = {k: v for k, v in version_document(version).items() if k != "version"}
    stored = version_document(known)
    differing = {name: (stored.get(name), value) for name, value in stated.items() if stored.get(name) != value}
    if differing:
        raise VersionDiffers(known, differing)
    return known, None


def _known_version(version: ModelVersion) -> ModelVersion | None:
    return _versions().filter(model=version.model_id, version=version.version).first()


def save_version(version: ModelVersion, *, actor: Actor, reason: str = "") -> Change | None:
    """Write a version. What it is (framework, artifact, hash) is fixed by its first traffic."""
    with transaction.atomic():
        stored = _versions().filter(pk=version.pk).first() if version.pk else None
        before = version_document(stored) if stored else None
        fixed = ("version", *VERSION_IDENTITY) if stored is not None and stored.served_at is not None else ()
        why = f"{stored} has served: register another version."
        _check_together(lambda: _refuse_changes(stored, version, fixed, why), version.full_clean)
        version.save()
        after = _document_of(_versions(), version.pk, version_document)
        moved = before is not None and before.get("baseline") != (after or {}).get("baseline")
        return _record(
            version,
            before,
            after,
            actor=actor,
            model=version.model,
            version=version.version,
            kind=Change.Kind.BASELINE if moved else Change.Kind.REGISTRY,
            reason=reason,
        )


def save_baseline(baseline: Baseline, *, actor: Actor, reason: str = "") -> Change | None:
    """Write a baseline. A frozen one keeps all but its age limit."""
    with transaction.atomic():
        stored = Baseline.objects.filter(pk=baseline.pk).first() if baseline.pk else None
        before = baseline_document(stored) if stored else None
        same_profile = stored is not None and stored.profile == baseline.profile
        fixed = FROZEN_MAY_NOT_CHANGE if stored is not None and stored.frozen_at is not None else ()
        why = f"{stored} is frozen: make another baseline."
        _check_together(lambda: _refuse_changes(stored, baseline, fixed, why), baseline.full_clean)
        baseline.save()
        baseline.refresh_from_db()
        return _record(
            baseline,
            before,
            baseline_document(baseline),
            actor=actor,
            model=baseline.model,
            kind=Change.Kind.BASELINE,
            reason=reason,
            # The document names the profile by its hash, which an unfrozen baseline hasn't got yet.
            differs=not same_profile,
        )


def save_pipeline_release(release: PipelineRelease, *, actor: Actor, reason: str = "") -> Change | None:
    """Write a release of the model's feature pipeline."""
    with transaction.atomic():
        before = _document_of(PipelineRelease.objects.all(), release.pk, pipeline_document)
        release.full_clean()
        release.save()
        after = _document_of(PipelineRelease.objects.all(), release.pk, pipeline_document)
        kind = Change.Kind.PIPELINE
        return _record(release, before, after, actor=actor, model=release.model, kind=kind, reason=reason)


def _versions() -> models.QuerySet[ModelVersion]:
    rows = ModelVersion.objects.select_related("model", "baseline", "pipeline_release")
    return rows.defer("baseline__profile")


def _stored_team(pk: int | None) -> Document | None:
    return _document_of(Team.objects.prefetch_related("receivers", "members__user"), pk, team_document)


def _stored_model(pk: int | None) -> Document | None:
    rows = MLModel.objects.select_related("on_call_team", "applied_ml_team", "data_team")
    return _document_of(rows.prefetch_related("features__team"), pk, model_document)


def _document_of(rows: Any, pk: int | None, document: Any) -> Document | None:
    row = rows.filter(pk=pk).first() if pk is not None else None
    return document(row) if row is not None else None


def _check_together(*checks: Callable[[], None]) -> None:
    """The errors of all `checks` in one ValidationError: whoever made three mistakes is told of three."""
    errors: dict[str, list[ValidationError]] = {}
    for check in checks:
        try:
            check()
        except ValidationError as error:
            errors = error.update_error_dict(errors)
    if errors:
        raise ValidationError(errors)


def _check_all(collection: str, key: str, rows: Iterable[models.Model], exclude: set[str]) -> None:
    """The rules of every row at once; errors are named `collection.key.field`."""
    errors: dict[str, list[str]] = {}
    seen = set()
    for row in rows:
        name = str(getattr(row, key))
        if name in seen:
            errors[f"{collection}.{name}"] = ["This is listed twice: leave one out."]
        seen.add(name)
        try:
            row.full_clean(exclude=exclude, validate_unique=False, validate_constraints=False)
        except ValidationError as error:
            errors |= {f"{collection}.{name}.{field}": texts for field, texts in error.message_dict.items()}
    if errors:
        raise ValidationError(errors)


def _replace(
    owner: models.Model, owner_field: str, key: str, stored: models.QuerySet[Row], wanted: Sequence[Row]
) -> None:
    """Make `wanted` the rows of `owner`. A row without an id takes the place of the stored one with its key."""
    by_key = {getattr(row, key): row for row in stored}
    by_id = {row.pk: row for row in by_key.values()}
    kept: list[Row] = []
    for row in wanted:
        place = by_id.get(row.pk) or by_key.get(getattr(row, key))
        setattr(row, owner_field, owner)
        kept.append(row if place is None else _copied(row, place))
    keep_ids = {row.pk for row in kept if row.pk is not None}
    for row in by_id.values():
        if row.pk not in keep_ids:
            row.delete()
    for row in kept:
        row.full_clean()
        row.save()


def _copied(source: Row, target: Row) -> Row:
    for field in source._meta.concrete_fields:
        if not field.primary_key:
            setattr(target, field.attname, getattr(source, field.attname))
    return target


def _refuse_changes(stored: models.Model | None, given: models.Model, fields: Iterable[str], why: str) -> None:
    errors = {name: why for name in fields if getattr(stored, name) != getattr(given, name)}
    if errors:
        raise ValidationError(errors)


def _refuse_rename(row: Team | MLModel) -> None:
    stored = type(row).objects.filter(pk=row.pk).values_list("name", flat=True).first() if row.pk else None
    if stored not in (None, row.name):
        told = f"{stored} keeps its name, which metrics, alerts and links carry: register another."
        raise ValidationError({"name": told})


def _record(
    row: models.Model,
    before: Document | None,
    after: Document | None,
    *,
    actor: Actor,
    model: MLModel | None = None,
    version: str = "",
    kind: str = Change.Kind.REGISTRY,
    reason: str = "",
    differs: bool = False,
) -> Change | None:
    if before == after and not differs:
        return None
    what = f"{row._meta.verbose_name} {row}"
    if before is None:
        told = f"{what} registered"
    else:
        fields = sorted(k for k in {*before, *(after or {})} if before.get(k) != (after or {}).get(k))
        told = f"{what}: {', '.join(fields) or 'profile'} changed"
    return changes.record(
        kind,
        actor=actor,
        obj=row,
        model=model,
        version=version,
        summary=told,
        reason=reason,
        before=before,
        after=after,
    )
