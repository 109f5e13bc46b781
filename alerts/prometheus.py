"""Prometheus' HTTP API, as much of it as Plumbline needs; answers as frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from alerts.http import HttpClient, Refused, decoded

ALERTING = "alerting"
RECORDING = "recording"
# The states of an alert.
FIRING, PENDING = "firing", "pending"


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector (or a scalar, without labels). `at` in seconds since the epoch."""

    labels: dict[str, str]
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class Series:
    """One element of a range: (seconds since the epoch, value), oldest first."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An alert that Prometheus holds: `state` is pending or firing; `active_at` is when its condition began to hold."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str
    active_at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """A rule as loaded. Durations in seconds; `health` is ok, err or unknown (not evaluated since it was loaded).

    `evaluation_seconds`: what its last evaluation took.
    """

    kind: str
    name: str
    query: str
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    for_seconds: float = 0.0
    keep_firing_seconds: float = 0.0
    health: str = "unknown"
    last_error: str = ""
    last_evaluation: datetime | None = None
    alerts: tuple[ActiveAlert, ...] = ()
    evaluation_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """A loaded group; `file` as Prometheus names it. `last_evaluation` survives a reload, the rules' own does not."""

    name: str
    file: str
    interval_seconds: float
    rules: tuple[LoadedRule, ...]
    last_evaluation: datetime | None = None


@dataclass(frozen=True, slots=True)
class Runtime:
    """How the last reload went; `loaded_at` is when a configuration was last taken over, in whole seconds.

    `retention` says how long samples are kept, as Prometheus writes it: `15d`, `15d or 10GiB`, `10GiB`.
    """

    reload_succeeded: bool
    loaded_at: datetime
    retention: str = ""


class Prometheus(HttpClient):
    """One Prometheus. Every method raises Unreachable or Refused (alerts.http)."""

    def query(self, expr: str, at: float | None = None) -> list[Sample]:
        """`expr` now, or `at` seconds since the epoch; a scalar comes as one sample without labels."""
        parameters = {"query": expr, "timeout": self._query_timeout()} | ({} if at is None else {"time": repr(at)})
        # POST: an expression over a large fleet is longer than an address may be.
        answer = self._api("POST", "/api/v1/query", parameters)
        if answer["resultType"] == "scalar":
            at_, value = answer["result"]
            return [Sample({}, float(value), float(at_))]
        if answer["resultType"] != "vector":
            raise Refused(f"{expr} is a {answer['resultType']}, not an instant vector.")
        return [Sample(row["metric"], float(row["value"][1]), float(row["value"][0])) for row in answer["result"]]

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """`expr` from `start` to `end` (seconds since the epoch) every `step` seconds."""
        parameters = {"query": expr, "start": repr(start), "end": repr(end), "step": repr(step)}
        answer = self._api("POST", "/api/v1/query_range", parameters | {"timeout": self._query_timeout()})
        return [
            Series(row["metric"], tuple((float(at), float(value)) for at, value in row["values"]))
            for row in answer["result"]
        ]

    def label_values(self, label: str, selector: str, start: float, end: float) -> list[str]:
        """The values of `label` on the series of `selector` that the index knows of between `start` and `end`.

        The index goes by blocks of some hours, so that what ended shortly before `start` may be among them.
        """
        query = urlencode({"match[]": selector, "start": repr(start), "end": repr(end)})
        return [str(value) for value in self._api("GET", f"/api/v1/label/{label}/values?{query}")]

    def rules(self) -> list[RuleGroup]:
        """Every loaded group."""
        return [_group(group) for group in self._api("GET", "/api/v1/rules")["groups"]]

    def alerting_rules(self) -> list[RuleGroup]:
        """Every loaded group with its alerting rules alone."""
        return [_group(group) for group in self._api("GET", "/api/v1/rules?type=alert")["groups"]]

    def alerts(self) -> list[ActiveAlert]:
        """What is pending or firing."""
        return [_alert(alert) for alert in self._api("GET", "/api/v1/alerts")["alerts"]]

    def config_text(self) -> str:
        """The loaded configuration as YAML, with its defaults filled in and its secrets blotted out."""
        return str(self._api("GET", "/api/v1/status/config")["yaml"])

    def runtime(self) -> Runtime:
        """How the last reload went, and how long samples are kept."""
        answer = self._api("GET", "/api/v1/status/runtimeinfo")
        loaded_at = parse_time(answer["lastConfigTime"])
        return Runtime(
            bool(answer["reloadConfigSuccess"]),
            loaded_at or datetime.fromtimestamp(0, UTC),
            str(answer.get("storageRetention", "")),
        )

    def format_query(self, expr: str) -> str:
        """`expr` as Prometheus itself writes it: equal texts, equal expressions."""
        return str(self._api("POST", "/api/v1/format_query", {"query": expr}))

    def reload(self, timeout: float | None = None) -> None:
        """Read the configuration again; answered when all of it is loaded, which takes long where there is much.

        Refused: the old one stays loaded, and the answer does not say why. Unreachable: it may be loading still.
        """
        self.text("POST", "/-/reload", timeout)

    def _query_timeout(self) -> str:
        # Shorter than ours: a query that takes too long is then refused by name, not taken for a dead server.
        return f"{self.timeout * 0.8:.3f}"

    def _api(self, method: str, path: str, data: Mapping[str, str] | None = None) -> Any:
        response = self.request(method, path, data=data)
        body = decoded(response, self.url)
        if body.get("status") != "success":
            raise Refused(str(body.get("error", f"{path}: {response.status_code}")), int(response.status_code))
        return body["data"]


def parse_time(text: str) -> datetime | None:
    """RFC 3339, to the microsecond; None for Go's zero time, which means never."""
    at = datetime.fromisoformat(text)
    return None if at.year == 1 else at.astimezone(UTC)


def _group(row: Mapping[str, Any]) -> RuleGroup:
    return RuleGroup(
        name=row["name"],
        file=row["file"],
        interval_seconds=float(row["interval"]),
        rules=tuple(_rule(rule) for rule in row["rules"]),
        last_evaluation=parse_time(row["lastEvaluation"]),
    )


def _rule(row: Mapping[str, Any]) -> LoadedRule:
    return LoadedRule(
        kind=row["type"],
        name=row["name"],
        query=row["query"],
        labels=row.get("labels") or {},
        annotations=row.get("annotations") or {},
        for_seconds=float(row.get("duration", 0)),
        keep_firing_seconds=float(row.get("keepFiringFor", 0)),
        health=row["health"],
        last_error=row.get("lastError", ""),
        last_evaluation=parse_time(row["lastEvaluation"]),
        alerts=tuple(_alert(alert) for alert in row.get("alerts") or ()),
        evaluation_seconds=float(row.get("evaluationTime", 0)),
    )


def _alert(row: Mapping[str, Any]) -> ActiveAlert:
    active_at = parse_time(row["activeAt"])
    if active_at is None:
        raise Refused(f"an alert without a time: {row['labels']}")
    return ActiveAlert(row["labels"], row.get("annotations") or {}, row["state"], active_at, float(row["value"]))
