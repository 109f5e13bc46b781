"""What an edit does to the alerts that fire or are pending: which start anew, end, or keep their state. Pure.

Prometheus knows an alert again after a reload where the rule has the same place (file, group, name and labels of its
own) and the alert the same labels: among them the team and severity that the rule's expression puts on its series.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.kinds.error_budget_burn import BurnKind
from alerts.owners import SEVERITY, TEAM, severity_of, team_of
from alerts.rule import AlertRule
from models_registry.fleet import Fleet, FleetModel
from telemetry.names import FEATURE, MODEL, OBJECTIVE, ROUTE, STATE

# What a rule's expression decides, beside what it measures.
_PUT_ON = (TEAM, SEVERITY)
ALERT = "alertname"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """By what Prometheus knows an alert again: the rule's path in the bundle, group and labels, and what it puts on."""

    path: str
    group: str
    rule_labels: tuple[tuple[str, str], ...]
    put_on: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert whose condition holds since `since`; `path` and `group` are its rule's.

    `pending`: it waits for its rule's `for`, and nobody was told of it yet. Otherwise it fires.
    """

    labels: Labels
    since: datetime
    path: str
    group: str
    rule_labels: Labels
    pending: bool = False

    @property
    def name(self) -> str:
        """What the alert is called; empty where its labels don't say."""
        return self.labels.get(ALERT, "")

    @property
    def place(self) -> Place:
        own = {name: self.labels[name] for name in _PUT_ON if name in self.labels and name not in self.rule_labels}
        return Place(self.path, self.group, _sorted(self.rule_labels), _sorted(own))


@dataclass(frozen=True, slots=True)
class Effect:
    """What an edit does. `models`: those whose rule says something else, or is another one, from then on.

    `restarts` resolve and start anew, as another alert; `ends` resolve, since no rule is there for them any more;
    `keeps` keep their state, though their rule says something else. Of pending ones: their `for` begins anew, they are
    dropped, they go on waiting. `lingers`: so many seconds (`keep_firing_for`) a rule that is still there goes on
    telling of a firing alert that left it, beside the new one.
    """

    models: tuple[str, ...]
    restarts: tuple[Firing, ...] = ()
    ends: tuple[Firing, ...] = ()
    keeps: tuple[Firing, ...] = ()
    lingers: int = 0


def effect(
    before: Sequence[AlertRule],
    after: Sequence[AlertRule],
    firing: Iterable[Firing],
    fleet: Fleet,
    fleet_after: Fleet | None = None,
) -> Effect:
    """What replacing the rules `before` by `after` does to `firing`. Both are all the rules of one alert.

    `fleet_after`: what `after` was made for, where the models are edited, too.
    """
    before_by, after_by = _by_model(before), _by_model(after)
    old, new = _said(before_by), _said(after_by)
    concerned = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    found: dict[str, list[Firing]] = {"restarts": [], "ends": [], "keeps": []}
    for each in sorted(firing, key=lambda f: (f.since, sorted(f.labels.items()))):
        name = each.labels.get(MODEL, "")
        was = _place(before_by, each.labels, fleet.by_name.get(name))
        will_be = _place(after_by, each.labels, (fleet_after or fleet).by_name.get(name))
        if will_be is None:
            if was is not None:
                found["ends"].append(each)
        elif will_be not in (was, each.place):
            found["restarts"].append(each)
        elif name in concerned:
            found["keeps"].append(each)
    left = {each.place.group for each in (*found["restarts"], *found["ends"]) if not each.pending}
    still = {(rule.group, _sorted(rule.labels)) for rule in after}
    lingers = [r.keep_firing for r in before if r.group in left and (r.group, _sorted(r.labels)) in still]
    held = {name: tuple(each) for name, each in found.items()}
    return Effect(tuple(sorted(concerned - {""})), **held, lingers=max(lingers, default=0))


def merged(effects: Iterable[Effect]) -> Effect:
    """The effects of one edit on several alerts."""
    held = list(effects)
    return Effect(
        models=tuple(sorted({name for each in held for name in each.models})),
        restarts=tuple(firing for each in held for firing in each.restarts),
        ends=tuple(firing for each in held for firing in each.ends),
        keeps=tuple(firing for each in held for firing in each.keeps),
        lingers=max((each.lingers for each in held), default=0),
    )


def _said(rules: Mapping[str, Sequence[AlertRule]]) -> dict[str, list[Any]]:
    """Model -> all that its rules say of it, and which they are."""
    return {name: [_content(rule, name) for rule in held] for name, held in rules.items()}


def _content(rule: AlertRule, model: str) -> tuple[Any, ...]:
    same = (rule.group, rule.for_, rule.labels, rule.notify)
    scope = rule.scope
    if scope is None:
        return (*same, rule.expression, rule.custom and rule.custom.owner)
    objectives = [o for o in rule.kind.objectives if o.model == model] if isinstance(rule.kind, BurnKind) else []
    return (*same, scope.thresholds, scope.window, objectives)


def _by_model(rules: Iterable[AlertRule]) -> dict[str, list[AlertRule]]:
    """The rules by the models that they are about; of those about none, by the empty name."""
    found: dict[str, list[AlertRule]] = {}
    for rule in rules:
        if rule.custom is not None:
            names = [rule.custom.model]
        else:
            names = [model.name for model in rule.scope.models] if rule.scope is not None else []
        for name in names or [""]:
            found.setdefault(name, []).append(rule)
    return found


def _place(rules: Mapping[str, Sequence[AlertRule]], labels: Labels, model: FleetModel | None) -> Place | None:
    """Where an alert with `labels` comes from under `rules`; None where no rule is there for it."""
    for rule in rules.get(labels.get(MODEL, ""), ()):
        if _is_variant(rule, labels):
            own = _put_on(rule, labels, model) if model is not None else {}
            return Place(rule.file, rule.group, _sorted(rule.labels), _sorted(own))
    return None


def _is_variant(rule: AlertRule, labels: Labels) -> bool:
    """Where an alert has several rules for a model, whether it is this one."""
    if not isinstance(rule.kind, BurnKind):
        return True
    objective = (labels.get(MODEL, ""), labels.get(OBJECTIVE, ""), labels.get(ROUTE, ""))
    return objective in {(o.model, o.name, o.route) for o in rule.kind.objectives} and all(
        labels.get(label) == value for label, value in rule.kind.variant_labels.items()
    )


def _put_on(rule: AlertRule, labels: Labels, model: FleetModel) -> dict[str, str]:
    if rule.kind is None:
        found = {TEAM: team_of(rule.custom.owner, model)} if rule.custom is not None else {}
    else:
        team = rule.notify or team_of(rule.kind.owner, model, labels.get(FEATURE, ""), labels.get(STATE, ""))
        found = {TEAM: team, SEVERITY: severity_of(rule.kind, model, "")}
    return {name: value for name, value in found.items() if name not in rule.labels}


def _sorted(labels: Labels) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))
