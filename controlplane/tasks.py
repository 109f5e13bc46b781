"""What workers do for the loop."""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from controlplane.reconcile import run_alone

NAME = "controlplane.reconcile"


@shared_task(name=NAME)
def reconcile(wanted_at: str = "") -> str:
    """One run of the loop, unless one is under way or has begun since `wanted_at` (ISO 8601)."""
    asked = datetime.fromisoformat(wanted_at) if wanted_at else timezone.now()
    outcome = run_alone(asked)
    return "busy" if outcome is None else str(outcome)
