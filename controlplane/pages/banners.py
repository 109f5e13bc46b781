"""What can't be reached or doesn't work, said on the page."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from alerts.models import SilenceReminder, TicketDigest
from alerts.views.frame import partial
from controlplane.models import LoopState, Peer, Release
from models_registry.models import Receiver

# Runs of the loop that may be missed before the page says so.
MISSED_RUNS = 4
SLOWEST = timedelta(minutes=2)
MOST_REMINDERS = 5
MOST_DIGESTS = 3
# Longer ago, the newest one of the team says it on the team's page.
DIGESTS_SHOWN = timedelta(hours=24)
CONSEQUENCES = {
    Peer.Name.PROMETHEUS: "Health, alerts and live numbers are unknown until it answers.",
    Peer.Name.ALERTMANAGER: "Nobody is notified while it is down.",
    Peer.Name.GRAFANA: "Annotations wait; nothing else is affected.",
    Peer.Name.REDIS: "The loop pauses until it is back; rolling back and publishing by hand still work.",
}
FURTHER = "The others of its kind go on; it gets the current release when it answers again."


@dataclass(frozen=True, slots=True)
class Banner:
    """One thing that is wrong. `level` is bad or notice."""

    level: str
    title: str
    text: str
    since: datetime | None = None
    link: str = ""
    link_text: str = ""


@login_required
def show(request: HttpRequest) -> HttpResponse:
    """The banners alone: every page asks for them, and asks again."""
    return partial(request, "plumbline/banners.html", {"banners": banners(timezone.now())})


def banners(now: datetime) -> list[Banner]:
    """What is wrong with Plumbline itself, which teams were not told what they missed, and which silences end though
    they are needed, in six queries."""
    found = [_peer(peer) for peer in Peer.objects.filter(reachable=False).order_by("name")]
    if loop := _loop(LoopState.objects.first(), now):
        found.append(loop)
    if not Receiver.objects.filter(team__name=settings.PLATFORM_TEAM).exists():
        found.append(_nobody_minds())
    newest = Release.objects.exclude(outcome__in=[*Release.UNFINISHED, Release.Outcome.SUPERSEDED]).first()
    if newest is not None and newest.outcome not in Release.GOOD:
        found.append(
            Banner(
                "bad",
                "The newest release didn't get through",
                "The servers run an older state than the registry says. " + newest.reason.split("\n")[0][:300],
                newest.finished_at,
                reverse("release", args=[newest.pk]),
                f"Release {newest.pk}",
            )
        )
    found += _digests(now)
    return found + [
        Banner(
            "notice",
            f"The silence of {reminder.what} ends soon, and it still fires",
            f"{reminder.author} silenced it until {reminder.ends_at:%H:%M} UTC; then its team is told again.",
            None,
            reverse("silences"),
            "Silences",
        )
        for reminder in SilenceReminder.objects.filter(stands=True, ends_at__gt=now)[:MOST_REMINDERS]
    ]


def _digests(now: datetime) -> list[Banner]:
    """Digests that failed, or were tried in vain so far."""
    failing = TicketDigest.objects.exclude(state__in=[TicketDigest.State.SENT, TicketDigest.State.NOTHING])
    failing = failing.filter(hours_began_at__gt=now - DIGESTS_SHOWN).exclude(last_error="").select_related("team")
    return [
        Banner(
            "notice",
            f"The team {digest.team} wasn't told what it missed while its tickets were muted",
            f"{digest.last_error} "
            + ("It is tried again." if digest.state == TicketDigest.State.WAITING else "It was given up.")
            + " The incidents have all of it.",
            digest.hours_began_at,
            reverse("admin:models_registry_team_change", args=[digest.team_id]),
            f"Team {digest.team}",
        )
        for digest in failing[:MOST_DIGESTS]
    ]


def _nobody_minds() -> Banner:
    return Banner(
        "bad",
        "Nobody is told when Plumbline itself is down",
        f"PLATFORM_TEAM names the team {settings.PLATFORM_TEAM}, which doesn't exist or has no receiver. Alerts about "
        "Plumbline, and of teams without a receiver, reach nobody.",
        None,
        reverse("admin:models_registry_team_changelist"),
        "Teams",
    )


def _peer(peer: Peer) -> Banner:
    consequence = CONSEQUENCES[peer.kind] if peer.first else FURTHER
    level = "notice" if peer.kind == Peer.Name.GRAFANA else "bad"
    return Banner(level, f"{peer.label} can't be reached", f"{peer.message} {consequence}".strip(), peer.since)


def _loop(state: LoopState | None, now: datetime) -> Banner | None:
    patience = max(timedelta(seconds=MISSED_RUNS * settings.RECONCILE_INTERVAL_SECONDS), SLOWEST)
    last = state.finished_at if state else None
    if last is not None and last > now - patience:
        return None
    text = "What the registry says isn't being carried out. Is the worker running, and beat?"
    if last is None:
        return Banner("bad", "The loop has never run", text)
    return Banner("bad", "The loop has stopped", text, last)
