"""The fleet as the home page shows it: what is registered joined with what Prometheus says. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.live.asking import Answers
from alerts.prometheus import ActiveAlert
from models_registry.fleet import Fleet, FleetModel
from telemetry.names import MODEL

PAGING, TICKETS, NO_REPLICA, UNKNOWN, IDLE, HEALTHY = "paging", "tickets", "no-replica", "unknown", "idle", "healthy"
# Worst first: the order of the page.
HEALTHS = {
    PAGING: ("Paging", "bad"),
    NO_REPLICA: ("No replica", "bad"),
    TICKETS: ("Tickets", "notice"),
    UNKNOWN: ("Unknown", "unknown"),
    IDLE: ("Not served", "plain"),
    HEALTHY: ("Healthy", "good"),
}
SORTS = ("health", "name", "change")


@dataclass(frozen=True, slots=True)
class LastChange:
    """The newest change of a model."""

    uuid: str
    at: datetime
    author: str
    summary: str


@dataclass(frozen=True, slots=True)
class FiringAlert:
    """An alert that fires: how often, and where its runbook is read."""

    name: str
    severity: str
    count: int
    version: str


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One model. None: not known."""

    model: FleetModel
    health: str
    why: str
    alerts: tuple[FiringAlert, ...]
    drifted: tuple[str, ...] | None
    check_states: tuple[str, ...]
    baseline_days: int | None
    baseline_stale: bool
    change: LastChange | None

    @property
    def health_text(self) -> str:
        return HEALTHS[self.health][0]

    @property
    def health_level(self) -> str:
        return HEALTHS[self.health][1]

    @property
    def weights(self) -> list[dict[str, object]]:
        """The desired split, as a bar draws it."""
        return [
            {"version": version, "role": role, "share": share}
            for (version, role), share in self.model.weights().items()
        ]


@dataclass(frozen=True)
class Seen:
    """What Prometheus says of all models. `alerts` is None where it can't be reached."""

    answers: Answers
    alerts: Sequence[ActiveAlert] | None
    published: bool  # whether the rules that would fire are loaded at all


def fleet_rows(fleet: Fleet, seen: Seen, changes: Mapping[str, LastChange], now: datetime) -> list[FleetRow]:
    """A row for each model."""
    firing: dict[str, list[ActiveAlert]] = defaultdict(list)
    for alert in seen.alerts or ():
        if alert.state == "firing":
            firing[alert.labels.get(MODEL, "")].append(alert)
    drifted, states = _features(seen.answers), _states(seen.answers)
    served = seen.answers.by("served", MODEL)
    return [
        _row(model, seen, firing[model.name], drifted, states, served, changes.get(model.name), now)
        for model in fleet.models
    ]


def _row(
    model: FleetModel,
    seen: Seen,
    firing: list[ActiveAlert],
    drifted: Mapping[str, set[str]] | None,
    states: Mapping[str, set[str]],
    served: Mapping[str, float] | None,
    change: LastChange | None,
    now: datetime,
) -> FleetRow:
    health, why = _health(model, seen, firing, served)
    version = model.version(model.split.live)
    baseline = version.baseline if version else None
    since = (baseline.data_until or baseline.frozen_at) if baseline else None
    days = (now - since).days if since else None
    return FleetRow(
        model=model,
        health=health,
        why=why,
        alerts=_counted(firing),
        drifted=None if drifted is None else tuple(sorted(drifted.get(model.name, ()))),
        check_states=tuple(sorted(states.get(model.name, ()))),
        baseline_days=days,
        baseline_stale=baseline is not None and days is not None and days > baseline.max_age_days,
        change=change,
    )


def _health(
    model: FleetModel, seen: Seen, firing: list[ActiveAlert], served: Mapping[str, float] | None
) -> tuple[str, str]:
    """The worst that is known. Healthy takes evidence: rules that watch, and a replica that serves."""
    if seen.alerts is None or served is None:
        return UNKNOWN, "Prometheus can't be reached"
    if any(alert.labels.get("severity") == "page" for alert in firing):
        return PAGING, ""
    if model.split.live is None:
        return (TICKETS, "") if firing else (IDLE, "no version is live")
    if model.name not in served:
        return NO_REPLICA, "no replica says that it serves it"
    if firing:
        return TICKETS, ""
    return (HEALTHY, "") if seen.published else (UNKNOWN, "no release is published, so nothing watches it")


def _counted(firing: list[ActiveAlert]) -> tuple[FiringAlert, ...]:
    by_name: dict[str, list[ActiveAlert]] = defaultdict(list)
    for alert in firing:
        by_name[alert.labels.get("alertname", "")].append(alert)
    found = [
        FiringAlert(name, alerts[0].labels.get("severity", ""), len(alerts), alerts[0].labels.get("model_version", ""))
        for name, alerts in by_name.items()
    ]
    return tuple(sorted(found, key=lambda alert: (alert.severity != "page", alert.name)))


def _features(answers: Answers) -> dict[str, set[str]] | None:
    found = answers.by("drifted", MODEL, "feature_name")
    if found is None:
        return None
    features: dict[str, set[str]] = defaultdict(set)
    for model, feature in found:
        features[model].add(feature)
    return features


def _states(answers: Answers) -> dict[str, set[str]]:
    states: dict[str, set[str]] = defaultdict(set)
    for model, state in answers.by("check_state", MODEL, "state") or {}:
        states[model].add(state)
    return states


def narrowed(rows: Iterable[FleetRow], search: str, team: str, health: str) -> list[FleetRow]:
    """The rows that match every word of `search`, the team and the health; empty matches all."""
    words = search.lower().split()
    return [
        row
        for row in rows
        if all(word in f"{row.model.name} {row.model.description}".lower() for word in words)
        and team in ("", row.model.on_call_team, row.model.applied_ml_team, row.model.data_team)
        and health in ("", row.health)
    ]


def ordered(rows: Iterable[FleetRow], sort: str) -> list[FleetRow]:
    """By health (the worst first), by name or by the last change (the newest first)."""
    if sort == "name":
        return sorted(rows, key=lambda row: row.model.name)
    if sort == "change":
        return sorted(rows, key=lambda row: (-(row.change.at.timestamp() if row.change else 0), row.model.name))
    worst_first = list(HEALTHS)
    return sorted(rows, key=lambda row: (worst_first.index(row.health), row.model.name))
