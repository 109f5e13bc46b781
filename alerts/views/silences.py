"""Silences: what is silenced now, by whom, why and until when, as Alertmanager holds it."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from alerts.alertmanager import Alertmanager, who_answers
from alerts.http import Refused, Unreachable
from alerts.silences.rows import may_end_silence, silence_rows
from alerts.silences.silencing import end_silence
from alerts.views.frame import page
from models_registry.actor import Actor
from models_registry.models import MLModel
from telemetry.names import MODEL

TIMEOUT = 3.0


def _alertmanager() -> Alertmanager:
    return who_answers([settings.ALERTMANAGER_URL, *settings.FURTHER_ALERTMANAGER_URLS], TIMEOUT)


@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The silences that hold or will hold, the first to end first."""
    alertmanager = _alertmanager()
    context: dict[str, Any] = {"rows": [], "unreachable": ""}
    try:
        context["rows"] = silence_rows(request.user, alertmanager, timezone.now())
    except (Unreachable, Refused) as error:
        context["unreachable"] = str(error)
    return page(request, "alerts/silences.html", context, title="Silences")


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
        if not may_end_silence(request.user, model):
            who = "editors of the model's teams, its on-call and superusers"
            context = {"model": model, "back": "/silences/", "who": who, "action": "End silence"}
            return page(request, "alerts/not_allowed.html", context, title="End silence: not allowed", status=403)
        end_silence(alertmanager, silence, model, actor=Actor.of(request.user))
    except (Unreachable, Refused) as error:
        messages.error(request, f"Not ended. {error}")
    else:
        messages.success(request, f"Ended: {silence.told} is told again.")
    return redirect("silences")
