"""Which releases Prometheus is asked about, and whose turn it is. The asking itself: controlplane.live_check.run.

1. The loop gives the newest published release a row, some evaluations after it was published, and tells a worker while
   a row is due. What was left over of an older release goes over to it, since those rules are still loaded.
2. A worker claims the row by a conditional UPDATE, looks at some groups, and writes down what it found under its claim.
   One that dies leaves a claim that expires: the next run does the same groups again.
3. Where something is wrong, odd or not known, those groups are looked at again, sooner at first, for about a day.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from controlplane.live_check.report import unsettled
from controlplane.models import LiveCheck, Release
from controlplane.publishing.rendered_rules import Key

# No task lives longer (CELERY_TASK_TIME_LIMIT), so that whoever claimed it is gone.
LEASE = timedelta(seconds=300)
# Recorded series of a new window need a few evaluations.
SETTLING_INTERVALS = 2
# What is missing right after a start is there soon: the first looks come quickly, later ones for about a day.
AGAIN = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
MOST_LOOKS = 26
State = LiveCheck.State


class NotCurrent(Exception):
    """Prometheus runs another release by now, so that it can't be asked about this one."""


def begin(current: str, now: datetime) -> None:
    """See to it that the newest published release, where its hash is `current`, is looked at."""
    newest = _newest()
    if newest is None or newest.hash != current or LiveCheck.objects.filter(release=newest).exists():
        return
    settled = (newest.finished_at or now) + timedelta(seconds=SETTLING_INTERVALS * settings.EVALUATION_INTERVAL_SECONDS)
    with transaction.atomic():
        left = _take_over(newest)
        # The first release is its own base: all of it is new.
        whole = newest.base_hash in ("", newest.hash) or left is None
        changed = {(path, name) for path, name in newest.changed_groups}
        todo = None if whole else [list(key) for key in sorted(changed | (left or set()))]
        LiveCheck.objects.get_or_create(release=newest, defaults={"whole": whole, "todo": todo, "due_at": settled})


def ask(release: Release, current: str, now: datetime, *, prove: bool) -> LiveCheck:
    """Have all of `release` looked at, and with `prove` all its proofs run. NotCurrent where it isn't `current`.

    Asking again while that is under way changes nothing.
    """
    if release.hash != current:
        raise NotCurrent("The servers run another release by now: ask about that one.")
    with transaction.atomic():
        _take_over(release)
        check, _ = LiveCheck.objects.get_or_create(release=release, defaults={"state": State.DONE})
        wanted = LiveCheck.objects.filter(pk=check.pk).exclude(state__in=LiveCheck.UNFINISHED, whole=True)
        wanted.update(state=State.WAITING, whole=True, todo=None, looks=0, problem="", claim="", due_at=now)
        if prove:
            LiveCheck.objects.filter(pk=check.pk).update(prove=True)
    check.refresh_from_db()
    return check


def due(now: datetime) -> QuerySet[LiveCheck]:
    """The rows that somebody should work at."""
    waiting = ~Q(state=State.RUNNING) & Q(due_at__lte=now)
    return LiveCheck.objects.filter(waiting | Q(state=State.RUNNING, claimed_at__lte=now - LEASE)).order_by("-pk")


def claim(now: datetime) -> LiveCheck | None:
    """A row for this worker alone; None where none is due, or another was quicker."""
    found = due(now).first()
    if found is None:
        return None
    mine = uuid.uuid4().hex
    free = due(now).filter(pk=found.pk, claim=found.claim)
    if not free.update(state=State.RUNNING, claim=mine, claimed_at=now):
        return None
    return LiveCheck.objects.select_related("release").defer("release__diff", "release__log").get(pk=found.pk)


def give_back(check: LiveCheck, **fields: Any) -> bool:
    """Write what a run found, and let the row go; False where the claim was somebody else's by then."""
    mine = LiveCheck.objects.filter(pk=check.pk, claim=check.claim, state=State.RUNNING)
    return bool(mine.update(claim="", claimed_at=None, **fields))


def worked_off(check: LiveCheck, found: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The fields of a row of which nothing is left to do: done, or for another look later."""
    again = unsettled(found)
    looks = check.looks + 1
    due_at = now + AGAIN[min(looks, len(AGAIN)) - 1] if again and looks < MOST_LOOKS else None
    return {
        "state": State.DONE,
        "todo": [list(key) for key in again] if due_at else [],
        "looks": F("looks") + 1,
        "due_at": due_at,
        "finished_at": now,
    }


def _newest() -> Release | None:
    published = Release.objects.filter(outcome=Release.Outcome.PUBLISHED).order_by("-pk")
    return published.defer("diff", "log", "restarted_alerts", "pending_alerts").first()


def _take_over(release: Release) -> set[Key] | None:
    """End the checks of other releases; the groups that they were not done with. None: all of one, uncounted."""
    others = LiveCheck.objects.exclude(release=release).filter(due_at__isnull=False)
    left: set[Key] | None = set()
    for check in others:
        left = None if left is None or check.todo is None else left | _keys(check)
    others.update(state=State.SUPERSEDED, claim="", due_at=None)
    return left


def _keys(check: LiveCheck) -> set[Key]:
    todo: Iterable[list[str]] = check.todo or ()
    return {(path, name) for path, name in todo} | set(unsettled(check.found))
