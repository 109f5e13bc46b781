"""A model's own runbooks on its page in the admin."""

from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.admin import StackedInline
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget, UnfoldAdminTextareaWidget

from alerts.catalogue import KINDS
from alerts.models import Runbook
from alerts.runbook_editing import drop_runbook, save_runbook
from alerts.runbook_sections import SECTIONS
from alerts.subject import concerns_models
from alerts.views.runbook_edit import RunbookForm
from models_registry.actor import Actor
from models_registry.models import Change, MLModel, Team
from models_registry.permissions import may_edit_model, may_register_models

SKELETON = "\n\n".join(f"## {section}\n\n…" for section in SECTIONS)


class RunbookRowForm(RunbookForm, forms.ModelForm):
    """The runbook page's form, with the alert to choose."""

    alert = forms.ChoiceField(
        choices=[("", "Which alert?"), *((name, name) for name in KINDS if concerns_models(name))],
        widget=UnfoldAdminSelectWidget,
    )
    body = forms.CharField(
        label="Text",
        max_length=50_000,
        initial=SKELETON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 16}),
        help_text="Markdown with the sections Meaning, Impact, Diagnosis and Mitigation. Until one is written, the "
        "shipped runbook holds.",
    )
    owner_team = forms.ModelChoiceField(
        Team.objects.order_by("name"), label="Owner", widget=UnfoldAdminSelectWidget, help_text="Keeps it up to date."
    )
    review_by = forms.DateField(required=False, label="Read again by", widget=UnfoldAdminSingleDateWidget)

    class Meta:
        model = Runbook
        fields = ["alert", "owner_team", "review_by", "body"]


class RunbookInline(StackedInline):
    """Written by the editors of the model's teams."""

    model = Runbook
    form = RunbookRowForm
    extra = 0
    tab = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_register_models(request.user) if obj is None else may_edit_model(request.user, obj)

    has_add_permission = has_change_permission
    has_delete_permission = has_change_permission


def save_row(row: Runbook, *, actor: Actor) -> Change | None:
    """As the runbook's page saves it."""
    return save_runbook(
        row.alert, _model(row), body=row.body, owner_team=row.owner_team, review_by=row.review_by, actor=actor
    )


def delete_row(row: Runbook, *, actor: Actor) -> Change | None:
    """The wider text holds again."""
    return drop_runbook(row.alert, _model(row), actor=actor)


def _model(row: Runbook) -> MLModel:
    if row.model is None:
        raise ValueError(f"{row} is no row of a model's page.")
    return row.model
