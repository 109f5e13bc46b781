"""Models: registered with their first version and features on one page."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import QuerySet
from django.forms import BaseModelFormSet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from models_registry.actor import Actor
from models_registry.admin.base import RegistryAdmin, formset_of, kept_rows
from models_registry.admin.baselines import BaselinesInline
from models_registry.admin.features import FeatureInline
from models_registry.admin.fields import LabelsField
from models_registry.admin.of_model import model_page
from models_registry.admin.pipelines import PipelineReleasesInline
from models_registry.admin.versions import FirstVersionInline, VersionsInline
from models_registry.edits import save_model, save_version
from models_registry.models import Feature, MLModel, ModelVersion
from models_registry.permissions import may_edit_model
from models_registry.removal import delete_model
from models_registry.split import Split, told
from models_registry.traffic import read_split

LINK = '<a class="underline" href="{}">{}</a>'
TEAMS = ("on_call_team", "applied_ml_team", "data_team")


class MLModelForm(forms.ModelForm):
    """A model; its classes without JSON. Whoever registers one must be an editor of one of its teams."""

    user: Any = None  # set by the admin
    classes = LabelsField(help_text="The answers a classifier can give, negative first; one a line, or between commas.")

    class Meta:
        model = MLModel
        fields = [
            "name",
            "description",
            "risk",
            "task",
            "classes",
            *TEAMS,
            "in_flight_limit",
            "timeout_seconds",
        ]
        help_texts = {"name": "Lower-case letters, digits and hyphens. Metrics and alerts carry it: it is for good."}

    def clean(self) -> dict[str, Any]:
        """A model of others can't be registered."""
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk is None and all(cleaned.get(team) for team in TEAMS):
            draft = MLModel(**{team: cleaned[team] for team in TEAMS})
            if not may_edit_model(self.user, draft):
                raise ValidationError({TEAMS[0]: "One of the three teams must be one that you are an editor of."})
        return cleaned


@admin.register(MLModel)
class MLModelAdmin(RegistryAdmin):
    """The registry's main page. The composition adds the other rooms' inlines to it."""

    form = MLModelForm
    list_display = ["name", "page", "risk", "task", "shown_traffic", *TEAMS]
    list_filter = ["risk", "task", *TEAMS]
    list_select_related = [*TEAMS, "traffic__live", "traffic__canary", "traffic__previous_live"]
    search_fields = ["name", "description"]
    autocomplete_fields = list(TEAMS)
    fieldsets = [
        (None, {"fields": ["name", "description"]}),
        ("What it is", {"fields": ["task", "classes", "risk"]}),
        ("Owners", {"fields": list(TEAMS)}),
        ("Serving", {"fields": [("in_flight_limit", "timeout_seconds")]}),
    ]
    traffic_fieldset = ("Traffic", {"fields": ["shown_traffic", "ways"]})
    inlines = [FirstVersionInline, FeatureInline, VersionsInline, BaselinesInline, PipelineReleasesInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MLModel]:
        rows: QuerySet[MLModel] = super().get_queryset(request)
        return rows.prefetch_related("traffic__shadows")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The page's form, which knows who fills it in."""
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"user": request.user})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [self.fieldsets[0], self.traffic_fieldset, *self.fieldsets[1:]] if obj else self.fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["shown_traffic", "ways", *(["name"] if obj else [])]

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """The first version while registering; the lists of what it has afterwards."""
        if obj is None:
            return [i for i in self.inlines if not getattr(i, "show_count", False)]
        return [i for i in self.inlines if i is not FirstVersionInline]

    @display(description="Page")
    def page(self, model: MLModel) -> SafeString:
        """Its page with live numbers."""
        return model_page(model)

    @display(description="Traffic")
    def shown_traffic(self, model: MLModel) -> str:
        """Who answers requests."""
        try:
            return told(read_split(model.traffic))
        except ObjectDoesNotExist:
            return told(Split())

    @display(description="")
    def ways(self, model: MLModel) -> SafeString:
        """Where traffic is shifted, and where more is added."""
        links = self.links(model)
        return format_html(" · ".join([LINK] * len(links)), *(part for link in links for part in link))

    def links(self, model: MLModel) -> list[tuple[str, str]]:
        """(address, text) of what stands beside the traffic."""
        kinds = {"modelversion": "version", "baseline": "baseline", "pipelinerelease": "pipeline release"}
        added = [
            (f"{reverse(f'admin:models_registry_{kind}_add')}?model={model.name}", f"Add a {told}")
            for kind, told in kinds.items()
        ]
        return [(f"/models/{model.name}/", "Shift traffic"), *added]

    def may_edit(self, user: Any, obj: MLModel) -> bool:
        return may_edit_model(user, obj)

    def save_row(self, obj: MLModel, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        formsets = list(formsets)
        features = formset_of(Feature, formsets)
        save_model(obj, actor=actor, features=None if features is None else in_order(features))
        first = formset_of(ModelVersion, formsets)
        for version in kept_rows(first) if first is not None else ():
            version.model = obj
            save_version(version, actor=actor)

    def delete_row(self, obj: MLModel, actor: Actor) -> None:
        delete_model(obj, actor=actor)


def in_order(formset: BaseModelFormSet) -> list[Feature]:
    """The features by the positions that were dragged; new ones that were not are last."""
    rows: list[Feature] = kept_rows(formset)
    return sorted(rows, key=lambda row: row.position)
