"""Alertmanager's HTTP API, as much of it as Plumbline needs."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.http import LARGEST_MESSAGE, HttpClient, Refused, decoded
from alerts.matchers import Matcher
from alerts.prometheus import parse_time

_CONFIG_HASH = re.compile(r"^alertmanager_config_hash (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Status:
    """`config` is the loaded configuration with its defaults filled in and its secrets blotted out."""

    version: str
    config: str


@dataclass(frozen=True, slots=True)
class HeldAlert:
    """An alert that Alertmanager holds: `state` is unprocessed, active or suppressed (silenced or inhibited)."""

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    state: str
    receivers: tuple[str, ...]
    silenced_by: tuple[str, ...]
    inhibited_by: tuple[str, ...]
    starts_at: datetime | None


@dataclass(frozen=True, slots=True)
class HeldSilence:
    """A silence that holds, or will hold from `starts_at` on. Author and comment are as they were typed."""

    identity: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    author: str
    comment: str

    def value_of(self, label: str) -> str:
        """The one value of `label` that it is about; empty where it is about several or any."""
        return next((m.value for m in self.matchers if (m.label, m.operator) == (label, "=")), "")

    @property
    def told(self) -> str:
        """What it silences, in words: the alert first, values alone where each label has one."""
        ordered = sorted(self.matchers, key=lambda m: (m.label != "alertname", m.label))
        if all(m.operator == "=" for m in ordered):
            return " ".join(m.value for m in ordered)
        return " and ".join(str(m) for m in ordered)


class Alertmanager(HttpClient):
    """One Alertmanager. Every method raises Unreachable or Refused (alerts.http)."""

    def status(self) -> Status:
        """Its version and what it has loaded."""
        answer = self._api("GET", "/api/v2/status")
        return Status(answer["versionInfo"]["version"], answer["config"]["original"])

    def config_hash(self) -> int:
        """What `config_hash_of` gives for the very text that it has loaded.

        The status API shows a text with defaults filled in, in a form that differs between versions; the metric is
        made of the bytes of the file, so it is the one stamp that proves which file is loaded.
        """
        found = _CONFIG_HASH.search(self.text("GET", "/metrics"))
        if found is None:
            raise Refused(f"{self.url}/metrics has no alertmanager_config_hash: is this an Alertmanager?")
        return int(float(found[1]))

    def alerts(self) -> list[HeldAlert]:
        """What it holds, silenced and inhibited alerts included."""
        return [_alert(row) for row in self._api("GET", "/api/v2/alerts")]

    def receivers(self) -> list[str]:
        """The names of the loaded receivers."""
        return [str(row["name"]) for row in self._api("GET", "/api/v2/receivers")]

    def silences(self) -> list[HeldSilence]:
        """The silences that have not ended."""
        rows = self._api("GET", "/api/v2/silences")
        return [_silence(row) for row in rows if row["status"]["state"] != "expired"]

    def create_silence(
        self, matchers: Mapping[str, str], *, starts_at: datetime, ends_at: datetime, author: str, comment: str
    ) -> str:
        """Silence what has exactly these label values; the silence's id."""
        if not matchers:
            raise ValueError("A silence without matchers would silence everything: name at least one label.")
        body = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in matchers.items()
            ],
            "startsAt": starts_at.isoformat(),
            "endsAt": ends_at.isoformat(),
            "createdBy": author,
            "comment": comment,
        }
        return str(self._api("POST", "/api/v2/silences", body)["silenceID"])

    def expire_silence(self, silence: str) -> None:
        """End the silence with this id."""
        if not re.fullmatch(r"[0-9a-f-]{1,64}", silence):
            raise ValueError(f"{silence!r} is not the id of a silence.")
        self.text("DELETE", f"/api/v2/silence/{silence}")

    def reload(self, timeout: float | None = None) -> None:
        """Read the configuration again. Refused (with the reason): the old one stays loaded."""
        self.text("POST", "/-/reload", timeout)

    def _api(self, method: str, path: str, json: Any = None) -> Any:
        response = self.request(method, path, json=json)
        if not response.ok:
            raise Refused(response.text[:LARGEST_MESSAGE].strip(), int(response.status_code))
        return decoded(response, self.url)


def who_answers(urls: Sequence[str], timeout: float) -> Alertmanager:
    """The first that is ready; where none is, the first one, which then says why. A pair shares its silences."""
    servers = [Alertmanager(url, timeout) for url in urls]
    if len(servers) == 1:
        return servers[0]
    return next((server for server in servers if server.ready()), servers[0])


def config_hash_of(text: str) -> int:
    """The value of alertmanager_config_hash once `text` is loaded.

    The first 48 bits of the MD5 of the file, little-endian (md5HashAsMetricValue in Alertmanager's
    config/coordinator.go); 48, so that a float holds them exactly.
    """
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:6], "little")


def _silence(row: Mapping[str, Any]) -> HeldSilence:
    starts_at, ends_at = parse_time(row["startsAt"]), parse_time(row["endsAt"])
    if starts_at is None or ends_at is None:
        raise Refused(f"The silence {row['id']} has no beginning or no end.")
    return HeldSilence(
        identity=row["id"],
        matchers=tuple(_matcher(matcher) for matcher in row["matchers"]),
        starts_at=starts_at,
        ends_at=ends_at,
        author=row["createdBy"],
        comment=row["comment"],
    )


def _matcher(row: Mapping[str, Any]) -> Matcher:
    operator = ("=" if row.get("isEqual", True) else "!") + ("~" if row["isRegex"] else "")
    return Matcher(row["name"], "!=" if operator == "!" else operator, row["value"])


def _alert(row: Mapping[str, Any]) -> HeldAlert:
    return HeldAlert(
        fingerprint=row["fingerprint"],
        labels=row["labels"],
        annotations=row["annotations"],
        state=row["status"]["state"],
        receivers=tuple(receiver["name"] for receiver in row["receivers"]),
        silenced_by=tuple(row["status"]["silencedBy"]),
        inhibited_by=tuple(row["status"]["inhibitedBy"]),
        starts_at=parse_time(row["startsAt"]),
    )
