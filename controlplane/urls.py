"""Every address, in one place."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from alerts.incidents_api import IncidentViewSet
from controlplane.api.alert_values import ModelAlertsView, ModelAlertView
from controlplane.api.backtest import BacktestView
from controlplane.api.bundle import BundleView, TargetsView
from controlplane.api.preview import CustomAlertPreviewView, ObjectivePreviewView, PolicyPreviewView
from controlplane.api.releases import ReleaseViewSet
from controlplane.api.root import ApiRootView
from controlplane.api.who import WhoView
from controlplane.control_metrics import metrics
from controlplane.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("api/", ApiRootView.as_view(), name="api-root"),
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    path("api/models/<str:model_name>/backtest/", BacktestView.as_view(), name="api-model-backtest"),
    path("api/models/<str:model_name>/alerts/", ModelAlertsView.as_view(), name="api-model-alert-list"),
    path("api/models/<str:model_name>/alerts/<str:alert>/", ModelAlertView.as_view(), name="api-model-alert"),
    path("api/", include("models_registry.urls")),
    path("api/", include("drift.urls")),
    path("api/releases/", ReleaseViewSet.as_view({"get": "list"}), name="api-release-list"),
    path("api/releases/<int:pk>/", ReleaseViewSet.as_view({"get": "retrieve"}), name="api-release"),
    path(
        "api/releases/<int:pk>/live-check/",
        ReleaseViewSet.as_view({"post": "live_check"}),
        name="api-release-live-check",
    ),
    path("api/who/", WhoView.as_view(), name="api-who"),
    path("api/bundle", BundleView.as_view(), name="api-bundle"),
    path("api/targets/<str:job>", TargetsView.as_view(), name="api-targets"),
    path("api/incidents/", IncidentViewSet.as_view({"get": "list"}), name="api-incident-list"),
    path("api/incidents/<int:pk>/", IncidentViewSet.as_view({"get": "retrieve"}), name="api-incident"),
    path("api/alert-policies/preview/", PolicyPreviewView.as_view(), name="api-alert-policy-preview"),
    path("api/custom-alerts/<str:name>/preview/", CustomAlertPreviewView.as_view(), name="api-custom-alert-preview"),
    path(
        "api/objectives/<str:model_name>/<str:objective>/preview/",
        ObjectivePreviewView.as_view(),
        name="api-objective-preview",
    ),
    path("api/", include("alerts.api_urls")),
    path("", include("alerts.urls")),
    path("", include("dashboards.urls")),
    path("", include("controlplane.pages.urls")),
]

handler400 = "controlplane.pages.errors.bad_request"
handler403 = "controlplane.pages.errors.forbidden"
handler404 = "controlplane.pages.errors.not_found"
handler500 = "controlplane.pages.errors.server_error"
