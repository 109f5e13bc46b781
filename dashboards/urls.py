"""The room's addresses."""

from django.urls import path

from dashboards import api, views

urlpatterns = [
    path("dashboards/go/", views.go, name="dashboard-go"),
    path("dashboards/starter.json", views.starter, name="dashboard-starter"),
    path("api/annotations/", api.AnnotationDeliveryList.as_view(), name="api-annotation-list"),
]
