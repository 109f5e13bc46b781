"""The silences that hold, joined with what the registry knows: whose model, which incidents, and who may end them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.alertmanager import Alertmanager, HeldAlert, HeldSilence
from alerts.models import Incident
from alerts.silences.reminders import ends_soon
from models_registry.models import MLModel
from models_registry.permissions import may_operate_model
from telemetry.names import MODEL


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """One silence. `silenced`: the alerts that it silences now; `incidents`: those of them that Plumbline keeps."""

    silence: HeldSilence
    model: str
    silenced: tuple[HeldAlert, ...]
    incidents: tuple[Incident, ...]
    soon: bool
    begun: bool
    may_end: bool


def silence_rows(user: Any, alertmanager: Alertmanager, now: datetime) -> list[SilenceRow]:
    """Those that hold or will hold, the first to end first; a fixed number of queries. Unreachable and Refused."""
    return rows_of(user, alertmanager.silences(), alertmanager.alerts(), now)


def rows_of(user: Any, silences: Sequence[HeldSilence], alerts: Sequence[HeldAlert], now: datetime) -> list[SilenceRow]:
    """`silences` as rows, with what of `alerts` they silence."""
    named = {silence.value_of(MODEL) for silence in silences}
    models = {model.name: model for model in MLModel.objects.filter(name__in=named)}
    held = {alert.fingerprint: alert for alert in alerts if alert.silenced_by}
    open_ones = list(Incident.objects.filter(fingerprint__in=held, ends_at__isnull=True).order_by("starts_at"))
    rows = []
    for silence in sorted(silences, key=lambda each: each.ends_at):
        silenced = tuple(alert for alert in held.values() if silence.identity in alert.silenced_by)
        prints = {alert.fingerprint for alert in silenced}
        model = models.get(silence.value_of(MODEL))
        rows.append(
            SilenceRow(
                silence=silence,
                model=model.name if model else "",
                silenced=silenced,
                incidents=tuple(incident for incident in open_ones if incident.fingerprint in prints),
                soon=bool(prints) and ends_soon(silence, now),
                begun=silence.starts_at <= now,
                may_end=may_end_silence(user, model),
            )
        )
    return rows


def may_end_silence(user: Any, model: MLModel | None) -> bool:
    """Who may silence a model's alerts may end it; what is about no model of ours, superusers."""
    return may_operate_model(user, model) if model else bool(user.is_superuser)
