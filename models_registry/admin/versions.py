"""Versions: the first one together with its model, later ones on a page of their own."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from django.forms import BaseModelFormSet
from django.http import HttpRequest
from unfold.admin import StackedInline
from unfold.decorators import display

from models_registry.actor import Actor
from models_registry.admin.of_model import ListedInline, OfModelAdmin
from models_registry.edits import VERSION_IDENTITY, save_version
from models_registry.fleet import version_state
from models_registry.models import ModelVersion
from models_registry.permissions import may_register_models
from models_registry.removal import delete_version
from models_registry.split import Split
from models_registry.traffic import read_split

STATES = {"live": "success", "canary": "warning", "shadow": "info", "registered": "info", "retired": "default"}


class FirstVersionInline(StackedInline):
    """On the page that registers a model: its first version. Later ones have pages of their own."""

    model = ModelVersion
    verbose_name = "first version"
    verbose_name_plural = "first version"
    fields = [("version", "framework"), "artifact", "sha256", "notes"]
    extra = 1
    max_num = 1
    can_delete = False
    tab = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_register_models(request.user)

    has_change_permission = has_add_permission


class VersionsInline(ListedInline):
    """A model's versions, each with its state and a link to its page."""

    model = ModelVersion
    fields = ["version", "state", "framework", "baseline", "pipeline_release", "created_at"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        rows: QuerySet[ModelVersion] = super().get_queryset(request)
        return _with_traffic(rows).select_related("baseline__model", "pipeline_release__model")

    @display(description="State", label=STATES)
    def state(self, version: ModelVersion) -> str:
        """registered, shadow, canary, live or retired."""
        return _state(version)


def _with_traffic(rows: QuerySet[ModelVersion]) -> QuerySet[ModelVersion]:
    traffic = ("model__traffic__live", "model__traffic__canary", "model__traffic__previous_live")
    return rows.select_related("model", *traffic).prefetch_related("model__traffic__shadows").defer("baseline__profile")


def _state(version: ModelVersion) -> str:
    try:
        split = read_split(version.model.traffic)
    except ObjectDoesNotExist:
        split = Split()
    return version_state(version, split)


@admin.register(ModelVersion)
class ModelVersionAdmin(OfModelAdmin):
    """Versions of all models. Traffic is shifted on the model's page."""

    list_display = ["version", "model_link", "state", "framework", "baseline", "pipeline_release", "created_at"]
    list_filter = ["framework", "model"]
    search_fields = ["version", "model__name", "notes"]
    autocomplete_fields = ["model", "baseline", "pipeline_release"]
    fieldsets = [
        (None, {"fields": ["model", "version", "framework", "artifact", "sha256", "notes"]}),
        (
            "Data",
            {
                "fields": ["baseline", "pipeline_release"],
                "description": "Both belong to the same model. Drift is measured against the baseline.",
            },
        ),
        ("Traffic", {"fields": ["state", "model_link", "created_at", "served_at"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        rows: QuerySet[ModelVersion] = super().get_queryset(request)
        return _with_traffic(rows).select_related("baseline__model", "pipeline_release__model")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:2]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        shown = ["state", "model_link", "created_at", "served_at"]
        if obj is None:
            return shown
        # What a version is stays once it has served.
        return [*shown, "model", *(("version", *VERSION_IDENTITY) if obj.served_at else ())]

    @display(description="State", label=STATES)
    def state(self, version: ModelVersion) -> str:
        """registered, shadow, canary, live or retired."""
        return _state(version)

    def save_row(self, obj: ModelVersion, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        save_version(obj, actor=actor)

    def delete_row(self, obj: ModelVersion, actor: Actor) -> None:
        delete_version(obj, actor=actor)
