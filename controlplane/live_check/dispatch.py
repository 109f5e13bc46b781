"""Telling a worker that a release is to be looked at: the loop only looks whether one is, and asks nobody itself."""

from datetime import datetime

from django.conf import settings

from controlplane.celery import app
from controlplane.live_check.turns import begin, due
from controlplane.publishing.release_files import ReleaseFiles

TASK = "controlplane.live_check"


def dispatch(now: datetime) -> str:
    """Returns what was done. Raises kombu's OperationalError or OSError where the broker is down; it is told again."""
    begin(ReleaseFiles.from_settings(settings).current_hash(), now)
    if not due(now).exists():
        return "nothing is due"
    # One that waited for a worker for longer is replaced by the next run's.
    app.send_task(TASK, expires=settings.RECONCILE_INTERVAL_SECONDS, retry=False, ignore_result=True)
    return "a worker was told"
