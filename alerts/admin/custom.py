"""Custom alerts in the admin."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.forms import BaseModelFormSet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget

from alerts.admin.fields import CaseField, DurationField
from alerts.models import CustomAlert
from alerts.policy_edits import delete_custom_alert, save_custom_alert
from models_registry.actor import Actor
from models_registry.admin.of_model import ListedInline, OfModelAdmin

_RUNBOOK = """## Meaning

What is wrong when this fires.

## Impact

Who notices, and how.

## Diagnosis

1. What to look at first.

## Mitigation

- What to do about it.
"""
_CASE = (
    "One series a line with promtool's values, then when to look. For example: "
    'ml_predictions_total{predicted_class="late"} 0+120x20 and, on the next line, at 15m. '
    "The values are a minute apart; a line such as every 15s changes that."
)


class CustomAlertForm(forms.ModelForm):
    """A custom alert without seconds and JSON."""

    expression = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "class": "font-mono", "spellcheck": "false"}),
        help_text=CustomAlert._meta.get_field("expression").help_text,
    )
    for_seconds = DurationField(
        label="For", required=True, initial=300, help_text="How long the condition must hold, for example 5m."
    )
    runbook = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 18}),
        initial=_RUNBOOK,
        help_text=CustomAlert._meta.get_field("runbook").help_text,
    )
    fires_case = CaseField(label="A case in which it fires", help_text=_CASE)
    silent_case = CaseField(label="A case in which it is silent", help_text="In the same form.")

    class Meta:
        model = CustomAlert
        fields = [
            "model",
            "name",
            "expression",
            "for_seconds",
            "severity",
            "owner",
            "description",
            "runbook",
            "fires_case",
            "silent_case",
            "enabled",
        ]


@admin.register(CustomAlert)
class CustomAlertAdmin(OfModelAdmin):
    """Custom alerts of all models."""

    form = CustomAlertForm
    list_display = ["name", "model_link", "severity", "owner", "enabled", "description"]
    list_filter = ["severity", "owner", "enabled"]
    search_fields = ["name", "model__name", "description", "expression"]
    fieldsets = [
        (None, {"fields": ["model", "name", "description", ("severity", "owner"), "enabled"]}),
        ("Condition", {"fields": ["expression", "for_seconds"]}),
        (
            "Proof",
            {
                "fields": ["fires_case", "silent_case"],
                "description": "Both cases are run before each release; one that comes out otherwise refuses it.",
            },
        ),
        ("Runbook", {"fields": ["runbook"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["model", "name"] if obj else []

    def save_row(self, obj: CustomAlert, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        save_custom_alert(obj, actor=actor)

    def delete_row(self, obj: CustomAlert, actor: Actor) -> None:
        delete_custom_alert(obj, actor=actor)


class CustomAlertInline(ListedInline):
    """A model's custom alerts on its page."""

    model = CustomAlert
    fields = ["name", "severity", "owner", "enabled", "description"]
    readonly_fields = fields
