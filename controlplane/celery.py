"""The Celery app, for `celery -A controlplane worker` and `beat`. Its settings are those of Django's named CELERY_…"""

import os
from logging.config import dictConfig
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
app = Celery("plumbline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_as_all_processes_do(**_: Any) -> None:
    """Worker and beat log as LOG_LEVEL says, in the place of Celery's own --loglevel (WARNING where it isn't given)."""
    dictConfig(settings.LOGGING)
