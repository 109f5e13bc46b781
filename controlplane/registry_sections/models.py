"""`models`: a model with its features, pipeline releases, baselines, versions and, only where stated, its traffic.

What a document states is all of the thing itself. `features`, where given, are all that the model has; of the other
lists something is removed only when pruning, and a list that is left out stays as it is.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from django.core.exceptions import ValidationError

from controlplane import registry_shape as shape
from controlplane.registry_sections.section import Applying, Exported, Section, Stored, fill, team_named
from models_registry import traffic
from models_registry.baselines import freeze_baseline, profile_hash
from models_registry.documents import (
    baseline_document,
    model_document,
    pipeline_document,
    traffic_document,
    version_document,
)
from models_registry.edits import check_model, save_baseline, save_model, save_pipeline_release, save_version
from models_registry.models import Baseline, Change, Feature, MLModel, ModelVersion, PipelineRelease, Team
from models_registry.removal import delete_baseline, delete_model, delete_pipeline_release, delete_version
from models_registry.split import Split

Row = TypeVar("Row", Baseline, ModelVersion, PipelineRelease)

MAX_PROFILE_BYTES = 16 * 1024 * 1024
TEAMS = ("on_call_team", "applied_ml_team", "data_team")

FEATURE = shape.Document(
    {
        "name": shape.TEXT,
        "kind": shape.one_of(*Feature.Kind.values),
        "critical": shape.TRUTH,
        "required": shape.TRUTH,
        "minimum": shape.NUMBER,
        "maximum": shape.NUMBER,
        "categories": shape.TEXTS,
        "default": shape.ANYTHING,
        "team": shape.TEXT,
        "missing_limit": shape.NUMBER,
        "out_of_range_limit": shape.NUMBER,
        "defaulted_limit": shape.NUMBER,
    },
    frozenset({"name"}),
    decides=frozenset({"kind"}),
)
PIPELINE_RELEASE = shape.Document(
    {"release": shape.TEXT, "released_at": shape.MOMENT, "notes": shape.TEXT}, frozenset({"release"})
)
BASELINE = shape.Document(
    {
        "name": shape.TEXT,
        "population": shape.TEXT,
        "profile": shape.ANYTHING,
        "profile_file": shape.TEXT,
        "sha256": shape.TEXT,
        "rows": shape.WHOLE,
        "data_from": shape.MOMENT,
        "data_until": shape.MOMENT,
        "max_age_days": shape.WHOLE,
        "frozen": shape.TRUTH,
    },
    frozenset({"name", "population"}),
)
VERSION = shape.Document(
    {
        "version": shape.TEXT,
        "framework": shape.one_of(*ModelVersion.Framework.values),
        "artifact": shape.TEXT,
        "sha256": shape.TEXT,
        "baseline": shape.TEXT,
        "pipeline_release": shape.TEXT,
        "notes": shape.TEXT,
    },
    frozenset({"version", "artifact", "sha256"}),
)
TRAFFIC = shape.Document(
    {
        "live": shape.TEXT,
        "canary": shape.TEXT,
        "canary_percent": shape.WHOLE,
        "shadows": shape.TEXTS,
        "previous_live": shape.TEXT,
    },
    frozenset({"live"}),
)
MODEL = shape.Document(
    {
        "name": shape.TEXT,
        "description": shape.TEXT,
        "risk": shape.one_of(*MLModel.Risk.values),
        "task": shape.one_of(*MLModel.Task.values),
        "classes": shape.TEXTS,
        **dict.fromkeys(TEAMS, shape.TEXT),
        "in_flight_limit": shape.WHOLE,
        "timeout_seconds": shape.NUMBER,
        "features": shape.Documents(FEATURE, ("name",)),
        "pipeline_releases": shape.Documents(PIPELINE_RELEASE, ("release",)),
        "baselines": shape.Documents(BASELINE, ("name",)),
        "versions": shape.Documents(VERSION, ("version",)),
        "traffic": TRAFFIC,
    },
    frozenset({"name", *TEAMS}),
    needed=frozenset({"name"}),
    decides=frozenset({"task", "features"}),
)
COLLECTIONS = {"features", "pipeline_releases", "baselines", "versions", "traffic"}


def _apply(document: dict[str, Any], applying: Applying) -> None:
    model = MLModel.objects.filter(name=document["name"]).first() or MLModel()
    teams = _teams(document, applying)
    features = _features(document, applying)
    fill(model, {**document, **teams}, MODEL.fields.keys() - COLLECTIONS - (set(TEAMS) - teams.keys()))
    with applying.at():
        if applying.failed:
            check_model(model, features, unknown=set(TEAMS) - teams.keys())
        else:
            applying.wrote(save_model(model, actor=applying.actor, features=features))
    _apply_lists(model, document, applying)
    if "traffic" in document and not applying.failed:
        with applying.at("traffic"):
            _apply_traffic(model, document["traffic"], applying)
    if applying.prune and not applying.failed:
        _prune_lists(model, document, applying)


def _apply_lists(model: MLModel, document: dict[str, Any], applying: Applying) -> None:
    apply: dict[str, Callable[[dict[str, Any]], None]] = {
        "pipeline_releases": lambda stated: _apply_pipeline_release(model, stated, applying),
        "baselines": lambda stated: _apply_baseline(model, stated, applying),
        "versions": lambda stated: _apply_version(model, stated, document, applying),
    }
    for name, apply_one in apply.items():
        for n, stated in enumerate(document.get(name, ())):
            if stated is None:
                # The traffic may name it.
                applying.failed = True
                continue
            with applying.at(name, n):
                apply_one(stated)


def _prune_lists(model: MLModel, document: dict[str, Any], applying: Applying) -> None:
    """Remove what the stated lists leave out: versions first, since they need the others."""
    lists: tuple[tuple[str, str, Any, Callable[..., Change]], ...] = (
        ("versions", "version", model.versions.select_related("baseline", "pipeline_release"), delete_version),
        ("baselines", "name", model.baselines, delete_baseline),
        ("pipeline_releases", "release", model.pipeline_releases, delete_pipeline_release),
    )
    for name, key, rows, delete in lists:
        if name in document:
            stated = [item[key] for item in document[name]]
            for row in rows.exclude(**{f"{key}__in": stated}):
                with applying.at(name):
                    applying.wrote(delete(row, actor=applying.actor))


def _teams(document: dict[str, Any], applying: Applying) -> dict[str, Team]:
    """Those of the model's three teams that there are; what is wrong with the others is noted."""
    teams = {}
    for name in TEAMS:
        if name not in document:
            applying.failed = True
            continue
        with applying.at():
            teams[name] = team_named(document[name], name)
    return teams


