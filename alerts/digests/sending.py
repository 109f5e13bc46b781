"""Ticket digests: at the beginning of a team's hours, what it was not told of while its tickets were muted.

Alertmanager drops what comes and goes while muted, and the end of what fired before. Both are incidents here.

1. A team whose hours have begun gets one row for that beginning, however often and by whomever this runs.
2. A due row is claimed by a conditional update that raises its attempts, so that one worker alone sends it.
3. The outcome is written only by the attempt that is still the latest. What failed is due again after a pause.
"""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from alerts.digests.text import Digest, MutedAlert
from alerts.hours import Hours
from alerts.models import Incident, TicketDigest
from alerts.receivers.posting import NotDelivered
from alerts.receivers.slices import DELIVERIES
from alerts.who import who
from models_registry.fleet import Fleet, FleetReceiver, FleetTeam
from models_registry.models import Team

LOG = logging.getLogger(__name__)
State = TicketDigest.State
# The last messages of the night are on their way when the hours begin.
SETTLING = timedelta(minutes=1)
# Seconds for one delivery. Each wait has its own time-out, but whoever drips his answer keeps each wait short.
LONGEST_DELIVERY = 45.0
# Longer than that.
LEASE = timedelta(minutes=2)
# Seconds after which a pass begins no other delivery, so that what does not answer holds up nothing else.
PATIENCE = 20.0
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=15)
GIVE_UP_AFTER = timedelta(hours=8)
KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Digested:
    """What one pass did: digests `sent`, and those `waiting` for another try."""

    sent: int = 0
    waiting: int = 0


def ticket_receiver(team: FleetTeam) -> FleetReceiver | None:
    """Where the team gets its tickets."""
    return next((each for each in team.receivers if each.severity == "ticket"), None)


def send_digests(fleet: Fleet, routes: Mapping[str, Any], now: datetime) -> Digested:
    """Send what is due. `routes`: the rendered alertmanager.yml as data. Not for use inside a transaction."""
    _note_beginnings(fleet, now)
    sent, began = 0, time.monotonic()
    due = TicketDigest.objects.filter(state=State.WAITING, next_attempt_at__lte=now).select_related("team")
    for digest in due.order_by("next_attempt_at", "pk"):
        if time.monotonic() - began > PATIENCE:
            break
        team = fleet.team_by_name.get(digest.team.name)
        if team is not None and _claim(digest, now):
            sent += _send(digest, team, routes, now)
    return Digested(sent, TicketDigest.objects.filter(state=State.WAITING).count())


def _note_beginnings(fleet: Fleet, now: datetime) -> None:
    begun = {}
    for team in fleet.teams:
        hours = Hours.of(team)
        if hours is None or not hours.contain(now) or ticket_receiver(team) is None:
            continue
        start = hours.began(now)
        before = hours.ended(start) if start else None
        if start is not None and before is not None and start <= now - SETTLING:
            begun[team.name] = (start, before)
    known = set(
        TicketDigest.objects.filter(hours_began_at__in={start for start, _ in begun.values()}).values_list(
            "team__name", "hours_began_at"
        )
    )
    missing = {name: moments for name, moments in begun.items() if (name, moments[0]) not in known}
    if not missing:
        return
    keys = dict(Team.objects.filter(name__in=missing).values_list("name", "pk"))
    rows = [
        TicketDigest(team_id=keys[name], hours_began_at=start, muted_from=before, next_attempt_at=now)
        for name, (start, before) in missing.items()
        if name in keys
    ]
    # Another worker may note the same beginnings at the same time.
    TicketDigest.objects.bulk_create(rows, ignore_conflicts=True)
    TicketDigest.objects.filter(hours_began_at__lt=now - KEPT).delete()


def _claim(digest: TicketDigest, now: datetime) -> bool:
    """Written before anything is sent: whatever happens next, nobody else sends it meanwhile."""
    claimed = TicketDigest.objects.filter(
        pk=digest.pk, state=State.WAITING, attempts=digest.attempts, next_attempt_at__lte=now
    ).update(attempts=F("attempts") + 1, next_attempt_at=timezone.now() + LEASE)
    digest.attempts += claimed
    return bool(claimed)


