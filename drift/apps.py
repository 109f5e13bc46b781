"""The room as a Django app."""

from django.apps import AppConfig


class DriftConfig(AppConfig):
    name = "drift"
    verbose_name = "Drift"
    default_auto_field = "django.db.models.BigAutoField"
