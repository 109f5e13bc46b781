"""Checks on demand: for Airflow, cron or a person who doesn't want to wait."""

from datetime import datetime, timedelta

from django.utils import timezone

from drift import claims
from drift.due import newest_window_end
from drift.models import CheckRun, DriftCheck
from drift.tasks import enqueue
from models_registry.models import ModelVersion, Traffic

CLOCK_SKEW = timedelta(seconds=60)


class NotTriggered(ValueError):
    """The check can't run now; the message names the remedy."""


def versions_with_traffic(check: DriftCheck) -> list[ModelVersion]:
    """The live version, then the canary."""
    traffic = Traffic.objects.select_related("live", "canary").filter(model=check.model_id).first()
    return [version for version in (traffic.live, traffic.canary) if version] if traffic else []


def trigger(check: DriftCheck, window_end: datetime | None = None) -> list[CheckRun]:
    """Tell workers to run that window (None: the newest whole one) for each version with traffic; the runs.

    Safe to retry: a window that is finished or under way isn't run again, one whose source failed is. Raises
    NotTriggered; OperationalError where the broker is down.
    """
    runs = planned(check, window_end)
    for run in runs:
        claims.reopen(run)
        if run.finished_at is None:
            enqueue(check.pk, run.version.version, run.window_end)
            CheckRun.objects.filter(pk=run.pk).update(dispatched_at=timezone.now())
    return runs


def planned(check: DriftCheck, window_end: datetime | None = None) -> list[CheckRun]:
    """The runs of that window, one for each version with traffic, made where there are none yet."""
    now = timezone.now()
    if check.paused:
        raise NotTriggered(f"The {check} is paused: resume it first.")
    if window_end is not None and window_end > now + CLOCK_SKEW:
        raise NotTriggered(f"The window ends at {window_end.isoformat()}, in the future: name a time that has passed.")
    versions = versions_with_traffic(check)
    if not versions:
        raise NotTriggered(f"No version of {check.model} has traffic: deploy one first.")
    end = window_end or newest_window_end(check.interval_seconds, now)
    return [claims.planned_run(check, version, end) for version in versions]
