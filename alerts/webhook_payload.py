"""What Alertmanager's webhook tells, read with distrust: its shape is checked, its size bounded, its text cleaned."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MAX_BYTES = 2_000_000
MAX_ALERTS = 2_000
MAX_LABELS = 64
MAX_TEXT = 2_000
FIRING, RESOLVED = "firing", "resolved"


class BadPayload(ValueError):
    """What was posted is not Alertmanager's webhook, version 4; the message names the field."""


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """One alert as it was told. `ends_at` is None while it fires."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None
    fingerprint: str


def parse_body(body: bytes) -> dict[str, Any]:
    """The posted JSON object."""
    if len(body) > MAX_BYTES:
        raise BadPayload(f"The body has {len(body):,} bytes; at most {MAX_BYTES:,} are read: set max_alerts.")
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadPayload(f"The body is not JSON: {error}.") from error
    if not isinstance(payload, dict):
        raise BadPayload("The body is not a JSON object.")
    return payload


def parse_payload(payload: dict[str, Any]) -> list[ToldAlert]:
    """The alerts of a webhook payload; all or nothing, so that a bad one is seen in Alertmanager's log."""
    if payload.get("version") != "4":
        raise BadPayload(
            f"version is {payload.get('version')!r}: only Alertmanager's webhook version '4' is understood."
        )
    alerts = payload.get("alerts")
    if not isinstance(alerts, list):
        raise BadPayload("alerts is not a list.")
    if len(alerts) > MAX_ALERTS:
        raise BadPayload(f"alerts has {len(alerts)} entries; at most {MAX_ALERTS} are read: set max_alerts.")
    return [_alert(alert, f"alerts[{index}]") for index, alert in enumerate(alerts)]


def _alert(alert: Any, where: str) -> ToldAlert:
    if not isinstance(alert, dict):
        raise BadPayload(f"{where} is not an object.")
    status = alert.get("status")
    if status not in (FIRING, RESOLVED):
        raise BadPayload(f"{where}.status is {status!r}, neither {FIRING!r} nor {RESOLVED!r}.")
    labels = clean_texts(alert.get("labels"), f"{where}.labels")
    if not labels.get("alertname"):
        raise BadPayload(f"{where}.labels.alertname is missing.")
    fingerprint = alert.get("fingerprint")
    if not isinstance(fingerprint, str) or len(fingerprint) != 16 or not set(fingerprint) <= set("0123456789abcdef"):
        raise BadPayload(f"{where}.fingerprint is {fingerprint!r}, not 16 hexadecimal digits.")
    starts_at = _time(alert.get("startsAt"), f"{where}.startsAt")
    ends_at = None
    if status == RESOLVED:
        # An end before its start is a clock that was set back: the incident is over all the same.
        ends_at = max(_time(alert.get("endsAt"), f"{where}.endsAt"), starts_at)
    return ToldAlert(
        labels, clean_texts(alert.get("annotations") or {}, f"{where}.annotations"), starts_at, ends_at, fingerprint
    )


def clean_texts(value: Any, where: str) -> dict[str, str]:
    """Labels or annotations: a bounded number of bounded texts. NUL, which PostgreSQL refuses, is replaced."""
    if not isinstance(value, dict) or len(value) > MAX_LABELS:
        raise BadPayload(f"{where} is not an object with at most {MAX_LABELS} entries.")
    texts = {}
    for name, text in value.items():
        if not isinstance(text, str):
            raise BadPayload(f"{where}.{name[:100]} is not a text.")
        texts[_clean(name)] = _clean(text)
    return texts


def _clean(text: str) -> str:
    # Lone surrogates are JSON, but no UTF-8: they can't be stored.
    text = text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _time(value: Any, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise BadPayload(f"{where} is {value!r}, not a time such as 2026-01-31T12:00:00Z.") from error
    if moment.tzinfo is None:
        raise BadPayload(f"{where} is {value!r}: it lacks its offset from UTC, such as Z.")
    return moment.astimezone(UTC)
