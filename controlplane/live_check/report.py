"""What was found of a release's groups, as it is stored, and as pages and the API tell it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from alerts.live_lint.findings import Finding, Severity
from alerts.live_lint.looking import Looked
from alerts.prometheus import LoadedRule
from controlplane.publishing.rendered_rules import Key

# Of one group, so that a row stays small however much is wrong.
MOST_FINDINGS = 100
# On a page.
MOST_SHOWN = 200

Stored = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Told:
    """A finding, and the rules that it holds for: many read the same series."""

    severity: str
    text: str
    asked: str
    remedy: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule: how many of it fire and are pending, and what it would have done. None: not known.

    `reads`: whether it reads any series; one that doesn't has no past to look at. `at`: when it was looked at.
    """

    rule: str
    group: str
    firing: int
    pending: int
    firings: Mapping[str, Any] | None
    reads: bool
    at: datetime

    @property
    def policy(self) -> str:
        """The rest of the group's name: the policy, and the variant where there is one."""
        return self.group.removeprefix(f"{self.rule}:")

    @property
    def quiet(self) -> bool:
        return not self.firing and not self.pending and self.firings is not None and not self.firings["times"]


@dataclass(frozen=True, slots=True)
class Report:
    """All of a check, the worst first."""

    findings: tuple[Told, ...] = ()
    left_out: int = 0
    alerts: tuple[Alert, ...] = ()

    def of(self, severity: str) -> list[Told]:
        return [each for each in self.findings if each.severity == severity]

    @property
    def by_severity(self) -> list[tuple[str, list[Told]]]:
        return [(each.value, self.of(each.value)) for each in Severity if self.of(each.value)]

    @property
    def loud(self) -> list[Alert]:
        return [each for each in self.alerts if not each.quiet]

    @property
    def quiet(self) -> list[Alert]:
        return [each for each in self.alerts if each.quiet]


def place(key: Key) -> str:
    """The group's name in what is stored."""
    return f"{key[0]} {key[1]}"


def key_of(stored: str) -> Key:
    """The way back. No path of ours has a space."""
    path, _, name = stored.partition(" ")
    return path, name


def group_report(looked: Iterable[Looked], loaded: Iterable[LoadedRule], now: datetime) -> dict[str, Any]:
    """Of one group, for its row. `loaded`: the same rules, in the same order, as Prometheus has them `now`."""
    alerts, findings = [], []
    for each, there in zip(looked, loaded, strict=True):
        findings += [asdict(finding) | {"rule": each.rule.name} for finding in each.findings]
        if not each.rule.origin.recording:
            states = Counter(alert.state for alert in there.alerts)
            alerts.append(
                {
                    "rule": each.rule.name,
                    "firing": states["firing"],
                    "pending": states["pending"],
                    "firings": _firings(each),
                    "reads": each.reads,
                    "at": now.isoformat(timespec="seconds"),
                }
            )
    return _cut(alerts, findings)


def unknown_report(finding: Finding, rules: Iterable[str]) -> dict[str, Any]:
    """Of a group that nothing could be told of."""
    return _cut([], [asdict(finding) | {"rule": rule} for rule in rules])


def unsettled(found: Stored) -> list[Key]:
    """The groups that are worth another look: something of them is wrong, odd, or isn't known."""
    return [
        key_of(name)
        for name, group in found.items()
        if any(finding["severity"] != Severity.NOTE for finding in group["findings"])
    ]


def report_of(found: Stored) -> Report:
    """All groups together: equal findings once, with their rules."""
    order = list(Severity)
    rules: dict[tuple[str, str, str, str], list[str]] = {}
    alerts = []
    for name, group in sorted(found.items()):
        for each in group["findings"]:
            told = rules.setdefault((each["severity"], each["text"], each["asked"], each["remedy"]), [])
            if each["rule"] not in told:
                told.append(each["rule"])
        group_name = key_of(name)[1]
        alerts += [Alert(group=group_name, **row | {"at": datetime.fromisoformat(row["at"])}) for row in group["rules"]]
    findings = [Told(*what, tuple(held)) for what, held in rules.items()]
    findings.sort(key=lambda each: (order.index(Severity(each.severity)), -len(each.rules), each.text))
    left_out = sum(group.get("left_out", 0) for group in found.values()) + max(0, len(findings) - MOST_SHOWN)
    alerts.sort(key=lambda each: (-each.firing, -each.pending, -(each.firings or {}).get("times", 0), each.group))
    return Report(tuple(findings[:MOST_SHOWN]), left_out, tuple(alerts))


def _firings(looked: Looked) -> dict[str, Any] | None:
    return None if looked.firings is None else asdict(looked.firings) | {"seen": looked.firings.seen}


def _cut(alerts: list[dict[str, Any]], findings: list[dict[str, Any]]) -> dict[str, Any]:
    left_out = max(0, len(findings) - MOST_FINDINGS)
    return {"rules": alerts, "findings": findings[:MOST_FINDINGS], "left_out": left_out}
