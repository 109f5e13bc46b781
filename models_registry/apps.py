"""The room as a Django app."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    name = "models_registry"
    verbose_name = "Registry"
    default_auto_field = "django.db.models.BigAutoField"
