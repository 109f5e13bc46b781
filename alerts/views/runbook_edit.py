"""Editing a model's own runbook."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from alerts.models import Runbook
from alerts.runbook_editing import drop_runbook, history, save_runbook
from alerts.runbook_page import find_text
from alerts.runbook_sections import SECTIONS, sections_error
from alerts.subject import concerns_models, is_known
from alerts.views.frame import page
from models_registry.actor import Actor
from models_registry.models import MLModel, Team
from models_registry.permissions import may_edit_model
from telemetry.names import MODEL


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


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, alert: str) -> HttpResponse:
    """The form; POST saves, or drops the model's own text."""
    if not is_known(alert) or not concerns_models(alert):
        raise Http404(f"No alert {alert} about a model.")
    model = get_object_or_404(
        MLModel.objects.select_related("on_call_team", "applied_ml_team", "data_team"), name=request.GET.get(MODEL, "")
    )
    back = f"{reverse('runbook', args=[alert])}?{MODEL}={model.name}"
    if not may_edit_model(request.user, model):
        context = {"model": model, "back": back, "who": "editors of its teams", "action": "Edit the runbook"}
        return page(request, "alerts/not_allowed.html", context, title="Not allowed", status=403)
    text = find_text(alert, model.name)
    row = text.row if text else None
    if request.method == "POST" and "drop" in request.POST:
        drop_runbook(alert, model, actor=Actor.of(request.user))
        messages.success(request, "Dropped: the shipped text holds again.")
        return redirect(back)
    form = RunbookForm(
        request.POST if request.method == "POST" else None, initial=_initial(text.body if text else "", row, model)
    )
    if request.method == "POST" and form.is_valid():
        saved = save_runbook(alert, model, actor=Actor.of(request.user), **form.cleaned_data)
        messages.success(request, "Saved." if saved else "Nothing was changed.")
        return redirect(back)
    context = {"form": form, "alert": alert, "model": model, "row": row, "back": back, "history": history(alert, model)}
    return page(request, "alerts/runbook_edit.html", context, title="Edit a runbook", about=f"{alert} {model.name}")


def _initial(body: str, row: Runbook | None, model: MLModel) -> dict[str, object]:
    owner = row.owner_team if row else model.on_call_team
    return {"body": body, "owner_team": owner, "review_by": row.review_by if row else None}
