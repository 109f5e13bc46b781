"""Addresses of the pages that join the rooms."""

from django.urls import path

from controlplane.pages import changes, home, model, releases

urlpatterns = [
    path("", home.home, name="home"),
    path("models/<str:name>/", model.show, name="model"),
    path("models/<str:name>/live/", model.live, name="model-live"),
    path("releases/", releases.index, name="releases"),
    path("releases/<int:pk>/", releases.detail, name="release"),
    path("changes/", changes.index, name="changes"),
    path("changes/<uuid:uuid>/", changes.detail, name="change"),
]
