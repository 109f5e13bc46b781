"""Who may run a window, and whose verdict counts. Conditional updates, which hold on SQLite and Postgres alike.

A run is claimed by setting `started_at` where nobody has a valid claim. That time also fences it: a worker that lost
its claim meanwhile finds another time there and stores nothing.
"""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from drift.engine.verdict import DRIFTED, INSUFFICIENT_DATA, OK, SOURCE_FAILED, Verdict
from drift.models import CheckRun, CheckStatus, DriftCheck
from models_registry.models import ModelVersion

# A claim outlives its check's time limit by this much before somebody else may take it.
CLAIM_MARGIN = timedelta(seconds=60)
# A run that killed its worker so often (by its memory, say) is given up.
MAX_ATTEMPTS = 3
# Runs of a version that are older by this much than the one just finished are deleted.
KEPT = timedelta(days=30)
# The check did its work, whatever it found: what MLDriftCheckStale counts.
SUCCESS = frozenset({OK, DRIFTED, INSUFFICIENT_DATA})


def claim_expires(started_at: datetime, timeout_seconds: int) -> datetime:
    """When a run that was started and not finished belongs to a worker that is gone."""
    return started_at + timedelta(seconds=timeout_seconds) + CLAIM_MARGIN


def planned_run(check: DriftCheck, version: ModelVersion, window_end: datetime) -> CheckRun:
    """The run of that window, made where there is none yet."""
    start = window_end - timedelta(seconds=check.window_seconds)
    run, _ = CheckRun.objects.get_or_create(
        drift_check=check, version=version, window_end=window_end, defaults={"window_start": start}
    )
    return run


def claim(run: CheckRun, timeout_seconds: int) -> bool:
    """Make the run ours. False: it is finished, or somebody is at it, or it has been given up just now."""
    now = timezone.now()
    expired = now - timedelta(seconds=timeout_seconds) - CLAIM_MARGIN
    free = Q(started_at__isnull=True) | Q(started_at__lte=expired)
    if not CheckRun.objects.filter(free, pk=run.pk, finished_at__isnull=True).update(
        started_at=now, attempts=F("attempts") + 1
    ):
        return False
    run.refresh_from_db()
    if run.attempts > MAX_ATTEMPTS:
        killed = f"{MAX_ATTEMPTS} workers were killed over it: shorten the window, or give the workers more memory."
        finish(run, Verdict(SOURCE_FAILED, killed))
        return False
    return True


def finish(run: CheckRun, verdict: Verdict) -> bool:
    """Store the verdict of a run that is claimed. False: the claim was lost meanwhile, and nothing is stored."""
    now = timezone.now()
    with transaction.atomic():
        if not CheckRun.objects.filter(pk=run.pk, started_at=run.started_at, finished_at__isnull=True).update(
            finished_at=now,
            state=verdict.state,
            reason=verdict.reason,
            rows=verdict.rows,
            result=verdict.document(),
        ):
            return False
        _move_status(run, verdict.state in SUCCESS, now)
    run.refresh_from_db()
    CheckRun.objects.filter(version=run.version_id, window_end__lt=run.window_end - KEPT).delete()
    return True


def reopen(run: CheckRun) -> None:
    """Let a run whose source failed be run again. Its status goes on saying so until then."""
    CheckRun.objects.filter(pk=run.pk, state=SOURCE_FAILED, finished_at__isnull=False).update(
        finished_at=None, started_at=None, dispatched_at=None, attempts=0
    )
    run.refresh_from_db()


def create_status(check_pk: int, version_pk: int, since: datetime) -> None:
    """A status that says never run, unless there is one, or its version was deleted a moment ago."""
    try:
        with transaction.atomic():
            CheckStatus.objects.get_or_create(
                version_id=version_pk, defaults={"drift_check_id": check_pk, "since": since}
            )
    except IntegrityError:
        return


def _move_status(run: CheckRun, success: bool, now: datetime) -> None:
    """The version's status points at its newest window: a late finish of an older one doesn't bring it back."""
    create_status(run.drift_check_id, run.version_id, run.window_end)
    newer = Q(latest_window_end__isnull=True) | Q(latest_window_end__lte=run.window_end)
    moved = {"latest_id": run.pk, "latest_window_end": run.window_end}
    if success:
        moved["last_success_at"] = now
    CheckStatus.objects.filter(newer, version=run.version_id).update(**moved)
