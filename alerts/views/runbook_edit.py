"""Editing the runbook of a model's alert, or of the alert of all models of a team."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from alerts.models import Runbook
from alerts.runbook_editing import About, drop_runbook, history, is_a_teams, save_runbook, stored_runbook
from alerts.runbook_page import find_text
from alerts.runbook_sections import SECTIONS, sections_error
from alerts.subject import concerns_models, is_known
from alerts.views.frame import page
from models_registry.actor import Actor
from models_registry.models import MLModel, Team
from models_registry.permissions import may_edit_model, may_edit_team
from telemetry.names import MODEL

TEAM = "team"


class RunbookForm(forms.Form):
    """The text, who keeps it, and when it should be read again."""

    body = forms.CharField(
        label=f"Text (Markdown; sections {', '.join(SECTIONS)})",
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "true"}),
    )
    owner_team = forms.ModelChoiceField(Team.objects.order_by("name"), label="Owner")
    review_by = forms.DateField(
        required=False, label="Read again by", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def clean_body(self) -> str:
        body: str = self.cleaned_data["body"]
        if error := sections_error(body):
            raise forms.ValidationError(error)
        return body


@dataclass(frozen=True, slots=True)
class Edited:
    """Whose text is edited: a model's, or a team's. `back` leads to where the reader came from."""

    alert: str
    about: About
    back: str

    @property
    def team(self) -> Team | None:
        return self.about if isinstance(self.about, Team) else None

    @property
    def owner(self) -> Team:
        """Who keeps a new text."""
        return self.about if isinstance(self.about, Team) else self.about.on_call_team

    def may_be_written_by(self, user: object) -> bool:
        return may_edit_team(user, self.about) if isinstance(self.about, Team) else may_edit_model(user, self.about)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, alert: str) -> HttpResponse:
    """The form; POST saves, or drops the text. `?team=` is a team's text, `?model_name=` a model's."""
    edited = _edited(request, alert)
    about = edited.about
    if not edited.may_be_written_by(request.user):
        who = "its editors" if edited.team else "editors of its teams"
        named: dict[str, Any] = {"team": about} if edited.team else {"model": about}
        context: dict[str, Any] = {**named, "back": edited.back, "who": who, "action": "Edit the runbook"}
        return page(request, "alerts/not_allowed.html", context, title="Not allowed", status=403)
    row = stored_runbook(alert, about)
    if request.method == "POST" and "drop" in request.POST:
        drop_runbook(alert, about, actor=Actor.of(request.user))
        messages.success(request, "Dropped: the wider text holds again.")
        return redirect(edited.back)
    form = RunbookForm(request.POST if request.method == "POST" else None, initial=_initial(edited, row))
    if request.method == "POST" and form.is_valid():
        saved = save_runbook(alert, about, actor=Actor.of(request.user), **form.cleaned_data)
        messages.success(request, "Saved." if saved else "Nothing was changed.")
        return redirect(edited.back)
    context = {"form": form, "alert": alert, "edited": edited, "row": row, "history": history(alert, about)}
    return page(request, "alerts/runbook_edit.html", context, title="Edit a runbook", about=f"{alert} {about}")


def _edited(request: HttpRequest, alert: str) -> Edited:
    if not is_known(alert) or not concerns_models(alert):
        raise Http404(f"No alert {alert} about a model.")
    name = request.GET.get(MODEL, "")
    models = MLModel.objects.select_related("on_call_team", "applied_ml_team", "data_team")
    back = reverse("runbook", args=[alert])
    if TEAM not in request.GET:
        model = get_object_or_404(models, name=name)
        return Edited(alert, model, f"{back}?{MODEL}={model.name}")
    if not is_a_teams(alert):
        raise Http404(f"No alert {alert} of which teams have a text.")
    team = get_object_or_404(Team, name=request.GET[TEAM])
    came_from = models.filter(name=name).first()
    return Edited(alert, team, f"{back}?{MODEL}={came_from.name}" if came_from else back)


def _initial(edited: Edited, row: Runbook | None) -> dict[str, object]:
    text = None
    if row is None:
        text = find_text(edited.alert, "" if edited.team else edited.about.name)
    return {
        "body": row.body if row else text.body if text else "",
        "owner_team": row.owner_team if row else edited.owner,
        "review_by": row.review_by if row else None,
    }
