"""Rendered rules as tests read them."""

from dataclasses import dataclass
from typing import Any

import yaml

RULES = "prometheus/rules/"


@dataclass(frozen=True)
class Rule:
    """A rule with its place: what Prometheus keeps its identity by."""

    path: str
    group: str
    position: int
    body: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.body.get("alert") or self.body["record"])

    @property
    def identity(self) -> tuple[Any, ...]:
        labels = tuple(sorted(self.body.get("labels", {}).items()))
        return self.path, self.group, self.position, self.name, labels


def rules(files: dict[str, str]) -> list[Rule]:
    """Every rule of the rule files."""
    return [
        Rule(path, group["name"], position, body)
        for path, text in sorted(files.items())
        if path.startswith(RULES)
        for group in yaml.safe_load(text)["groups"]
        for position, body in enumerate(group["rules"])
    ]


def alerts(files: dict[str, str], name: str = "") -> list[Rule]:
    """The alerting rules, or those of one alert."""
    return [rule for rule in rules(files) if "alert" in rule.body and name in ("", rule.name)]


def recorded(files: dict[str, str]) -> dict[str, str]:
    """Recorded series -> expression."""
    return {rule.name: rule.body["expr"] for rule in rules(files) if "record" in rule.body}