def _features(document: dict[str, Any], applying: Applying) -> list[Feature] | None:
    if "features" not in document:
        return None
    features = []
    for stated in document["features"]:
        if stated is None:
            # Without it, nothing can be said of what names it.
            applying.failed = True
            continue
        feature = Feature(**{**stated, "team": None})
        features.append(feature)
        if "team" in stated:
            with applying.at():
                feature.team = team_named(stated["team"], f"features.{stated['name']}.team")
    return features


def _stored_or_new(rows: type[Row], model: MLModel, **name: str) -> Row:
    stored = rows._default_manager.filter(model=model, **name).first() if model.pk else None
    return stored or rows(model=model)


def _write(row: Any, save: Callable[..., Change | None], applying: Applying) -> None:
    """Write a row of a model; where that itself was refused, and isn't there, only see to the row's own rules."""
    if row.model.pk is None:
        row.full_clean(exclude={"model"}, validate_unique=False, validate_constraints=False)
    else:
        applying.wrote(save(row, actor=applying.actor))


def _apply_pipeline_release(model: MLModel, stated: dict[str, Any], applying: Applying) -> None:
    release = _stored_or_new(PipelineRelease, model, release=stated["release"])
    for name in ("release", "released_at"):
        if name in stated:
            setattr(release, name, stated[name])
    release.notes = stated.get("notes", "")
    _write(release, save_pipeline_release, applying)


def _apply_baseline(model: MLModel, stated: dict[str, Any], applying: Applying) -> None:
    baseline = _stored_or_new(Baseline, model, name=stated["name"])
    was_frozen = baseline.frozen_at is not None
    if was_frozen and stated.get("frozen") is False:
        raise ValidationError({"frozen": f"{baseline} is frozen, for good: make another baseline."})
    fill(baseline, stated, ("name", "population", "data_from", "data_until", "max_age_days"))
    profile = _profile(stated, applying)
    if profile is not None:
        baseline.profile = profile
    elif baseline.pk is None:
        raise ValidationError({"profile": "A baseline needs its profile: state `profile` or `profile_file`."})
    if "sha256" in stated and profile_hash(baseline.profile) != stated["sha256"]:
        raise ValidationError({"sha256": f"The profile's hash is {profile_hash(baseline.profile)}, not this one."})
    _write(baseline, save_baseline, applying)
    if stated.get("frozen") and not was_frozen and baseline.pk is not None:
        applying.wrote(freeze_baseline(baseline, actor=applying.actor))


