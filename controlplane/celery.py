"""The Celery app, for `celery -A controlplane worker` and `beat`. Its settings are those of Django's named CELERY_…"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
app = Celery("plumbline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
