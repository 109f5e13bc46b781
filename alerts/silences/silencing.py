"""Silencing a model's alert from its runbook page: Alertmanager keeps the silence, a Change keeps who and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from alerts.alertmanager import Alertmanager, HeldSilence
from alerts.models import SilenceReminder
from models_registry import changes
from models_registry.actor import Actor
from models_registry.models import Change, MLModel
from telemetry.names import FEATURE, MODEL, VERSION


@dataclass(frozen=True, slots=True)
class Silence:
    """What is to be silenced: one alert of one model, perhaps of one version or one feature, or by further labels."""

    alert: str
    version: str = ""
    feature: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def matchers(self, model: str) -> dict[str, str]:
        """Label values that a silenced alert has, all of them."""
        wanted = {"alertname": self.alert, MODEL: model, VERSION: self.version, FEATURE: self.feature, **self.labels}
        return {label: value for label, value in wanted.items() if value}

    def told(self, model: str) -> str:
        parts = (self.alert, "of", model, self.version, self.feature, *self.labels.values())
        return " ".join(part for part in parts if part)


def silence_alert(
    alertmanager: Alertmanager,
    model: MLModel,
    silence: Silence,
    *,
    now: datetime,
    lasting: timedelta,
    actor: Actor,
    reason: str,
) -> Change:
    """Silence it from now on. Raises Unreachable and Refused, having changed nothing.

    The silence is Alertmanager's, so it is made first: a Change of what failed would be untrue, and a silence whose
    Change is lost still carries its author and reason there.
    """
    matchers, ends_at = silence.matchers(model.name), now + lasting
    identity = alertmanager.create_silence(
        matchers, starts_at=now, ends_at=ends_at, author=actor.name, comment=reason or "no reason given"
    )
    with transaction.atomic():
        return changes.record(
            Change.Kind.REGISTRY,
            actor=actor,
            obj=model,
            model=model,
            version=silence.version,
            summary=f"{silence.told(model.name)} silenced until {ends_at:%Y-%m-%d %H:%M} UTC",
            reason=reason,
            before=None,
            after={"silence": identity, "matchers": matchers, "ends_at": ends_at.isoformat()},
        )


def end_silence(alertmanager: Alertmanager, silence: HeldSilence, model: MLModel | None, *, actor: Actor) -> Change:
    """End it now. Raises Unreachable and Refused, having changed nothing."""
    alertmanager.expire_silence(silence.identity)
    about = SilenceReminder(silence=silence.identity, what=silence.told[:200])
    with transaction.atomic():
        SilenceReminder.objects.filter(silence=silence.identity).update(stands=False)
        return changes.record(
            Change.Kind.REGISTRY,
            actor=actor,
            obj=model or about,
            model=model,
            summary=f"{silence.told[:200]}: the silence by {silence.author[:60]} was ended",
            reason="",
            before={"silence": silence.identity, "ends_at": silence.ends_at.isoformat()},
            after=None,
        )
