"""Where each value of an alert comes from: each policy that could state it, the one that does, what holds. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alerts.annotations import readable, readable_duration
from alerts.kind import AlertKind, Owner, Parameter
from alerts.owners import severity_of, team_of
from alerts.policies import DEFAULT, Policies, PolicyRow, widening
from models_registry.fleet import FleetModel
from telemetry.names import BASELINE_MISMATCH


class Origin(StrEnum):
    """What holds where no policy states a value."""

    CATALOGUE = "catalogue"
    ROLE = "role"  # of a team in the registry: on-call, applied ML, data
    RISK = "risk"  # the model's


ROLES = {
    Owner.ON_CALL: "the model's on-call team",
    Owner.APPLIED_ML: "the model's applied-ML team",
    Owner.DATA: "the model's data team",
    Owner.FEATURE: "the feature's team, else the model's data team",
    Owner.CHECK: "the model's data team; its applied-ML team where the baseline does not fit",
    Owner.PLATFORM: "the platform team",
}


@dataclass(frozen=True, slots=True)
class Stated:
    """What a policy says of a value; empty where it leaves it to the wider one."""

    policy: str
    words: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Sourced:
    """A value in force. `source`: the id of the policy that states it, else one of Origin.

    `stated` is of every policy that could state it, the narrowest first, whether it is stored or not; `otherwise` is
    what would hold without any.
    """

    name: str
    value: Any
    words: str
    source: str
    otherwise: str
    stated: tuple[Stated, ...]


def sourced(kind: AlertKind, model: FleetModel | None, policies: Policies, platform_team: str) -> list[Sourced]:
    """Every value of `kind` for `model` (None for a meta alert): limits, window, for, severity, team, enabled."""
    chain = _Chain(widening(kind, model), policies.holding(kind, model))
    found = [_limit(chain, parameter) for parameter in kind.parameters]
    found += [_window(chain, kind)] if kind.window else []
    found += [_for(chain, kind)] if kind.variants is None else []
    found.append(_severity(chain, kind, model))
    found.append(
        chain.value("team", lambda row: row.notify or None, _teams(kind, model, platform_team), str, Origin.ROLE)
    )
    found.append(_enabled(chain))
    return found


def left_out(kind: AlertKind, policy: PolicyRow, teams: Sequence[str], policies: Policies) -> dict[str, str]:
    """What holds where `policy` leaves a value empty, by the value's name: `0.5 s, as in team:payments`.

    `teams` are those whose policy is the next wider one: the model's, for a model's policy.
    """
    ids = [*(f"team:{team}" for team in teams), *([DEFAULT] if policy.policy_id != DEFAULT else [])]
    chain = _Chain(ids, [row for row in policies.rows if row.alert == kind.name and row.policy_id in ids])
    values = [_limit(chain, parameter) for parameter in kind.parameters] + [_window(chain, kind), _for(chain, kind)]
    return {value.name: f"{value.words}, as in {_named(value.source)}" for value in values}


def _named(source: str) -> str:
    return "the catalogue" if source == Origin.CATALOGUE else source


class _Chain:
    """The policies of an alert and model, from the narrowest to the widest."""

    def __init__(self, ids: Sequence[str], rows: Sequence[PolicyRow]) -> None:
        self.ids = ids
        self.rows = rows

    def value(
        self,
        name: str,
        read: Callable[[PolicyRow], Any],
        default: Any,
        words: Callable[[Any], str],
        origin: str = Origin.CATALOGUE,
    ) -> Sourced:
        """The first that states it holds; `read` gives None where a policy leaves it to the wider one."""
        by_id = {row.policy_id: read(row) for row in self.rows}
        source = next((p for p in self.ids if by_id.get(p) is not None), origin)
        value = by_id.get(source, default) if source != origin else default
        stated = tuple(Stated(p, "" if by_id.get(p) is None else words(by_id[p]), p == source) for p in self.ids)
        return Sourced(name, value, words(value), source, words(default), stated)


def _limit(chain: _Chain, parameter: Parameter) -> Sourced:
    return chain.value(
        parameter.name,
        lambda row: row.thresholds.get(parameter.name),
        parameter.default,
        lambda value: readable(value, parameter.unit),
    )


def _window(chain: _Chain, kind: AlertKind) -> Sourced:
    return chain.value("window", lambda row: row.window, kind.window, readable_duration)


def _for(chain: _Chain, kind: AlertKind) -> Sourced:
    return chain.value("for", lambda row: row.for_, kind.for_, readable_duration)


def _severity(chain: _Chain, kind: AlertKind, model: FleetModel | None) -> Sourced:
    own = severity_of(kind, model, "") if kind.variants is None else "page or ticket, by tier"
    by_risk = kind.high_risk_severity is not None
    return chain.value(
        "severity", lambda row: row.severity or None, own, str, Origin.RISK if by_risk else Origin.CATALOGUE
    )


def _enabled(chain: _Chain) -> Sourced:
    """Whether it is on is the narrowest policy's own affair: it is not inherited."""
    narrowest = chain.rows[0].policy_id if chain.rows else None
    return chain.value(
        "enabled", lambda row: row.enabled if row.policy_id == narrowest else None, True, lambda v: "on" if v else "off"
    )


def _teams(kind: AlertKind, model: FleetModel | None, platform_team: str) -> str:
    """Who is told, by the roles in the registry; several where it depends on the feature or the check's state."""
    if model is None or kind.owner is Owner.PLATFORM:
        return platform_team
    teams = [team_of(kind.owner, model)]
    if kind.owner is Owner.FEATURE:
        teams += [team_of(kind.owner, model, feature.name) for feature in model.features]
    if kind.owner is Owner.CHECK:
        teams.append(team_of(kind.owner, model, state=BASELINE_MISMATCH))
    return ", ".join(dict.fromkeys(teams))
