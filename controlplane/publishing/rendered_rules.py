"""The rules of a bundle, read back from its files: what changed, what clashes, whose state a change would lose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from alerts.prometheus import ALERTING, FIRING, RECORDING, RuleGroup
from controlplane.bundle import PROMETHEUS_CONFIG, RULES_FOLDER, Bundle
from telemetry import promql

DEFAULT_INTERVAL = "1m"  # Prometheus' own, where prometheus.yml names none

Key = tuple[str, str]  # path inside the bundle, name of the group


class BadRules(ValueError):
    """Files that are no rules; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class RenderedRule:
    """A rule as rendered. Durations in seconds."""

    kind: str
    name: str
    expr: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    for_seconds: int
    keep_firing_seconds: int

    @property
    def identity(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """By what Prometheus pairs a rule with its former self, and two rules clash."""
        return self.kind, self.name, tuple(sorted(self.labels.items()))


@dataclass(frozen=True, slots=True)
class RenderedGroup:
    """A group as rendered; its interval is resolved."""

    path: str
    name: str
    interval_seconds: int
    rules: tuple[RenderedRule, ...]


def groups_of(bundle: Bundle | None) -> dict[Key, RenderedGroup]:
    """Every group by its path and name; BadRules where a file does not hold rules. No bundle, no groups."""
    if bundle is None:
        return {}
    groups: dict[Key, RenderedGroup] = {}
    try:
        config = parse_yaml(bundle.text(PROMETHEUS_CONFIG)) or {}
        interval = (config.get("global") or {}).get("evaluation_interval", DEFAULT_INTERVAL)
        for path, text in bundle.folder(RULES_FOLDER).items():
            for row in (parse_yaml(text) or {}).get("groups") or ():
                group = _group(path, row, interval)
                if (path, group.name) in groups:
                    raise BadRules(f"{path}: two groups are called {group.name}.")
                groups[path, group.name] = group
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise BadRules(f"The rules can't be read: {type(error).__name__}: {error}") from error
    return groups


def parse_yaml(text: str) -> Any:
    """Mappings, lists and texts: a label `on` or `1e3` stays what was written, as Prometheus reads it."""
    return yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506  builds nothing but texts, lists and mappings


def path_of(file: str) -> str:
    """The path inside the bundle of a rule file as Prometheus names it, wherever the bundle is mounted."""
    return RULES_FOLDER + file.rpartition("/rules/")[2]


def duplicates(groups: Mapping[Key, RenderedGroup]) -> list[str]:
    """Pairs of rules with one name and one set of labels: they would overwrite, and resolve, each other."""
    first: dict[Any, Key] = {}
    found = []
    for key, group in groups.items():
        for rule in group.rules:
            other = first.setdefault(rule.identity, key)
            if other is not key or sum(r.identity == rule.identity for r in group.rules) > 1:
                found.append(
                    f"{rule.name} with the labels {dict(rule.labels)} is twice there: in group {other[1]} of {other[0]}"
                    f" and in group {key[1]} of {key[0]}. Give one of them another label."
                )
    return sorted(set(found))


def changed_groups(base: Mapping[Key, RenderedGroup], new: Mapping[Key, RenderedGroup]) -> list[Key]:
    """The groups of `new` that are not the same in `base`, sorted."""
    return sorted(key for key, group in new.items() if base.get(key) != group)


def new_expressions(
    base: Mapping[Key, RenderedGroup], new: Mapping[Key, RenderedGroup]
) -> list[tuple[RenderedGroup, RenderedRule]]:
    """The rules of `new` whose expression stands nowhere in `base`."""
    known = {rule.expr for group in base.values() for rule in group.rules}
    return [(group, rule) for _, group in sorted(new.items()) for rule in group.rules if rule.expr not in known]


def restarted_alerts(loaded: Iterable[RuleGroup], new: Mapping[Key, RenderedGroup], state: str = FIRING) -> list[str]:
    """Names of the alerts that fire (or are in `state`) now and would start anew, or end.

    That is so where `new` has no such rule in that place.
    """
    lost = set()
    for group in loaded:
        there = new.get((path_of(group.file), group.name))
        kept = {rule.identity for rule in there.rules} if there else set()
        for rule in group.rules:
            active = any(alert.state == state for alert in rule.alerts)
            if active and (rule.kind, rule.name, tuple(sorted(rule.labels.items()))) not in kept:
                lost.add(rule.name)
    return sorted(lost)


def _group(path: str, row: Mapping[str, Any], interval: str) -> RenderedGroup:
    return RenderedGroup(
        path=path,
        name=row["name"],
        interval_seconds=_seconds(path, row.get("interval") or interval),
        rules=tuple(_rule(path, rule) for rule in row.get("rules") or ()),
    )


def _rule(path: str, row: Mapping[str, Any]) -> RenderedRule:
    alert = row.get("alert")
    return RenderedRule(
        kind=ALERTING if alert else RECORDING,
        name=alert or row["record"],
        expr=row["expr"].strip(),
        labels=dict(row.get("labels") or {}),
        annotations=dict(row.get("annotations") or {}),
        for_seconds=_seconds(path, row.get("for") or "0s"),
        keep_firing_seconds=_seconds(path, row.get("keep_firing_for") or "0s"),
    )


def _seconds(path: str, text: str) -> int:
    try:
        return promql.seconds(text)
    except ValueError as error:
        raise BadRules(f"{path}: {error}") from error
