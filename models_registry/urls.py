"""The registry's API, under /api/. Things are addressed by name; a feature's name is free UTF-8, slashes included."""

from typing import Any

from django.urls import path

from models_registry import serving_api
from models_registry.api.base import RowViewSet
from models_registry.api.baselines import BaselineViewSet
from models_registry.api.changes import ChangeViewSet, ReplicaViewSet
from models_registry.api.features import FeatureViewSet
from models_registry.api.models import MLModelViewSet
from models_registry.api.pipelines import PipelineReleaseViewSet
from models_registry.api.teams import TeamViewSet
from models_registry.api.versions import VersionViewSet

COLLECTION: dict[str, Any] = {"get": "list", "post": "create"}
ITEM: dict[str, Any] = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}
MOVES = ("deploy", "shift", "promote", "roll_back", "shadows", "withdraw")


def _crud(address: str, item: str, view: type[RowViewSet], name: str) -> list[Any]:
    return [
        path(address, view.as_view(COLLECTION), name=f"api-{name}-list"),
        path(f"{address}{item}/", view.as_view(ITEM), name=f"api-{name}"),
    ]


MODEL = "models/<str:model_name>/"

urlpatterns = [
    path("serving/snapshot", serving_api.SnapshotView.as_view(), name="api-serving-snapshot"),
    path("serving/heartbeats", serving_api.HeartbeatView.as_view(), name="api-serving-heartbeats"),
    *_crud("teams/", "<str:name>", TeamViewSet, "team"),
    *_crud("models/", "<str:model_name>", MLModelViewSet, "model"),
    *(path(f"{MODEL}{move}/", MLModelViewSet.as_view({"post": move}), name=f"api-model-{move}") for move in MOVES),
    *_crud(f"{MODEL}versions/", "<str:version>", VersionViewSet, "version"),
    *_crud(f"{MODEL}pipeline-releases/", "<str:release>", PipelineReleaseViewSet, "pipeline-release"),
    path(
        f"{MODEL}baselines/<str:baseline>/freeze/",
        BaselineViewSet.as_view({"post": "freeze"}),
        name="api-baseline-freeze",
    ),
    path(
        f"{MODEL}baselines/<str:baseline>/profile/",
        BaselineViewSet.as_view({"get": "profile"}),
        name="api-baseline-profile",
    ),
    *_crud(f"{MODEL}baselines/", "<str:baseline>", BaselineViewSet, "baseline"),
    *_crud(f"{MODEL}features/", "<path:feature>", FeatureViewSet, "feature"),
    path("changes/", ChangeViewSet.as_view({"get": "list"}), name="api-change-list"),
    path("changes/<uuid:pk>/", ChangeViewSet.as_view({"get": "retrieve"}), name="api-change"),
    path("replicas/", ReplicaViewSet.as_view({"get": "list"}), name="api-replica-list"),
    path("replicas/<str:name>/", ReplicaViewSet.as_view({"get": "retrieve"}), name="api-replica"),
]
