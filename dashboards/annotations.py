"""Delivering changes to Grafana: each change ends as exactly one annotation, whatever fails on the way.

1. Every change without a delivery gets one.
2. A due delivery is claimed by a conditional update that raises its attempts, so that one worker alone posts it.
3. From the second attempt on, Grafana is asked for the change's own tag first: the last attempt may have been stored
   though we never heard of it.
4. The outcome is written only by the attempt that is still the latest.
5. A delivery that took more than one attempt is looked at again a while later: a request that was thought lost may have
   landed after all, and all but one are deleted then.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from dashboards.grafana import Annotation, Denied, Grafana, GrafanaError, Refused
from dashboards.models import AnnotationDelivery
from models_registry.models import Change

logger = logging.getLogger(__name__)

State = AnnotationDelivery.State
# A claim holds this long: longer than a look-up and a post can take together.
LEASE = timedelta(seconds=60)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
# A request that a proxy still holds after this is not expected to land any more.
RECHECK_AFTER = timedelta(minutes=5)
DERIVE_BATCH = 500
# Seconds for one pass: a slow Grafana must not hold up who called. The rest goes with the next one.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one pass did: annotations `sent` and `failed` in it, and how many are `waiting` after it."""

    sent: int = 0
    waiting: int = 0
    failed: int = 0


def is_configured() -> bool:
    """Whether there is a Grafana to write to; without one, deliveries wait and are shown as waiting."""
    return bool(settings.GRAFANA_URL and settings.GRAFANA_TOKEN)


def deliver_pending(limit: int = 50, now: datetime | None = None) -> Delivered:
    """Bring up to `limit` changes into Grafana, as many as PATIENCE lets. Not for use inside a transaction.

    A failing Grafana ends the pass: what is wrong for one annotation is wrong for the next as well.
    """
    now = now or timezone.now()
    _derive(now)
    sent = failed = 0
    until = time.monotonic() + PATIENCE
    if is_configured():
        grafana = Grafana(settings.GRAFANA_URL, settings.GRAFANA_TOKEN)
        for delivery in _due(now, limit):
            if time.monotonic() > until:
                break
            if not _claim(delivery, now):
                continue
            outcome = _attempt(grafana, delivery, now)
            sent += outcome == State.DELIVERED
            failed += outcome == State.FAILED
            if outcome == State.WAITING:
                break
        _recheck(grafana, now, limit, until)
    return Delivered(sent, waiting=_waiting(), failed=failed)


def pending_count() -> int | None:
    """How many annotations have not reached Grafana; None where no Grafana is configured."""
    return _waiting() if is_configured() else None


def annotation_of(change: Change) -> Annotation:
    """The annotation that `change` becomes. Grafana renders the text as HTML and refuses an empty one."""
    summary = change.summary.strip() or f"{change.object_type} {change.object_name} changed"
    tags = [change.kind]
    if change.model_name:
        tags.append(f"model:{change.model_name}")
    if change.version:
        tags.append(f"version:{change.version}")
    return Annotation(
        at=int(change.at.timestamp() * 1000),
        tags=(*tags, change_tag(change)),
        text=f"{escape(summary)}<br/>by {escape(change.author)}",
    )


def change_tag(change: Change) -> str:
    """The tag that no other annotation has."""
    return f"change:{change.uuid}"


def _waiting() -> int:
    return AnnotationDelivery.objects.filter(state=State.WAITING).count()


def _derive(now: datetime) -> None:
    while True:
        missing = Change.objects.filter(annotation__isnull=True).order_by("at").values_list("uuid", flat=True)
        rows = [AnnotationDelivery(change_id=uuid, next_attempt_at=now) for uuid in missing[:DERIVE_BATCH]]
        # Another worker may derive the same rows at the same time.
        AnnotationDelivery.objects.bulk_create(rows, ignore_conflicts=True)
        if len(rows) < DERIVE_BATCH:
            return


def _due(now: datetime, limit: int) -> list[AnnotationDelivery]:
    due = AnnotationDelivery.objects.filter(state=State.WAITING, next_attempt_at__lte=now)
    # What never failed goes first: one annotation that can't be stored must not hold up the others.
    return list(due.select_related("change").order_by("attempts", "next_attempt_at", "change__at")[:limit])


def _claim(delivery: AnnotationDelivery, now: datetime) -> bool:
    """Written before the I/O: whatever happens next, the following attempt knows that this one may have posted."""
    claimed = AnnotationDelivery.objects.filter(
        pk=delivery.pk, state=State.WAITING, attempts=delivery.attempts, next_attempt_at__lte=now
    ).update(attempts=F("attempts") + 1, next_attempt_at=timezone.now() + LEASE)
    delivery.attempts += claimed
    return bool(claimed)


def _attempt(grafana: Grafana, delivery: AnnotationDelivery, now: datetime) -> str:
    """One attempt from request to recorded outcome; the state it left the delivery in."""
    annotation = annotation_of(delivery.change)
    repeated = delivery.attempts > 1
    try:
        found = grafana.find(change_tag(delivery.change), annotation.at) if repeated else []
        number = found[0] if found else grafana.post(annotation)
    except Refused as error:
        logger.warning("annotation of change %s refused: %s", delivery.pk, error)
        _record(delivery, state=State.FAILED, last_error=str(error)[:500])
        return State.FAILED
    except GrafanaError as error:
        pause = LONGEST_PAUSE if isinstance(error, Denied) else _pause(delivery.attempts)
        _record(delivery, next_attempt_at=timezone.now() + pause, last_error=str(error)[:500])
        return State.WAITING
    _record(
        delivery,
        state=State.DELIVERED,
        grafana_id=number,
        delivered_at=now,
        last_error="",
        recheck_at=now + RECHECK_AFTER if repeated else None,
    )
    return State.DELIVERED


def _pause(attempts: int) -> timedelta:
    return min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE)


def _record(delivery: AnnotationDelivery, **outcome: object) -> None:
    """The outcome of this attempt, unless a later one has taken over."""
    latest = AnnotationDelivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts, state=State.WAITING)
    latest.update(**outcome)


def _recheck(grafana: Grafana, now: datetime, limit: int, until: float) -> None:
    due = AnnotationDelivery.objects.filter(state=State.DELIVERED, recheck_at__lte=now).select_related("change")
    for delivery in due.order_by("recheck_at")[:limit]:
        if time.monotonic() > until:
            return
        try:
            _delete_extras(grafana, delivery)
        except GrafanaError as error:
            logger.warning("annotation of change %s could not be looked at again: %s", delivery.pk, error)
            AnnotationDelivery.objects.filter(pk=delivery.pk).update(recheck_at=now + LONGEST_PAUSE)
            return


def _delete_extras(grafana: Grafana, delivery: AnnotationDelivery) -> None:
    found = grafana.find(change_tag(delivery.change), annotation_of(delivery.change).at)
    row = AnnotationDelivery.objects.filter(pk=delivery.pk)
    if not found:
        # Whatever became of it, the change has none: deliver it again.
        row.update(state=State.WAITING, recheck_at=None, grafana_id=None, delivered_at=None)
        return
    # Every worker keeps the same one, whichever it posted.
    for extra in found[1:]:
        grafana.delete(extra)
    row.update(grafana_id=found[0], recheck_at=None)