def _send(digest: TicketDigest, team: FleetTeam, routes: Mapping[str, Any], now: datetime) -> bool:
    receiver = ticket_receiver(team)
    if receiver is None:
        # Taken away since the hours began; the routes of now no longer lead to it.
        gone = "The team has no receiver for tickets any more."
        _record(digest, state=State.IMPOSSIBLE, last_error=gone)
        return False
    told = muted_alerts(digest, team, routes)
    if not told:
        _record(digest, state=State.NOTHING, last_error="")
        return False
    try:
        _deliver(receiver, _digest(digest, team, told))
    except NotDelivered as error:
        LOG.warning("the digest %s was not delivered: %s", digest, error)
        late = now > digest.hours_began_at + GIVE_UP_AFTER
        again = {"state": State.FAILED} if late else {"next_attempt_at": now + _pause(digest.attempts)}
        had_by = sorted({*digest.had_by, *error.had_by})
        _record(digest, alerts=len(told), last_error=str(error)[:300], had_by=had_by, **again)
        return False
    _record(digest, state=State.SENT, alerts=len(told), sent_at=now, last_error="")
    return True


def _deliver(receiver: FleetReceiver, digest: Digest) -> None:
    """Raises NotDelivered, also where it takes too long; then it may yet arrive."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="digest")
    try:
        pool.submit(DELIVERIES[receiver.kind], receiver, digest).result(LONGEST_DELIVERY)
    except TimeoutError as error:
        raise NotDelivered(f"The {receiver.kind} receiver took over {LONGEST_DELIVERY:g} seconds.") from error
    finally:
        # Not waited for: whatever hangs there holds up nothing here.
        pool.shutdown(wait=False)


def _digest(digest: TicketDigest, team: FleetTeam, told: list[MutedAlert]) -> Digest:
    return Digest(
        identity=str(digest),
        team=team.name,
        muted_from=digest.muted_from,
        began_at=digest.hours_began_at,
        told=tuple(told),
        link=f"{settings.PLUMBLINE_URL}/incidents/",
        had_by=frozenset(digest.had_by),
    )


def muted_alerts(digest: TicketDigest, team: FleetTeam, routes: Mapping[str, Any]) -> list[MutedAlert]:
    """What began or ended while the team's tickets were muted, by the routes of now; the oldest first."""
    since, until = digest.muted_from, digest.hours_began_at
    within = Q(starts_at__gte=since, starts_at__lt=until) | Q(ends_at__gte=since, ends_at__lt=until)
    # Of all teams: which are this one's is known only by the routes.
    rows = Incident.objects.filter(within).order_by("starts_at", "pk").iterator()
    return [_told(row) for row in rows if _was_muted(row, f"{team.name}/ticket", routes, since, until)]


def _was_muted(row: Incident, receiver: str, routes: Mapping[str, Any], since: datetime, until: datetime) -> bool:
    moments = [at for at in (row.starts_at, row.ends_at) if at is not None and since <= at < until]
    return any(
        told.receiver == receiver and not told.now for at in moments for told in who(routes, row.labels, at).told
    )


def _told(row: Incident) -> MutedAlert:
    return MutedAlert(
        alert=row.alert,
        model_name=row.model_name,
        summary=str(row.annotations.get("summary", "")),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        unheard=row.source == Incident.Source.PROMETHEUS,
        link=f"{settings.PLUMBLINE_URL}/incidents/{row.pk}/",
        labels=row.labels,
        annotations=row.annotations,
    )


def _pause(attempts: int) -> timedelta:
    return min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE)


def _record(digest: TicketDigest, **outcome: object) -> None:
    """The outcome of this attempt, unless a later one has taken over."""
    TicketDigest.objects.filter(pk=digest.pk, attempts=digest.attempts, state=State.WAITING).update(**outcome)
