"""The composition as a Django app."""

from django.apps import AppConfig

from controlplane.celery import app

# Loaded with Django, so that tasks belong to it in every process.
__all__ = ["ControlplaneConfig", "app"]


class ControlplaneConfig(AppConfig):
    name = "controlplane"
    verbose_name = "Control plane"
    default_auto_field = "django.db.models.BigAutoField"
