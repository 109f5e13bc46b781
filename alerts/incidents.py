"""Keeping incidents true: from what Alertmanager's webhook tells, and from what Prometheus says for what it missed.

Both may come twice, late, in any order or not at all. What is certain is kept: an end that was told stays told, one
alert has at most one open incident, and a list read from Prometheus settles what no message did.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from alerts.fingerprint import fingerprint
from alerts.models import Incident
from alerts.webhook_payload import MAX_LABELS, ToldAlert, clean_texts, parse_payload
from telemetry.names import FEATURE, MODEL, VERSION

# A message and a list that cross on their way contradict each other: for so long the message is believed.
GRACE = timedelta(minutes=2)
# Fires always, so that its silence wakes somebody: no incident.
ALWAYS_FIRING = "Watchdog"


class ActiveAlert(Protocol):
    """An alert as Prometheus' API lists it (alerts.prometheus.ActiveAlert)."""

    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def annotations(self) -> Mapping[str, str]: ...
    @property
    def state(self) -> str: ...
    @property
    def active_at(self) -> datetime: ...


def record_webhook(payload: dict[str, Any]) -> int:
    """Keep what a webhook payload tells; how many incidents it opened or closed (0 for a repeated delivery).

    Raises BadPayload, having kept nothing, where the payload is not understood.
    """
    now = timezone.now()
    told = (alert for alert in parse_payload(payload) if alert.labels["alertname"] != ALWAYS_FIRING)
    return sum(_record(alert, now) for alert in told)


def record_prometheus_alerts(active: Sequence[ActiveAlert], now: datetime | None = None) -> int:
    """Open what fires untold, close what ended untold; how many of both. `active` is the whole present list."""
    now = now or timezone.now()
    # Deduplicated by fingerprint; the longest active is the one that Alertmanager keeps too.
    firing: dict[str, ActiveAlert] = {}
    for alert in sorted(active, key=lambda a: a.active_at, reverse=True):
        if alert.state == "firing" and alert.labels.get("alertname") != ALWAYS_FIRING:
            firing[fingerprint(alert.labels)] = alert
    open_rows = dict(Incident.objects.filter(ends_at__isnull=True).values_list("fingerprint", "pk"))
    seen = [pk for name, pk in open_rows.items() if name in firing]
    Incident.objects.filter(pk__in=seen).update(last_seen_at=now)
    opened = sum(_open_unseen(name, alert, now) for name, alert in firing.items() if name not in open_rows)
    ended = [pk for name, pk in open_rows.items() if name not in firing]
    return opened + _ours(ended).filter(ends_at__isnull=True, last_seen_at__lt=now - GRACE).update(ends_at=now)


def _ours(keys: list[int]) -> QuerySet[Incident]:
    """Without the alerts of somebody else's Prometheus behind the same Alertmanager: ours carry a plane."""
    return Incident.objects.filter(pk__in=keys).exclude(plane="")


def _open_unseen(name: str, alert: ActiveAlert, now: datetime) -> bool:
    labels, annotations = _bounded(alert.labels), _bounded(alert.annotations)
    latest = Incident.objects.filter(fingerprint=name).order_by("-starts_at").first()
    if latest is not None and latest.ends_at is not None and latest.ends_at >= alert.active_at:
        # It has held since before the end that we know. Either the end was told while this list was read, or it
        # was not the end: after the grace Prometheus is right.
        late = latest.ends_at < now - GRACE
        return late and bool(
            Incident.objects.filter(pk=latest.pk, ends_at=latest.ends_at).update(ends_at=None, last_seen_at=now)
        )
    told = ToldAlert(labels, annotations, alert.active_at, None, name)
    try:
        with transaction.atomic():
            _create(told, now, Incident.Source.PROMETHEUS, None)
    except IntegrityError:
        return False  # the webhook was quicker
    return True


def _bounded(texts: Mapping[str, str]) -> dict[str, str]:
    """As many as are kept. Prometheus is not refused: one odd alert must not hide the others."""
    return clean_texts(dict(sorted(texts.items())[:MAX_LABELS]), "labels")


def _record(told: ToldAlert, now: datetime) -> bool:
    """Whether it opened or closed an incident. A second try finds what a simultaneous delivery wrote."""
    try:
        with transaction.atomic():
            return _record_once(told, now)
    except IntegrityError:
        with transaction.atomic():
            return _record_once(told, now)


def _record_once(told: ToldAlert, now: datetime) -> bool:
    row = _known(told)
    if row is not None:
        return _refresh(row, told, now)
    same_alert = Incident.objects.filter(fingerprint=told.fingerprint)
    later = same_alert.filter(starts_at__gt=told.starts_at).order_by("starts_at").first()
    # A new start says that the earlier firing is over; an unknown start older than a known one comes late.
    same_alert.filter(starts_at__lt=told.starts_at, ends_at__isnull=True).update(ends_at=told.starts_at)
    ends_at = told.ends_at or (later.starts_at if later else None)
    _create(told, now, Incident.Source.WEBHOOK, ends_at)
    return True


def _known(told: ToldAlert) -> Incident | None:
    """The incident that is told of. Prometheus' list knows since when the condition held, not since when it fired."""
    same_alert = Incident.objects.filter(fingerprint=told.fingerprint)
    exact = same_alert.filter(starts_at=told.starts_at).first()
    if exact is not None:
        return exact
    earlier = same_alert.filter(starts_at__lt=told.starts_at, source=Incident.Source.PROMETHEUS)
    row = earlier.order_by("-starts_at").first()
    if row is None or (row.ends_at is not None and row.ends_at < told.starts_at):
        return None
    row.starts_at, row.source = told.starts_at, Incident.Source.WEBHOOK
    return row


def _refresh(row: Incident, told: ToldAlert, now: datetime) -> bool:
    closes = row.ends_at is None and told.ends_at is not None
    if row.ends_at is None:
        row.annotations = told.annotations
    if told.ends_at is not None:
        row.ends_at = told.ends_at
    row.last_seen_at = now
    row.save(update_fields=["starts_at", "ends_at", "annotations", "source", "last_seen_at"])
    return closes


def _create(told: ToldAlert, now: datetime, source: str, ends_at: datetime | None) -> None:
    labels = told.labels

    def label(name: str, length: int) -> str:
        return labels.get(name, "")[:length]

    Incident.objects.create(
        fingerprint=told.fingerprint,
        starts_at=told.starts_at,
        ends_at=ends_at,
        alert=label("alertname", 200),
        severity=label("severity", 40),
        team=label("team", 63),
        plane=label("plane", 20),
        model_name=label(MODEL, 63),
        model_version=label(VERSION, 64),
        feature_name=label(FEATURE, 128),
        labels=labels,
        annotations=told.annotations,
        source=source,
        first_seen_at=now,
        last_seen_at=now,
    )
