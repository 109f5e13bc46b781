"""Features: inline on their model's page, and a list of their own to search in."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.forms import BaseModelFormSet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from models_registry.actor import Actor
from models_registry.admin.fields import DefaultValueField, LabelsField
from models_registry.admin.of_model import OfModelAdmin, OfModelInline
from models_registry.edits import save_feature
from models_registry.models import Feature, Team
from models_registry.removal import delete_feature

# The position of a new row that nobody has dragged: after all others.
LAST = 32767
LIMITS = ["missing_limit", "defaulted_limit", "out_of_range_limit"]


class FeatureForm(forms.ModelForm):
    """A feature; its categories and its default without JSON."""

    categories = LabelsField(rows=1, help_text="Known values, between commas or one a line; others are out of range.")
    default = DefaultValueField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="Used where the value is missing, and counted."
    )

    class Meta:
        model = Feature
        fields = [
            "name",
            "kind",
            "critical",
            "required",
            "minimum",
            "maximum",
            "categories",
            "default",
            "team",
            *LIMITS,
        ]
        widgets = {"kind": UnfoldAdminSelectWidget(attrs={"style": "min-width: 8rem"})}

    def clean(self) -> dict[str, Any]:
        """The default as the kind wants it."""
        cleaned = super().clean() or self.cleaned_data
        try:
            cleaned["default"] = DefaultValueField.for_kind(cleaned.get("default", ""), cleaned.get("kind", ""))
        except forms.ValidationError as error:
            self.add_error("default", error)
        return cleaned


class FeatureInline(OfModelInline):
    """A model's features, in the order in which it is fed: drag them to change it."""

    model = Feature
    form = FeatureForm
    fields = [
        "name",
        "kind",
        "critical",
        "required",
        "minimum",
        "maximum",
        "categories",
        "default",
        "team",
        "position",
    ]
    ordering = ["position", "name"]
    ordering_field = "position"
    hide_ordering_field = True
    hide_title = True
    show_change_link = True

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """The rows' forms; the teams are read once, not once a row."""
        formset = super().get_formset(request, obj, **kwargs)
        if "team" in formset.form.base_fields:
            formset.form.base_fields["team"] = team_field()
        if "position" in formset.form.base_fields:
            formset.form.base_fields["position"].initial = LAST
        return formset


def team_field() -> forms.TypedChoiceField:
    """All teams as they are now, in a field that copies without a query."""
    teams = {str(team.pk): team for team in Team.objects.all()}
    choices = [("", "the model's data team"), *((pk, team.name) for pk, team in teams.items())]
    return forms.TypedChoiceField(
        choices=choices,
        coerce=teams.__getitem__,
        empty_value=None,
        required=False,
        widget=UnfoldAdminSelectWidget(attrs={"style": "min-width: 9rem"}),
    )


@admin.register(Feature)
class FeatureAdmin(OfModelAdmin):
    """Features of all models."""

    form = FeatureForm
    list_display = ["name", "model_link", "kind", "critical", "required", "minimum", "maximum", "owner"]
    list_filter = ["kind", "critical", "required", "team"]
    list_select_related = ["model__data_team", "team"]
    search_fields = ["name", "model__name"]
    autocomplete_fields = ["model", "team"]
    fieldsets = [
        (None, {"fields": ["model", "name", "kind", ("critical", "required"), "team"]}),
        ("What is normal", {"fields": [("minimum", "maximum"), "categories", "default"]}),
        (
            "Its own limits, as shares of the rows of a check (0 to 1)",
            {"fields": LIMITS, "description": "Empty: the limits of the model's drift check."},
        ),
    ]

    @admin.display(description="Data owner")
    def owner(self, feature: Feature) -> str:
        """The team that is told of missing values."""
        return str(feature.team or feature.model.data_team)

    def save_row(self, obj: Feature, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        save_feature(obj, actor=actor)

    def delete_row(self, obj: Feature, actor: Actor) -> None:
        delete_feature(obj, actor=actor)
