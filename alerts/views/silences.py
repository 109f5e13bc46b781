"""Silences: what is silenced now, by whom, why and until when, as Alertmanager holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from alerts.alertmanager import Alertmanager, HeldAlert, HeldSilence
from alerts.http import Refused, Unreachable
from alerts.models import Incident
from alerts.silence_reminders import ends_soon
from alerts.silencing import end_silence
from alerts.views.frame import page
from models_registry.actor import Actor
from models_registry.models import MLModel
from models_registry.permissions import may_operate_model
from telemetry.names import MODEL

TIMEOUT = 3.0


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """One silence, for the page. `incidents`: those of the alerts that it silences now; `may_end`: by this person."""

    silence: HeldSilence
    model: str
    incidents: list[Incident]
    firing: int
    soon: bool
    begun: bool
    may_end: bool


def _alertmanager() -> Alertmanager:
    return Alertmanager(settings.ALERTMANAGER_URL, timeout=TIMEOUT)


@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The silences that hold or will hold, the first to end first."""
    alertmanager = _alertmanager()
    context: dict[str, Any] = {"rows": [], "unreachable": ""}
    try:
        context["rows"] = _rows(request, alertmanager.silences(), alertmanager.alerts())
    except (Unreachable, Refused) as error:
        context["unreachable"] = str(error)
    return page(request, "alerts/silences.html", context, title="Silences")


def _rows(request: HttpRequest, silences: Sequence[HeldSilence], alerts: Sequence[HeldAlert]) -> list[SilenceRow]:
    models = {model.name: model for model in MLModel.objects.all()}
    silenced = {alert.fingerprint: alert for alert in alerts if alert.silenced_by}
    open_ones = list(Incident.objects.filter(fingerprint__in=silenced, ends_at__isnull=True).order_by("starts_at"))
    now = timezone.now()
    rows = []
    for silence in sorted(silences, key=lambda each: each.ends_at):
        prints = {name for name, alert in silenced.items() if silence.identity in alert.silenced_by}
        model = models.get(silence.value_of(MODEL))
        rows.append(
            SilenceRow(
                silence=silence,
                model=model.name if model else "",
                incidents=[incident for incident in open_ones if incident.fingerprint in prints],
                firing=len(prints),
                soon=bool(prints) and ends_soon(silence, now),
                begun=silence.starts_at <= now,
                may_end=_may_end(request, model),
            )
        )
    return rows


def _may_end(request: HttpRequest, model: MLModel | None) -> bool:
    """Who may silence a model's alerts may end it; what is about no model of ours, superusers."""
    return may_operate_model(request.user, model) if model else bool(request.user.is_superuser)


@login_required
@require_POST
def end(request: HttpRequest, identity: str) -> HttpResponse:
    """End a silence now."""
    alertmanager = _alertmanager()
    try:
        silence = next((each for each in alertmanager.silences() if each.identity == identity), None)
        if silence is None:
            raise Http404("No such silence: it may have ended already.")
        model = MLModel.objects.filter(name=silence.value_of(MODEL)).first()
        if not _may_end(request, model):
            who = "editors of the model's teams, its on-call and superusers"
            context = {"model": model, "back": "/silences/", "who": who, "action": "End silence"}
            return page(request, "alerts/not_allowed.html", context, title="End silence: not allowed", status=403)
        end_silence(alertmanager, silence, model, actor=Actor.of(request.user))
    except (Unreachable, Refused) as error:
        messages.error(request, f"Not ended. {error}")
    else:
        messages.success(request, f"Ended: {silence.told} is told again.")
    return redirect("silences")
