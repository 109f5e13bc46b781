"""Feature pipeline releases."""

from collections.abc import Iterable

from django.contrib import admin
from django.forms import BaseModelFormSet

from models_registry.actor import Actor
from models_registry.admin.of_model import ListedInline, OfModelAdmin
from models_registry.edits import save_pipeline_release
from models_registry.models import PipelineRelease
from models_registry.removal import delete_pipeline_release


class PipelineReleasesInline(ListedInline):
    """A model's pipeline releases."""

    model = PipelineRelease
    fields = ["release", "released_at", "notes"]
    readonly_fields = fields


@admin.register(PipelineRelease)
class PipelineReleaseAdmin(OfModelAdmin):
    """Releases of the pipelines that make the models' features."""

    list_display = ["release", "model_link", "released_at", "notes"]
    list_filter = ["model"]
    search_fields = ["release", "model__name", "notes"]
    fields = ["model", "release", "released_at", "notes"]

    def save_row(self, obj: PipelineRelease, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        save_pipeline_release(obj, actor=actor)

    def delete_row(self, obj: PipelineRelease, actor: Actor) -> None:
        delete_pipeline_release(obj, actor=actor)