def _profile(stated: dict[str, Any], applying: Applying) -> Any:
    """The profile as stated or as in the file beside the registry file; None where neither is."""
    if "profile_file" not in stated:
        return stated.get("profile")
    name = stated["profile_file"]
    file = (applying.folder / name).resolve()
    try:
        if file.stat().st_size > MAX_PROFILE_BYTES:
            raise ValidationError({"profile_file": f"{name} is larger than {MAX_PROFILE_BYTES // 1024 // 1024} MiB."})
        return json.loads(file.read_bytes())
    except OSError as error:
        raise ValidationError({"profile_file": f"{name} can't be read: {error.strerror}."}) from error
    except ValueError as error:
        raise ValidationError({"profile_file": f"{name} is not JSON: {error}."}) from error


def _apply_version(model: MLModel, stated: dict[str, Any], document: dict[str, Any], applying: Applying) -> None:
    version = _stored_or_new(ModelVersion, model, version=stated["version"])
    fill(version, stated, ("version", "framework", "artifact", "sha256", "notes"))
    version.baseline = _of_model(Baseline, model, "baseline", "name", stated, document)
    version.pipeline_release = _of_model(PipelineRelease, model, "pipeline_release", "release", stated, document)
    _write(version, save_version, applying)


def _of_model(rows: Any, model: MLModel, field: str, key: str, stated: dict[str, Any], document: dict[str, Any]) -> Any:
    if field not in stated:
        return None
    row = rows.objects.filter(model=model, **{key: stated[field]}).first() if model.pk else None
    # One that the file states has been refused a moment ago, and is told of already.
    told = any(other is None or other.get(key) == stated[field] for other in document.get(f"{field}s", ()))
    if row is None and not told:
        raise ValidationError({field: f"{model} has no {field.replace('_', ' ')} {stated[field]!r}: add it first."})
    return row


def _apply_traffic(model: MLModel, stated: dict[str, Any], applying: Applying) -> None:
    wanted = Split(
        live=stated["live"],
        canary=stated.get("canary"),
        canary_percent=stated.get("canary_percent", 0),
        shadows=frozenset(stated.get("shadows", ())),
        previous_live=stated.get("previous_live"),
    )
    applying.wrote(traffic.set_split(model, wanted, actor=applying.actor))


def _export(name: str | None) -> Exported:
    rows = MLModel.objects.select_related(
        *TEAMS, "traffic__live", "traffic__canary", "traffic__previous_live"
    ).prefetch_related(
        "features__team",
        "pipeline_releases",
        "baselines",
        "versions__baseline",
        "versions__pipeline_release",
        "traffic__shadows",
    )
    if name is not None:
        rows = rows.filter(name=name)
    return sorted((_model(row) for row in rows), key=lambda d: str(d["name"]))


def _model(row: MLModel) -> dict[str, Any]:
    lists = {
        "pipeline_releases": [pipeline_document(r) for r in row.pipeline_releases.all()],
        "baselines": [baseline_document(b, with_profile=True) for b in row.baselines.all()],
        # As they were made: the order of registration is the order of another registry's, too.
        "versions": [version_document(v) for v in sorted(row.versions.all(), key=lambda v: (v.created_at, v.pk))],
    }
    document = {**model_document(row), **{name: rows for name, rows in lists.items() if rows}}
    if hasattr(row, "traffic") and row.traffic.live is not None:
        document["traffic"] = traffic_document(row.traffic, sorted(v.version for v in row.traffic.shadows.all()))
    return document


def _stored() -> Iterator[Stored]:
    for row in MLModel.objects.select_related(*TEAMS).prefetch_related("features__team"):
        yield Stored((row.name,), partial(delete_model, row), row.name)


MODELS = Section("models", shape.Documents(MODEL, ("name",)), _apply, _export, _stored)
