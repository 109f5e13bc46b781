"""The room's API, under /api/."""

from typing import Any

from django.urls import path

from drift.api import DriftCheckViewSet

ITEM: dict[str, Any] = {"get": "retrieve", "put": "update", "patch": "partial_update"}

urlpatterns = [
    path("drift-checks/", DriftCheckViewSet.as_view({"get": "list"}), name="api-drift-check-list"),
    path("drift-checks/<str:model_name>/", DriftCheckViewSet.as_view(ITEM), name="api-drift-check"),
    path("drift-checks/<str:model_name>/run/", DriftCheckViewSet.as_view({"post": "run"}), name="api-drift-check-run"),
    path(
        "drift-checks/<str:model_name>/runs/", DriftCheckViewSet.as_view({"get": "runs"}), name="api-drift-check-runs"
    ),
]
