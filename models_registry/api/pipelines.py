"""/api/models/<name>/pipeline-releases/: releases of the pipeline that makes a model's features."""

from typing import Any

from models_registry.actor import Actor
from models_registry.api.base import OfModelViewSet, StrictModelSerializer
from models_registry.edits import save_pipeline_release
from models_registry.models import PipelineRelease
from models_registry.removal import delete_pipeline_release


class PipelineReleaseSerializer(StrictModelSerializer):
    """A release; the newest by `released_at` is the one in use."""

    class Meta:
        model = PipelineRelease
        fields = ["release", "released_at", "notes"]


class PipelineReleaseViewSet(OfModelViewSet):
    """A model's pipeline releases, newest first."""

    queryset = PipelineRelease.objects.all()
    serializer_class = PipelineReleaseSerializer
    lookup_field = "release"
    search_fields = ["release", "notes"]
    ordering_fields = ["release", "released_at"]

    def save(self, row: PipelineRelease, nested: dict[str, Any], actor: Actor) -> None:
        save_pipeline_release(row, actor=actor)

    def remove(self, row: PipelineRelease, actor: Actor) -> None:
        delete_pipeline_release(row, actor=actor)
