"""What the exporter tells of each version with traffic: read with a fixed number of queries, judged without any."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drift.due import first_due
from drift.engine.verdict import INSUFFICIENT_DATA, WITH_SCORES, Verdict, from_document
from drift.models import CheckRun, CheckStatus
from drift.run import baseline_age_seconds
from drift.watched import Watched, load_watched
from models_registry.fleet import FleetBaseline, FleetModel, load_fleet

NEVER_RUN = "never_run"
PAUSED = "paused"
# A verdict older than this many intervals, and the time that a run waits and takes, is no longer told: an old number
# must not look fresh.
FRESH_INTERVALS = 3
FRESH_MARGIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class LatestRun:
    """A version's newest finished run."""

    state: str
    window_end: datetime
    duration_seconds: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Reading:
    """One version with traffic, as of one moment. `verdict` is None where there are no scores to tell."""

    model: str
    version: str
    state: str
    first_due: datetime
    interval_seconds: int
    last_success: datetime | None = None
    duration_seconds: float | None = None
    rows: int | None = None
    verdict: Verdict | None = None
    critical: Mapping[str, bool] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    baseline: FleetBaseline | None = None
    baseline_age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """All that one scrape tells. `pipelines` maps a model to its newest feature pipeline release."""

    versions: tuple[Reading, ...]
    pipelines: Mapping[str, str]


def load_readings(now: datetime) -> Readings:
    """The readings of every version with traffic."""
    fleet = load_fleet()
    statuses = {status.version_id: status for status in CheckStatus.objects.select_related("latest")}
    versions = tuple(
        _reading(each, fleet.by_name[each.check.model], statuses.get(each.version_pk), now)
        for each in load_watched()
        if each.check.model in fleet.by_name
    )
    pipelines = {model.name: model.pipeline_release for model in fleet.models if model.pipeline_release}
    return Readings(versions, pipelines)


def current_state(watched: Watched, latest: LatestRun | None, now: datetime) -> tuple[str, Verdict | None]:
    """The state to show, and the verdict whose scores may be shown with it."""
    if watched.check.paused:
        return PAUSED, None
    if latest is None:
        return NEVER_RUN, None
    fresh_for = timedelta(seconds=FRESH_INTERVALS * watched.check.interval_seconds) + FRESH_MARGIN
    if now > latest.window_end + fresh_for:
        return INSUFFICIENT_DATA, None
    return latest.state, latest.verdict if latest.state in WITH_SCORES else None


def _reading(watched: Watched, model: FleetModel, status: CheckStatus | None, now: datetime) -> Reading:
    latest = _latest(status.latest) if status and status.latest else None
    state, verdict = current_state(watched, latest, now)
    version = model.version(watched.version)
    baseline = version.baseline if version else None
    counted = latest is not None and latest.state == state and state in {*WITH_SCORES, INSUFFICIENT_DATA}
    return Reading(
        model=model.name,
        version=watched.version,
        state=state,
        first_due=first_due(watched),
        interval_seconds=watched.check.interval_seconds,
        last_success=status.last_success_at if status else None,
        duration_seconds=latest.duration_seconds if latest else None,
        rows=latest.verdict.rows if latest and counted else None,
        verdict=verdict,
        critical={feature.name: feature.critical for feature in model.features},
        classes=model.classes,
        baseline=baseline,
        baseline_age_seconds=baseline_age_seconds(baseline.data_until, baseline.frozen_at, now) if baseline else None,
    )


def _latest(run: CheckRun) -> LatestRun | None:
    if run.result is None:
        return None
    return LatestRun(run.state, run.window_end, run.duration_seconds, from_document(run.result))
