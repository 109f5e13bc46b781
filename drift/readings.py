"""What the exporter tells of each version with traffic: read with a fixed number of queries, judged without any."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drift.checks import Check
from drift.due import first_due
from drift.edits import check_of
from drift.engine.verdict import INSUFFICIENT_DATA, WITH_SCORES, Verdict, from_document
from drift.models import CheckRun, CheckStatus, DriftCheck
from drift.proxies import Proxy, ProxyReading, load_proxies, read_proxy
from drift.run import baseline_age_seconds
from drift.watched import Watched, load_watched
from models_registry.fleet import FleetBaseline, FleetModel, load_fleet
from models_registry.models import MLModel

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
    proxies: tuple[ProxyReading, ...] = ()


@dataclass(frozen=True, slots=True)
class Readings:
    """All that one scrape tells. `pipelines` maps a model to its newest feature pipeline release."""

    versions: tuple[Reading, ...]
    pipelines: Mapping[str, str]


def load_readings(now: datetime) -> Readings:
    """The readings of every version with traffic."""
    fleet = load_fleet()
    statuses = {status.version_id: status for status in CheckStatus.objects.select_related("latest")}
    proxies = load_proxies()
    versions = tuple(
        _reading(
            each,
            fleet.by_name[each.check.model],
            statuses.get(each.version_pk),
            proxies.get(each.check.model, ()),
            now,
        )
        for each in load_watched()
        if each.check.model in fleet.by_name
    )
    pipelines = {model.name: model.pipeline_release for model in fleet.models if model.pipeline_release}
    return Readings(versions, pipelines)


def proxies_of(row: MLModel, model: FleetModel, now: datetime) -> list[tuple[str, ProxyReading]]:
    """One model's proxies, each for live, then canary: what the exporter tells of them."""
    proxies, check = load_proxies(row).get(row.name, ()), check_of(row)
    statuses = CheckStatus.objects.filter(version__model=row).select_related("version", "latest")
    latest = {status.version.version: _latest(status) for status in statuses}
    versions = [version for version in (model.split.live, model.split.canary) if version is not None]
    verdicts = {version: current_state(check, latest.get(version), now)[1] for version in versions}
    return [
        (version, read_proxy(proxy, version, verdicts[version], model.classes, now))
        for proxy in proxies
        for version in versions
    ]


def current_state(check: Check | DriftCheck, latest: LatestRun | None, now: datetime) -> tuple[str, Verdict | None]:
    """The state to show, and the verdict whose scores may be shown with it."""
    if check.paused:
        return PAUSED, None
    if latest is None:
        return NEVER_RUN, None
    fresh_for = timedelta(seconds=FRESH_INTERVALS * check.interval_seconds) + FRESH_MARGIN
    if now > latest.window_end + fresh_for:
        return INSUFFICIENT_DATA, None
    return latest.state, latest.verdict if latest.state in WITH_SCORES else None


def _reading(
    watched: Watched, model: FleetModel, status: CheckStatus | None, proxies: tuple[Proxy, ...], now: datetime
) -> Reading:
    latest = _latest(status) if status else None
    state, verdict = current_state(watched.check, latest, now)
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
        proxies=tuple(read_proxy(proxy, watched.version, verdict, model.classes, now) for proxy in proxies),
    )


def _latest(status: CheckStatus) -> LatestRun | None:
    run: CheckRun | None = status.latest
    if run is None or run.result is None:
        return None
    return LatestRun(run.state, run.window_end, run.duration_seconds, from_document(run.result))
