"""The fleet: all desired state in memory, read with a fixed number of queries however many models there are.

Frozen dataclasses, sorted by name whatever the database's collation: what renderers work on.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import cached_property
from typing import Any

from django.utils import timezone

from models_registry.models import (
    Baseline,
    Feature,
    MLModel,
    ModelVersion,
    PipelineRelease,
    Receiver,
    Replica,
    ReplicaStarts,
    Team,
    Traffic,
)
from models_registry.split import Split
from models_registry.traffic import read_split


@dataclass(frozen=True, slots=True)
class FleetReceiver:
    """Where pages or tickets go. `kind` is one of the kinds of alerts.receivers."""

    severity: str
    kind: str
    address: str
    secret_file: str


@dataclass(frozen=True, slots=True)
class FleetTeam:
    """A team as routing sees it."""

    name: str
    time_zone: str = "UTC"
    always_on_duty: bool = False
    hours_start: time = time(9)
    hours_end: time = time(17)
    working_days: tuple[str, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday")
    receivers: tuple[FleetReceiver, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetFeature:
    """One input of a model; `team` is the owner, already resolved."""

    name: str
    kind: str
    team: str
    critical: bool = False
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    default: float | str | None = None
    missing_limit: float | None = None
    out_of_range_limit: float | None = None
    defaulted_limit: float | None = None


@dataclass(frozen=True, slots=True)
class FleetBaseline:
    """A baseline without its profile."""

    name: str
    population: str
    sha256: str
    rows: int
    max_age_days: int
    frozen_at: datetime | None
    data_until: datetime | None


@dataclass(frozen=True, slots=True)
class FleetVersion:
    """A version; `state` is registered, shadow, canary, live or retired."""

    version: str
    framework: str
    artifact: str
    sha256: str
    state: str
    created_at: datetime
    served_at: datetime | None = None
    baseline: FleetBaseline | None = None
    pipeline_release: str | None = None


@dataclass(frozen=True, slots=True)
class FleetModel:
    """A model with everything that belongs to it."""

    name: str
    risk: str
    task: str
    classes: tuple[str, ...]
    on_call_team: str
    applied_ml_team: str
    data_team: str
    split: Split = field(default_factory=Split)
    features: tuple[FleetFeature, ...] = ()
    versions: tuple[FleetVersion, ...] = ()
    pipeline_release: str | None = None  # the newest
    description: str = ""
    in_flight_limit: int = 64
    timeout_seconds: float = 5.0
    replica_starts: int = 0

    def version(self, name: str | None) -> FleetVersion | None:
        """The version called `name`, or None."""
        return next((v for v in self.versions if v.version == name), None)

    def weights(self) -> dict[tuple[str, str], float]:
        """(version, role) -> desired share of the answered requests, 0 to 1, for each version with a role."""
        split, shares = self.split, {}
        if split.live:
            shares[(split.live, "live")] = 1 - split.canary_percent / 100
        if split.canary:
            shares[(split.canary, "canary")] = split.canary_percent / 100
        return shares | {(shadow, "shadow"): 0.0 for shadow in sorted(split.shadows)}


@dataclass(frozen=True, slots=True)
class FleetReplica:
    """A serving process by its last heartbeat."""

    name: str
    address: str
    last_seen_at: datetime
    started_at: datetime
    snapshot: str
    loaded: dict[str, list[str]]
    errors: dict[str, str]


@dataclass(frozen=True)
class Fleet:
    """Everything that is desired, and which replicas there are."""

    teams: tuple[FleetTeam, ...]
    models: tuple[FleetModel, ...]
    replicas: tuple[FleetReplica, ...] = ()
    loaded_at: datetime | None = None

    @cached_property
    def by_name(self) -> dict[str, FleetModel]:
        """Models by name."""
        return {model.name: model for model in self.models}

    @cached_property
    def team_by_name(self) -> dict[str, FleetTeam]:
        """Teams by name."""
        return {team.name: team for team in self.teams}


def load_fleet() -> Fleet:
    """The whole desired state, in a number of queries that no model or team adds to."""
    teams = tuple(sorted((_team(t) for t in Team.objects.prefetch_related("receivers")), key=lambda t: t.name))
    replicas = tuple(sorted((_replica(r) for r in Replica.objects.all()), key=lambda r: r.name))
    return Fleet(teams=teams, models=_models(), replicas=replicas, loaded_at=timezone.now())


def load_model(name: str) -> FleetModel | None:
    """One model as the fleet holds it; None where none of this name is registered."""
    return next(iter(_models(name)), None)


def _team(team: Team) -> FleetTeam:
    receivers = sorted(team.receivers.all(), key=lambda r: r.severity)
    return FleetTeam(
        name=team.name,
        time_zone=team.time_zone,
        always_on_duty=team.always_on_duty,
        hours_start=team.hours_start,
        hours_end=team.hours_end,
        working_days=tuple(team.working_days),
        receivers=tuple(_receiver(r) for r in receivers),
    )


def _receiver(receiver: Receiver) -> FleetReceiver:
    return FleetReceiver(receiver.severity, receiver.kind, receiver.address, receiver.secret_file)


def _replica(row: Replica) -> FleetReplica:
    return FleetReplica(
        row.name, row.address, row.last_seen_at, row.started_at, row.snapshot, dict(row.loaded), dict(row.errors)
    )


def _models(name: str | None = None) -> tuple[FleetModel, ...]:
    of = {} if name is None else {"model__name": name}
    splits = _splits(of)
    # Plain rows: of all that is read, features are by far the most.
    features: dict[int, list[_FeatureRow]] = defaultdict(list)
    rows_of_features = Feature.objects.filter(**of).order_by("position", "pk").values_list("model_id", *_FEATURE_FIELDS)
    for model_id, *row in rows_of_features.iterator():
        features[model_id].append(row)
    versions: dict[int, list[ModelVersion]] = defaultdict(list)
    # The profile can be large: it is the drift check's business alone.
    for version in (
        ModelVersion.objects.filter(**of)
        .select_related("baseline", "pipeline_release")
        .defer("baseline__profile")
        .order_by("created_at", "pk")
    ):
        versions[version.model_id].append(version)
    # Later rows overwrite earlier ones: the newest release stays.
    newest_last = PipelineRelease.objects.filter(**of).order_by("released_at", "pk")
    pipelines = dict(newest_last.values_list("model_id", "release"))
    starts = dict(ReplicaStarts.objects.filter(**of).values_list("model_id", "total"))
    rows = MLModel.objects.filter(**({} if name is None else {"name": name})).select_related(
        "on_call_team", "applied_ml_team", "data_team"
    )
    models = (
        _model(
            m,
            splits.get(m.pk, Split()),
            features[m.pk],
            versions[m.pk],
            pipelines.get(m.pk),
            starts.get(m.pk, 0),
        )
        for m in rows
    )
    return tuple(sorted(models, key=lambda m: m.name))


# In the order of FleetFeature's own.
_FEATURE_FIELDS = (
    "name",
    "kind",
    "team__name",
    "critical",
    "required",
    "minimum",
    "maximum",
    "categories",
    "default",
    "missing_limit",
    "out_of_range_limit",
    "defaulted_limit",
)
_FeatureRow = list[Any]


def _splits(of: dict[str, str]) -> dict[int, Split]:
    rows = Traffic.objects.filter(**of).select_related("live", "canary", "previous_live").prefetch_related("shadows")
    return {row.model_id: read_split(row, [v.version for v in row.shadows.all()]) for row in rows}


def _model(
    row: MLModel,
    split: Split,
    features: list[_FeatureRow],
    versions: list[ModelVersion],
    pipeline_release: str | None,
    starts: int,
) -> FleetModel:
    return FleetModel(
        name=row.name,
        risk=row.risk,
        task=row.task,
        classes=tuple(row.classes),
        on_call_team=row.on_call_team.name,
        applied_ml_team=row.applied_ml_team.name,
        data_team=row.data_team.name,
        split=split,
        features=tuple(_feature(f, row.data_team.name) for f in features),
        versions=tuple(_version(v, split) for v in versions),
        pipeline_release=pipeline_release,
        description=row.description,
        in_flight_limit=row.in_flight_limit,
        timeout_seconds=row.timeout_seconds,
        replica_starts=starts,
    )


def _feature(row: _FeatureRow, data_team: str) -> FleetFeature:
    name, kind, team, critical, required, minimum, maximum, categories, *limits = row
    owner = team or data_team
    return FleetFeature(name, kind, owner, critical, required, minimum, maximum, tuple(categories), *limits)


def version_state(version: ModelVersion, split: Split) -> str:
    """registered, shadow, canary, live, or retired: served once and no more."""
    return split.role(version.version) or ("retired" if version.served_at else "registered")


def _version(row: ModelVersion, split: Split) -> FleetVersion:
    return FleetVersion(
        version=row.version,
        framework=row.framework,
        artifact=row.artifact,
        sha256=row.sha256,
        state=version_state(row, split),
        created_at=row.created_at,
        served_at=row.served_at,
        baseline=_baseline(row.baseline) if row.baseline else None,
        pipeline_release=row.pipeline_release.release if row.pipeline_release else None,
    )


def _baseline(row: Baseline) -> FleetBaseline:
    return FleetBaseline(
        row.name, row.population, row.sha256, row.rows, row.max_age_days, row.frozen_at, row.data_until
    )
