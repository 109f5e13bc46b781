"""What workers do. A message may come twice, late or never: the run's claim makes that harmless."""

import logging
from datetime import datetime

from celery import shared_task

from drift.models import DriftCheck
from drift.run import run_window
from models_registry.models import ModelVersion

log = logging.getLogger(__name__)

# Above the longest time limit of a scan (DriftCheck.timeout_seconds), which ends a check in an orderly way.
SOFT_TIME_LIMIT = 270
TIME_LIMIT = 300


@shared_task(
    name="drift.run_check",
    acks_late=True,
    reject_on_worker_lost=True,
    soft_time_limit=SOFT_TIME_LIMIT,
    time_limit=TIME_LIMIT,
)
def run_check(check_id: int, version: str, window_end: str) -> str:
    """One window of one version; the state that it ended in, empty where another worker is at it."""
    check = DriftCheck.objects.select_related("model").filter(pk=check_id).first()
    row = ModelVersion.objects.filter(model=check.model_id, version=version).first() if check else None
    if check is None or row is None:
        log.info("The check %s or its version %s was deleted: nothing to do", check_id, version)
        return ""
    return run_window(check, row, datetime.fromisoformat(window_end)).state


def enqueue(check_id: int, version: str, window_end: datetime) -> None:
    """Tell a worker. Raises kombu's OperationalError at once where the broker is down."""
    run_check.apply_async(args=(check_id, version, window_end.isoformat()), retry=False)
