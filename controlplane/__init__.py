"""The composition. The Celery app is loaded with it, so that tasks belong to it in every process."""

from controlplane.celery import app as celery_app

__all__ = ["celery_app"]
