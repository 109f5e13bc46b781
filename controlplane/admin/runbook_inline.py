"""A model's own runbooks on its page in the admin, and on a team's those for all of its models."""

from typing import Any

from django import forms
from django.db.models import QuerySet
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
from models_registry.permissions import may_edit_model, may_edit_team, may_register_models

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


class TeamRunbookRowForm(RunbookRowForm):
    """The same for a team, which there may be many of: the owner is searched for."""

    # As the inline makes it of the model's field.
    owner_team = None  # type: ignore[assignment]


class _Runbooks(StackedInline):
    """Whoever edits the page's model or team writes them."""

    model = Runbook
    extra = 0
    tab = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Runbook]:
        # Each row is named by what it is about.
        rows: QuerySet[Runbook] = super().get_queryset(request)
        return rows.select_related("model", "team", "owner_team")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class RunbookInline(_Runbooks):
    """Written by the editors of the model's teams."""

    form = RunbookRowForm

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_register_models(request.user) if obj is None else may_edit_model(request.user, obj)

    has_add_permission = has_change_permission
    has_delete_permission = has_change_permission


class TeamRunbookInline(_Runbooks):
    """Written by the team's editors; they hold for its models that have none of their own."""

    form = TeamRunbookRowForm
    fk_name = "team"
    verbose_name = "runbook of all its models"
    verbose_name_plural = "runbooks of all its models"
    autocomplete_fields = ["owner_team"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is not None and may_edit_team(request.user, obj)

    has_add_permission = has_change_permission
    has_delete_permission = has_change_permission


def save_row(row: Runbook, *, actor: Actor) -> Change | None:
    """As the runbook's page saves it; one that was moved to another alert leaves none behind."""
    before = _stored_alert(row)
    if before not in (None, row.alert):
        drop_runbook(str(before), _about(row), actor=actor)
    return save_runbook(
        row.alert, _about(row), body=row.body, owner_team=row.owner_team, review_by=row.review_by, actor=actor
    )


def delete_row(row: Runbook, *, actor: Actor) -> Change | None:
    """The wider text holds again."""
    return drop_runbook(_stored_alert(row) or row.alert, _about(row), actor=actor)


def _stored_alert(row: Runbook) -> str | None:
    """Which alert it was for before anything was typed."""
    return Runbook.objects.filter(pk=row.pk).values_list("alert", flat=True).first()


def _about(row: Runbook) -> MLModel | Team:
    about = row.model or row.team
    if about is None:
        raise ValueError(f"{row} is neither a model's nor a team's.")
    return about
