"""Pausing a model's drift check from a runbook page: told what would happen, confirmed, done by POST."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from alerts.annotations import readable_duration
from alerts.views.frame import page, partial, way_back
from drift.edits import check_of, pause_check
from drift.models import DriftCheck
from drift.pauses import pause_of
from drift.permissions import may_pause_check
from models_registry.actor import Actor
from models_registry.models import MLModel

WHO = "editors of its teams, and the on-call of its on-call team"


class PauseForm(forms.Form):
    """Why. Nobody understands a check that stands still without its reason the morning after."""

    reason = forms.CharField(max_length=300, label="Reason")

    def __init__(self, *args: Any, paused: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not paused:
            self.fields["reason"].required = False
            self.fields["reason"].label = "Reason (optional)"


@login_required
@require_safe
def panel(request: HttpRequest, name: str) -> HttpResponse:
    """How the check stands and the way to pause or resume it: a part of a runbook page, which is `next`."""
    model = get_object_or_404(MLModel, name=name)
    context = {"model": model, "back": way_back(request, reverse("model", args=[name])), **told(request, model)}
    return partial(request, "plumbline/drift_check_panel.html", context)


def told(request: HttpRequest, model: MLModel) -> dict[str, Any]:
    """What the panel and the model's page tell of the check."""
    check = check_of(model)
    return {
        "check": check if check.pk else None,
        "pause": pause_of(check),
        "every": readable_duration(check.interval_seconds),
        "window": readable_duration(check.window_seconds),
        "may_pause": may_pause_check(request.user, model),
    }


@login_required
@require_http_methods(["GET", "POST"])
def pause(request: HttpRequest, name: str) -> HttpResponse:
    """No more checks, until somebody resumes it."""
    return _confirmed(request, name, paused=True)


@login_required
@require_http_methods(["GET", "POST"])
def resume(request: HttpRequest, name: str) -> HttpResponse:
    """Check again, from now on."""
    return _confirmed(request, name, paused=False)


def _confirmed(request: HttpRequest, name: str, *, paused: bool) -> HttpResponse:
    model = get_object_or_404(MLModel, name=name)
    title = "Pause the drift check" if paused else "Resume the drift check"
    back = way_back(request, reverse("model", args=[name]))
    if not may_pause_check(request.user, model):
        refused = {"model": model, "back": back, "who": WHO, "action": title}
        return page(request, "alerts/not_allowed.html", refused, title=f"{title}: not allowed", status=403)
    form = PauseForm(request.POST if request.method == "POST" else None, paused=paused)
    if request.method == "POST" and form.is_valid():
        try:
            change = pause_check(model, paused=paused, actor=Actor.of(request.user), reason=form.cleaned_data["reason"])
        except ValidationError as error:
            # Its other settings have come to be wrong meanwhile, for example by a feature that is gone.
            form.add_error(None, "; ".join(error.messages))
        else:
            if change is None:
                messages.info(request, "Nothing to do: it is so already.")
            else:
                messages.success(request, f"Done: {change.summary}.")
            return redirect(back)
    check = DriftCheck.objects.filter(model=model).select_related("model").first()
    context = {
        "model": model,
        "form": form,
        "back": back,
        "paused": paused,
        "action": "Pause" if paused else "Resume",
        "already": paused == (check is not None and check.paused),
        "pause": pause_of(check) if check else None,
    }
    return page(request, "plumbline/pause_check.html", context, title=title, about=name)
