"""Shifting traffic from a page: told what would happen, confirmed, done by POST, with the author and the reason."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from alerts.mitigation import Preview, preview_promote, preview_roll_back
from alerts.views.frame import page
from models_registry import traffic
from models_registry.actor import Actor
from models_registry.models import Change, MLModel, Traffic
from models_registry.permissions import may_edit_model, may_operate_model
from models_registry.split import Split, TrafficError


class ReasonForm(forms.Form):
    """Why it is done, kept with the Change; and the version that the person saw it would be done to.

    Without it, a second click on rolling a canary back would go on to roll the live version back.
    """

    version = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    reason = forms.CharField(required=False, max_length=300, label="Reason (optional)")


class ShiftForm(ReasonForm):
    """The canary's new share."""

    percent = forms.IntegerField(min_value=0, max_value=100, label="Canary's share of the traffic, in percent")
    field_order = ("percent", "reason", "version")


def present_split(model: MLModel) -> Split:
    """Who answers now."""
    row = Traffic.objects.select_related("live", "canary", "previous_live").filter(model=model).first()
    return traffic.read_split(row) if row else Split()


@login_required
@require_http_methods(["GET", "POST"])
def roll_back(request: HttpRequest, name: str) -> HttpResponse:
    """Empty the canary, or put the previous live version back."""
    return _confirmed(
        request,
        name,
        may=may_operate_model,
        who="editors of its teams, and the on-call of its on-call team",
        title="Roll back",
        preview=preview_roll_back,
        act=lambda model, actor, form: traffic.roll_back(
            model, actor=actor, version=form.cleaned_data["version"] or None, reason=form.cleaned_data["reason"]
        ),
    )


@login_required
@require_http_methods(["GET", "POST"])
def promote(request: HttpRequest, name: str) -> HttpResponse:
    """Make the canary live."""
    return _confirmed(
        request,
        name,
        may=may_edit_model,
        who="editors of its teams",
        title="Promote",
        preview=preview_promote,
        act=lambda model, actor, form: traffic.promote(
            model, actor=actor, version=form.cleaned_data["version"] or None, reason=form.cleaned_data["reason"]
        ),
    )


@login_required
@require_http_methods(["GET", "POST"])
def shift(request: HttpRequest, name: str) -> HttpResponse:
    """Give the canary another share."""

    def preview(split: Split) -> Preview:
        if split.canary is None:
            return Preview(False, "There is no canary to shift traffic to: deploy a version first.", split)
        return Preview(True, f"Canary {split.canary} has {split.canary_percent} % now; {split.live} the rest.", split)

    return _confirmed(
        request,
        name,
        may=may_edit_model,
        who="editors of its teams",
        title="Shift traffic",
        preview=preview,
        act=_shift,
        form_class=ShiftForm,
    )


def _shift(model: MLModel, actor: Actor, form: forms.Form) -> Change | None:
    seen = form.cleaned_data["version"]
    if seen and seen != present_split(model).canary:
        raise TrafficError(f"{seen} is not the canary any more: look at the traffic again.")
    return traffic.shift_traffic(
        model, percent=form.cleaned_data["percent"], actor=actor, reason=form.cleaned_data["reason"]
    )


def _confirmed(
    request: HttpRequest,
    name: str,
    *,
    may: Callable[..., bool],
    who: str,
    title: str,
    preview: Callable[[Split], Preview],
    act: Callable[[MLModel, Actor, forms.Form], Change | None],
    form_class: type[ReasonForm] = ReasonForm,
) -> HttpResponse:
    """GET asks, POST acts; both only for who may."""
    model = get_object_or_404(MLModel, name=name)
    back = _back(request, model)
    context = {"model": model, "back": back, "who": who, "action": title, "danger": title == "Roll back"}
    if not may(request.user, model):
        return page(request, "alerts/not_allowed.html", context, title=f"{title}: not allowed", status=403)
    split = present_split(model)
    initial = {"percent": split.canary_percent, "version": split.canary or split.live}
    form = form_class(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            change = act(model, Actor.of(request.user), form)
        except TrafficError as error:
            form.add_error(None, str(error))
        else:
            _tell(request, change)
            return redirect(back)
    context |= {"form": form, "split": split, "weights": weights(split), "preview": preview(split)}
    return page(request, "alerts/confirm_traffic.html", context, title=title, about=model.name)


def weights(split: Split) -> list[dict[str, object]]:
    """The split as a bar draws it."""
    parts: list[dict[str, object]] = []
    if split.live:
        parts.append({"version": split.live, "role": "live", "share": 1 - split.canary_percent / 100})
    if split.canary:
        parts.append({"version": split.canary, "role": "canary", "share": split.canary_percent / 100})
    return parts + [{"version": shadow, "role": "shadow", "share": 0.0} for shadow in sorted(split.shadows)]


def _tell(request: HttpRequest, change: Change | None) -> None:
    if change is None:
        messages.info(request, "Nothing to do: it is so already.")
    else:
        messages.success(request, f"Done: {change.summary}. Replicas apply it within seconds.")


def _back(request: HttpRequest, model: MLModel) -> str:
    """Where the person came from: a page of ours, else the model's."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) and wanted.startswith("/"):
        return wanted
    return reverse("model", args=[model.name])
