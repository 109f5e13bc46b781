"""What workers do for the loop."""

from datetime import datetime

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from controlplane.live_check.dispatch import TASK as LIVE_CHECK
from controlplane.live_check.run import run
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.reconcile import run_alone

NAME = "controlplane.reconcile"


@shared_task(name=NAME)
def reconcile(wanted_at: str = "") -> str:
    """One run of the loop, unless one is under way or has begun since `wanted_at` (ISO 8601)."""
    asked = datetime.fromisoformat(wanted_at) if wanted_at else timezone.now()
    outcome = run_alone(asked)
    return "busy" if outcome is None else str(outcome)


@shared_task(name=LIVE_CHECK)
def live_check() -> str:
    """One run of what the running Prometheus is asked about a release, where one is due."""
    done = run(ReleaseFiles.from_settings(settings))
    return "nothing is due" if done is None else done.message
