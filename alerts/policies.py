"""Which limits hold for which model: policies as frozen values, read with a fixed number of queries.

A model's policy goes before its team's, and that before the default one; what a policy leaves empty comes from the
next wider one, at last from the catalogue.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

from alerts.catalogue import KINDS
from alerts.kind import AlertKind, Plane
from alerts.models import AlertPolicy, CustomAlert, Objective
from alerts.objectives import ObjectiveRow
from models_registry.fleet import Fleet, FleetModel

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One stored policy; None and empty mean: as in the wider policy."""

    alert: str
    team: str | None = None
    model: str | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    window: int | None = None
    for_: int | None = None
    severity: str = ""
    notify: str = ""
    enabled: bool = True

    @property
    def policy_id(self) -> str:
        if self.model is not None:
            return f"model:{self.model}"
        return f"team:{self.team}" if self.team is not None else DEFAULT


@dataclass(frozen=True, slots=True)
class CustomRow:
    """One stored custom alert."""

    model: str
    name: str
    expression: str
    for_: int
    severity: str
    owner: str
    description: str
    fires_case: Mapping[str, Any]
    silent_case: Mapping[str, Any]

    @property
    def policy_id(self) -> str:
        return f"model:{self.model}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds under one policy.

    `severity` is empty where the kind decides, by the model's risk; `notify` where those are told whose role it is.
    """

    policy_id: str
    thresholds: Mapping[str, float]
    window: int
    for_: int
    severity: str
    enabled: bool
    notify: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits and the models that they hold for, by name."""

    limits: Limits
    models: tuple[FleetModel, ...]


@dataclass(frozen=True)
class Policies:
    """All stored policies, the custom alerts that are enabled, and the objectives."""

    rows: tuple[PolicyRow, ...] = ()
    custom: tuple[CustomRow, ...] = ()
    objectives: tuple[ObjectiveRow, ...] = ()

    @cached_property
    def _named(self) -> defaultdict[str, dict[str, PolicyRow]]:
        """Alert -> policy id -> row."""
        found: defaultdict[str, dict[str, PolicyRow]] = defaultdict(dict)
        for row in self.rows:
            found[row.alert][row.policy_id] = row
        return found

    def having(self, row: PolicyRow) -> Self:
        """As if `row` was stored, in place of the policy of its alert and scope."""
        return replace(self, rows=(*self.lacking(row.alert, row.policy_id).rows, row))

    def lacking(self, alert: str, policy_id: str) -> Self:
        """As if there was no such policy."""
        return replace(self, rows=tuple(r for r in self.rows if (r.alert, r.policy_id) != (alert, policy_id)))

    def limits(self, kind: AlertKind, model: FleetModel | None = None) -> Limits:
        """What holds for `model`; without one, what holds for everybody who has no policy of their own."""
        return _limits(kind, self.holding(kind, model))

    def holding(self, kind: AlertKind, model: FleetModel | None = None) -> list[PolicyRow]:
        """The policies that are stored for `model`, the narrowest first."""
        named = self._named[kind.name]
        return [named[p] for p in widening(kind, model) if p in named]

    def of(self, kind: AlertKind, fleet: Fleet) -> list[Policy]:
        """The policies in force, the default one first, each with its models; none that is off or has no model."""
        named = self._named[kind.name]
        if not kind.on_models:
            limits = _limits(kind, [named[DEFAULT]] if DEFAULT in named else [])
            return [Policy(limits, ())] if limits.enabled else []
        found: dict[str, Limits] = {}
        members: dict[str, list[FleetModel]] = {}
        for model in filter(kind.concerns, fleet.models):
            rows = self.holding(kind, model)
            policy_id = rows[0].policy_id if rows else DEFAULT
            found.setdefault(policy_id, _limits(kind, rows))
            members.setdefault(policy_id, []).append(model)
        return [
            Policy(limits, tuple(members[policy_id])) for policy_id, limits in sorted(found.items()) if limits.enabled
        ]

    def that_notify(self, fleet: Fleet) -> list[Policy]:
        """The policies in force that name a team to be told."""
        kinds = [KINDS[alert] for alert in sorted({row.alert for row in self.rows if row.notify}) if alert in KINDS]
        return [policy for kind in kinds for policy in self.of(kind, fleet) if policy.limits.notify]


def widening(kind: AlertKind, model: FleetModel | None) -> list[str]:
    """The ids of the policies that can hold for `model`, the narrowest first."""
    if model is None or not kind.on_models:
        return [DEFAULT]
    team = model.on_call_team if kind.plane is Plane.HEALTH else model.applied_ml_team
    return [f"model:{model.name}", f"team:{team}", DEFAULT]


def _limits(kind: AlertKind, rows: list[PolicyRow]) -> Limits:
    """`rows` are the policies that hold, the narrowest first."""
    thresholds = dict(kind.defaults)
    for row in reversed(rows):
        thresholds.update(row.thresholds)
    return Limits(
        policy_id=rows[0].policy_id if rows else DEFAULT,
        thresholds=thresholds,
        window=next((row.window for row in rows if row.window is not None), kind.window),
        for_=next((row.for_ for row in rows if row.for_ is not None), kind.for_),
        severity=next((row.severity for row in rows if row.severity), ""),
        enabled=rows[0].enabled if rows else True,
        notify=next((row.notify for row in rows if row.notify), ""),
    )


def load_policies() -> Policies:
    """All policies, enabled custom alerts and objectives, in three queries."""
    rows = map(policy_row, AlertPolicy.objects.select_related("team", "model", "notify"))
    custom = map(custom_row, CustomAlert.objects.filter(enabled=True).select_related("model"))
    return Policies(
        rows=tuple(sorted(rows, key=lambda r: (r.alert, r.policy_id))),
        custom=tuple(sorted(custom, key=lambda r: r.name)),
        objectives=objective_rows(),
    )


def policy_row(policy: AlertPolicy) -> PolicyRow:
    """The policy as a frozen value, whether it is stored yet or not."""
    return PolicyRow(
        alert=policy.alert,
        team=policy.team.name if policy.team else None,
        model=policy.model.name if policy.model else None,
        thresholds=dict(policy.thresholds),
        window=policy.window_seconds,
        for_=policy.for_seconds,
        severity=policy.severity,
        notify=policy.notify.name if policy.notify else "",
        enabled=policy.enabled,
    )


def custom_row(alert: CustomAlert) -> CustomRow:
    """The custom alert as a frozen value, whether it is stored yet or not."""
    return CustomRow(
        model=alert.model.name,
        name=alert.name,
        expression=alert.expression,
        for_=alert.for_seconds,
        severity=alert.severity,
        owner=alert.owner,
        description=alert.description,
        fires_case=alert.fires_case,
        silent_case=alert.silent_case,
    )


def objective_rows() -> tuple[ObjectiveRow, ...]:
    """All objectives, by model and name, in one query."""
    rows = (objective.row() for objective in Objective.objects.select_related("model"))
    return tuple(sorted(rows, key=lambda r: (r.model, r.name)))
