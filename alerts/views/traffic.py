"""Shifting traffic from a page: told what would happen, confirmed, done by POST, with the author and the reason."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from alerts.mitigation import Preview, preview_promote, preview_roll_back, preview_withdraw
from alerts.views.frame import page, way_back
from models_registry import traffic
from models_registry.actor import Actor
from models_registry.models import Change, MLModel, Traffic
from models_registry.permissions import may_edit_model, may_operate_model
from models_registry.split import Split, TrafficError

# What a new version begins with, beside a live one.
FIRST_PERCENT = 5
# What takes traffic away is told apart from what gives it.
DANGEROUS = ("Roll back", "Withdraw")


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


class DeployForm(ReasonForm):
    """A version and its share: a canary, or, with 100, the live version."""

    deploy = forms.ChoiceField(label="Version")
    percent = forms.IntegerField(
        min_value=0,
        max_value=100,
        label="Share of the traffic, in percent",
        help_text="Below 100 it is a canary beside the live version; with 100 it is live.",
    )
    field_order = ("deploy", "percent", "reason", "version")

    def __init__(self, *args: Any, versions: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ChoiceField, self.fields["deploy"]).choices = [(version, version) for version in versions]


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
        may=may_operate_model,
        who="editors of its teams, and, to lower it, the on-call of its on-call team",
        title="Shift traffic",
        preview=preview,
        act=_shift,
        form_class=ShiftForm,
    )


@login_required
@require_http_methods(["GET", "POST"])
def withdraw(request: HttpRequest, name: str) -> HttpResponse:
    """Stop serving the model."""
    return _confirmed(
        request,
        name,
        may=may_edit_model,
        who="editors of its teams",
        title="Withdraw",
        preview=preview_withdraw,
        act=_withdraw,
    )


def _withdraw(model: MLModel, actor: Actor, form: forms.Form) -> Change | None:
    _check_seen(model, form)
    return traffic.withdraw(model, actor=actor, reason=form.cleaned_data["reason"])


@login_required
@require_http_methods(["GET", "POST"])
def deploy(request: HttpRequest, name: str) -> HttpResponse:
    """Give a registered version a share of the traffic, or all of it; a model's first one goes live."""
    model = get_object_or_404(MLModel, name=name)
    live = present_split(model).live
    versions = [v.version for v in model.versions.order_by("-created_at", "-pk") if v.version != live]
    asked = request.GET.get("deploy", "")
    return _confirmed(
        request,
        name,
        may=may_edit_model,
        who="editors of its teams",
        title="Deploy",
        preview=partial(_preview_deploy, versions=versions),
        act=_deploy,
        form_class=partial(DeployForm, versions=versions),
        initial={"deploy": asked if asked in versions else None, "percent": FIRST_PERCENT if live else 100},
    )


def _deploy(model: MLModel, actor: Actor, form: forms.Form) -> Change | None:
    asked = form.cleaned_data
    _check_seen(model, form)
    return traffic.deploy(model, asked["deploy"], percent=asked["percent"], actor=actor, reason=asked["reason"])


def _check_seen(model: MLModel, form: forms.Form) -> None:
    """TrafficError where the traffic is not what the person saw."""
    seen, present = form.cleaned_data["version"], present_split(model)
    if seen and seen != (present.canary or present.live):
        raise TrafficError("Somebody has shifted the traffic since: look at it again.")


def _preview_deploy(split: Split, versions: Sequence[str]) -> Preview:
    if not versions:
        return Preview(False, "There is no other version to deploy: register one first.", split)
    if split.live is None:
        return Preview(True, "Nothing answers yet: the version goes live and answers all.", split)
    if split.canary is None:
        return Preview(True, f"{split.live} answers all now, and what the canary leaves afterwards.", split)
    return Preview(True, f"Canary {split.canary} has {split.canary_percent} % now; another version replaces it.", split)


def _shift(model: MLModel, actor: Actor, form: forms.Form) -> Change | None:
    present = present_split(model)
    if form.cleaned_data["percent"] > present.canary_percent and not may_edit_model(actor.user, model):
        raise TrafficError(
            f"The on-call may lower the canary's share, {present.canary_percent} %; raising it is for editors."
        )
    seen = form.cleaned_data["version"]
    if seen and seen != present.canary:
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
    form_class: Callable[..., ReasonForm] = ReasonForm,
    initial: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """GET asks, POST acts; both only for who may."""
    model = get_object_or_404(MLModel, name=name)
    back = way_back(request, reverse("model", args=[model.name]))
    context = {"model": model, "back": back, "who": who, "action": title, "danger": title in DANGEROUS}
    if not may(request.user, model):
        return page(request, "alerts/not_allowed.html", context, title=f"{title}: not allowed", status=403)
    split = present_split(model)
    seen = {"percent": split.canary_percent, "version": split.canary or split.live}
    form = form_class(request.POST if request.method == "POST" else None, initial={**seen, **(initial or {})})
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
