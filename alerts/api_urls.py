"""The room's API, under /api/."""

from typing import Any

from django.urls import path

from alerts.api import CatalogueViewSet, CustomAlertViewSet, PolicyViewSet
from alerts.objectives_api import ObjectiveViewSet

COLLECTION: dict[str, Any] = {"get": "list", "post": "create"}
ITEM: dict[str, Any] = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}

urlpatterns = [
    path("alert-catalogue/", CatalogueViewSet.as_view({"get": "list"}), name="api-alert-catalogue"),
    path("alert-catalogue/<str:name>/", CatalogueViewSet.as_view({"get": "retrieve"}), name="api-alert-kind"),
    path("alert-policies/", PolicyViewSet.as_view(COLLECTION), name="api-alert-policy-list"),
    path("alert-policies/<str:alert>/<str:policy>/", PolicyViewSet.as_view(ITEM), name="api-alert-policy"),
    path("custom-alerts/", CustomAlertViewSet.as_view(COLLECTION), name="api-custom-alert-list"),
    path("custom-alerts/<str:name>/", CustomAlertViewSet.as_view(ITEM), name="api-custom-alert"),
    path("objectives/", ObjectiveViewSet.as_view(COLLECTION), name="api-objective-list"),
    path("objectives/<str:model_name>/<str:objective>/", ObjectiveViewSet.as_view(ITEM), name="api-objective"),
]
