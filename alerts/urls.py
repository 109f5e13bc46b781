"""Addresses of the on-call's pages and of the webhook."""

from django.urls import path

from alerts.views import webhook

urlpatterns = [
    path("api/alertmanager/webhook", webhook.receive, name="alertmanager-webhook"),
]
