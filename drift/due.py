"""Which checks are due: a pure function of the watched versions, the runs and the time; and telling the workers.

Windows end at whole multiples of the interval, so everybody who asks names the same run, and telling a worker twice
runs it once. Only the newest window is due: what was missed while everything was down is not made up for, since
drift is about now.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet
from kombu.exceptions import OperationalError

from drift.claims import claim_expires
from drift.edits import ensure_checks
from drift.models import CheckRun
from drift.tasks import enqueue
from drift.watched import Watched, load_watched, sync_statuses

log = logging.getLogger(__name__)

# Serving flushes its log every few seconds: a window is read when its last rows have arrived.
SETTLE = timedelta(seconds=10)
# A message may be lost: a run that nobody has started by then is told again.
TELL_AGAIN = timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a run that isn't new."""

    dispatched_at: datetime | None
    started_at: datetime | None
    finished: bool


@dataclass(frozen=True, slots=True)
class Due:
    """A run that a worker has to be told of."""

    check_pk: int
    version_pk: int
    version: str
    window_start: datetime
    window_end: datetime


@dataclass(frozen=True, slots=True)
class Dispatched:
    """How many runs workers were told of, and why it stopped, where it did."""

    count: int
    error: str = ""


def due(watched: Iterable[Watched], runs: Mapping[tuple[int, datetime], Told], now: datetime) -> list[Due]:
    """The runs that should be under way by `now` and are not. `runs` is keyed by version and window end."""
    found = []
    for each in watched:
        check, end = each.check, newest_window_end(each.check.interval_seconds, now)
        if check.paused or not check.pk or end < first_due(each):
            continue
        if _wanted(runs.get((each.version_pk, end)), check.timeout_seconds, now):
            start = end - timedelta(seconds=check.window_seconds)
            found.append(Due(check.pk, each.version_pk, each.version, start, end))
    return found


def newest_window_end(interval_seconds: int, now: datetime) -> datetime:
    """The newest multiple of the interval whose rows have arrived."""
    seconds = int((now - SETTLE).timestamp())
    return datetime.fromtimestamp(seconds - seconds % interval_seconds, UTC)


def first_due(watched: Watched) -> datetime:
    """The end of the first window that may be expected of a version."""
    interval = watched.check.interval_seconds
    since = max(watched.check.first_due_at, watched.since).timestamp()
    return datetime.fromtimestamp(-(-since // interval) * interval, UTC)


def _wanted(told: Told | None, timeout_seconds: int, now: datetime) -> bool:
    if told is None:
        return True
    if told.finished:
        return False
    if told.started_at is not None and now < claim_expires(told.started_at, timeout_seconds):
        return False
    return told.dispatched_at is None or now >= told.dispatched_at + TELL_AGAIN


def dispatch_due(now: datetime, tell: Callable[[int, str, datetime], None] = enqueue) -> Dispatched:
    """Tell the workers (`tell`) of every due run; called by the loop, again and again.

    Also gives each serving model a check, and each version with traffic a status. A broker that is down ends it with
    the reason; what was not told is due again the next time.
    """
    ensure_checks()
    watched = load_watched()
    sync_statuses(watched)
    found = due(watched, _runs(watched, now), now)
    _note(found, now)
    for position, each in enumerate(found):
        try:
            tell(each.check_pk, each.version, each.window_end)
        except (OperationalError, OSError) as error:
            _forget(found[position:])
            log.warning("Drift checks wait for the broker: %s", error)
            return Dispatched(position, f"The broker can't be reached: {error}")
    return Dispatched(len(found))


def _runs(watched: Iterable[Watched], now: datetime) -> dict[tuple[int, datetime], Told]:
    ends = {newest_window_end(each.check.interval_seconds, now) for each in watched}
    rows = CheckRun.objects.filter(window_end__in=ends).values_list(
        "version_id", "window_end", "dispatched_at", "started_at", "finished_at"
    )
    return {
        (version, end): Told(dispatched, started, finished is not None)
        for version, end, dispatched, started, finished in rows
    }


def _note(found: list[Due], now: datetime) -> None:
    """Written before the broker is asked: a loop that dies in between costs TELL_AGAIN, never a flood of messages."""
    CheckRun.objects.bulk_create(
        [
            CheckRun(
                drift_check_id=each.check_pk,
                version_id=each.version_pk,
                window_start=each.window_start,
                window_end=each.window_end,
            )
            for each in found
        ],
        ignore_conflicts=True,
    )
    _runs_of(found).update(dispatched_at=now)


def _forget(found: list[Due]) -> None:
    _runs_of(found).filter(started_at__isnull=True).update(dispatched_at=None)


def _runs_of(found: list[Due]) -> QuerySet[CheckRun]:
    versions = {each.version_pk for each in found}
    ends = {each.window_end for each in found}
    # A version has one interval, so this names exactly the runs of `found`.
    return CheckRun.objects.filter(version_id__in=versions, window_end__in=ends, finished_at__isnull=True)
