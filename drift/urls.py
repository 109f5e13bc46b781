"""The room's API, under /api/."""

from typing import Any

from django.urls import path

from drift.api import DriftCheckViewSet
from drift.proxies_api import BusinessProxyViewSet

COLLECTION: dict[str, Any] = {"get": "list", "post": "create"}
ITEM: dict[str, Any] = {"get": "retrieve", "put": "update", "patch": "partial_update"}

urlpatterns = [
    path("drift-checks/", DriftCheckViewSet.as_view({"get": "list"}), name="api-drift-check-list"),
    path("drift-checks/<str:model_name>/", DriftCheckViewSet.as_view(ITEM), name="api-drift-check"),
    path("drift-checks/<str:model_name>/run/", DriftCheckViewSet.as_view({"post": "run"}), name="api-drift-check-run"),
    path(
        "drift-checks/<str:model_name>/runs/", DriftCheckViewSet.as_view({"get": "runs"}), name="api-drift-check-runs"
    ),
    path("business-proxies/", BusinessProxyViewSet.as_view(COLLECTION), name="api-business-proxy-list"),
    path(
        "business-proxies/<str:model_name>/<str:proxy>/",
        BusinessProxyViewSet.as_view({**ITEM, "delete": "destroy"}),
        name="api-business-proxy",
    ),
    path(
        "business-proxies/<str:model_name>/<str:proxy>/values/",
        BusinessProxyViewSet.as_view({"post": "push"}),
        name="api-business-proxy-values",
    ),
]
