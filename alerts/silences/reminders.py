"""Reminding of silences that end soon while what they silence still fires: nobody should be surprised by the page.

Each reminder is a Change, written once for a silence and its end, and a notice on every page as long as it stands.
"""

from datetime import datetime, timedelta

from django.db import transaction

from alerts.alertmanager import Alertmanager, HeldSilence
from alerts.models import SilenceReminder
from models_registry import changes
from models_registry.actor import SYSTEM
from models_registry.models import Change, MLModel
from telemetry.names import MODEL

LONGEST_NOTICE = timedelta(minutes=30)
KEPT = timedelta(days=30)


def ends_soon(silence: HeldSilence, now: datetime) -> bool:
    """Within half an hour, or in the last quarter of a silence that is shorter than two hours."""
    notice = min(LONGEST_NOTICE, (silence.ends_at - silence.starts_at) / 4)
    return silence.starts_at <= now < silence.ends_at <= now + notice


def remind(alertmanager: Alertmanager, now: datetime) -> int:
    """Remind of what ends soon and still fires; of how many for the first time. Raises Unreachable and Refused."""
    soon = [silence for silence in alertmanager.silences() if ends_soon(silence, now)]
    if soon:
        silencing = {identity for alert in alertmanager.alerts() for identity in alert.silenced_by}
        soon = [silence for silence in soon if silence.identity in silencing]
    SilenceReminder.objects.filter(ends_at__lt=now - KEPT).delete()
    known = {(row.silence, row.ends_at): row for row in SilenceReminder.objects.filter(ends_at__gt=now)}
    due = {(silence.identity, silence.ends_at): silence for silence in soon}
    for key, row in known.items():
        if row.stands != (key in due):
            SilenceReminder.objects.filter(pk=row.pk).update(stands=key in due)
    new = [silence for key, silence in due.items() if key not in known]
    return sum(_remind_of(silence, now) for silence in new)


def _remind_of(silence: HeldSilence, now: datetime) -> bool:
    name = silence.value_of(MODEL)
    model = MLModel.objects.filter(name=name).first() if name else None
    with transaction.atomic():
        row, created = SilenceReminder.objects.get_or_create(
            silence=silence.identity,
            ends_at=silence.ends_at,
            defaults={
                "what": silence.told[:200],
                "model_name": model.name if model else "",
                "author": silence.author[:150],
                "reminded_at": now,
            },
        )
        if created:
            changes.record(
                Change.Kind.REGISTRY,
                actor=SYSTEM,
                obj=row,
                model=model,
                summary=f"{silence.told[:180]}: the silence by {silence.author[:60]} ends at "
                f"{silence.ends_at:%Y-%m-%d %H:%M} UTC, and it still fires",
                reason=silence.comment,
                before=None,
                after={"silence": silence.identity, "ends_at": silence.ends_at.isoformat()},
            )
    return created
