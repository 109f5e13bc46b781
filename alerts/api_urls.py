"""The room's API, under /api/."""

from typing import Any

from django.urls import path

from alerts.api import CatalogueViewSet, CustomAlertViewSet, PolicyViewSet
from alerts.objectives_api import ObjectiveViewSet
from alerts.runbooks_api import RunbookViewSet
from alerts.silences.api import SilenceViewSet

COLLECTION: dict[str, Any] = {"get": "list", "post": "create"}
ITEM: dict[str, Any] = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}

urlpatterns = [
    path("alert-catalogue/", CatalogueViewSet.as_view({"get": "list"}), name="api-alert-catalogue"),
    path("alert-catalogue/<str:name>/", CatalogueViewSet.as_view({"get": "retrieve"}), name="api-alert-kind"),
    path("alert-policies/", PolicyViewSet.as_view(COLLECTION), name="api-alert-policy-list"),
    path("alert-policies/<str:alert>/<str:policy>/", PolicyViewSet.as_view(ITEM), name="api-alert-policy"),
    path("custom-alerts/", CustomAlertViewSet.as_view(COLLECTION), name="api-custom-alert-list"),
    path("custom-alerts/<str:name>/", CustomAlertViewSet.as_view(ITEM), name="api-custom-alert"),
    path("silences/", SilenceViewSet.as_view(COLLECTION), name="api-silence-list"),
    path(
        "silences/<str:identity>/",
        SilenceViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="api-silence",
    ),
    path("runbooks/", RunbookViewSet.as_view(COLLECTION), name="api-runbook-list"),
    path("runbooks/<str:alert>/<str:scope>/", RunbookViewSet.as_view(ITEM), name="api-runbook"),
    path("objectives/", ObjectiveViewSet.as_view(COLLECTION), name="api-objective-list"),
    path("objectives/<str:model_name>/<str:objective>/", ObjectiveViewSet.as_view(ITEM), name="api-objective"),
]
