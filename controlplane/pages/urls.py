"""Addresses of the pages that join the rooms."""

from django.urls import path

from controlplane.pages import alert, backtest, banners, changes, drift_check, home, live_check, model, releases, who

urlpatterns = [
    path("", home.home, name="home"),
    path("who/", who.show, name="who"),
    path("banners/", banners.show, name="banners"),
    path("models/<str:name>/", model.show, name="model"),
    path("models/<str:name>/alerts/<str:alert>/", alert.show, name="model-alert"),
    path("backtest/", backtest.choose, name="backtest-models"),
    path("models/<str:name>/backtest/", backtest.show, name="backtest"),
    path("models/<str:name>/drift-check/", drift_check.panel, name="drift-check-panel"),
    path("models/<str:name>/drift-check/pause/", drift_check.pause, name="pause-check"),
    path("models/<str:name>/drift-check/resume/", drift_check.resume, name="resume-check"),
    path("models/<str:name>/live/", model.live, name="model-live"),
    path("releases/", releases.index, name="releases"),
    path("releases/<int:pk>/", releases.detail, name="release"),
    path("releases/<int:pk>/live/", live_check.show, name="release-live"),
    path("changes/", changes.index, name="changes"),
    path("changes/<uuid:uuid>/", changes.detail, name="change"),
]
