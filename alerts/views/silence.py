"""Silencing an alert from its runbook page."""

from datetime import timedelta

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from alerts.alertmanager import who_answers
from alerts.http import Refused, Unreachable
from alerts.silences.silencing import Silence, silence_alert
from alerts.subject import is_known
from alerts.views.frame import page
from alerts.views.runbook_context import read
from models_registry.actor import Actor
from models_registry.models import MLModel
from models_registry.permissions import may_operate_model

HOURS = [("1", "1 hour"), ("4", "4 hours"), ("12", "12 hours"), ("24", "24 hours")]
TIMEOUT = 3.0


class SilenceForm(forms.Form):
    """How long and why. Nobody understands a silence without its reason the morning after."""

    hours = forms.ChoiceField(choices=HOURS, initial="4", label="For how long")
    reason = forms.CharField(max_length=300, label="Reason")


@login_required
@require_http_methods(["GET", "POST"])
def silence(request: HttpRequest, alert: str) -> HttpResponse:
    """GET asks, POST silences what the address names: the alert of this model, version and feature."""
    address = read(request, alert)
    if not is_known(alert) or address.model is None:
        raise Http404(f"No alert {alert} about a model of this name.")
    model = get_object_or_404(MLModel, name=address.model.name)
    back = f"{reverse('runbook', args=[alert])}?{address.query}"
    if not may_operate_model(request.user, model):
        who = "editors of its teams, and the on-call of its on-call team"
        context = {"model": model, "back": back, "who": who, "action": "Silence"}
        return page(request, "alerts/not_allowed.html", context, title="Silence: not allowed", status=403)
    wanted = Silence(alert, address.version, address.feature)
    form = SilenceForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            change = silence_alert(
                who_answers([settings.ALERTMANAGER_URL, *settings.FURTHER_ALERTMANAGER_URLS], TIMEOUT),
                model,
                wanted,
                now=timezone.now(),
                lasting=timedelta(hours=int(form.cleaned_data["hours"])),
                actor=Actor.of(request.user),
                reason=form.cleaned_data["reason"],
            )
        except (Unreachable, Refused) as error:
            form.add_error(None, f"Not silenced. {error}")
        else:
            messages.success(request, f"Done: {change.summary}.")
            return redirect(back)
    context = {"form": form, "told": wanted.told(model.name), "back": back}
    return page(request, "alerts/silence.html", context, title="Silence", about=wanted.told(model.name))
