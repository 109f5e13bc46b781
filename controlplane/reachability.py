"""Whom Plumbline can reach: kept in the database, so that pages and metrics can say who is unreachable, since when."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.conf import settings
from django.utils import timezone
from kombu.exceptions import ChannelError, OperationalError

from alerts.http import HttpClient, Refused, Unreachable, without_password
from controlplane.celery import app
from controlplane.models import Peer
from controlplane.publishing.servers import Servers

PROBE_SECONDS = 2.0
MESSAGE_CHARACTERS = 500


def note_reachability(now: datetime) -> list[str]:
    """Try every configured peer and write down how that went; the names of those that can't be reached."""
    servers = Servers.from_settings(settings, PROBE_SECONDS)
    probes: dict[str, Callable[[], str]] = {
        _numbered(kind, number): partial(_answers, server, "/-/ready")
        for kind, several in (
            (Peer.Name.PROMETHEUS, servers.prometheuses),
            (Peer.Name.ALERTMANAGER, servers.alertmanagers),
        )
        for number, server in enumerate(several, start=1)
    }
    probes[Peer.Name.REDIS] = _redis_answers
    if settings.GRAFANA_URL:
        probes[Peer.Name.GRAFANA] = partial(_answers, HttpClient(settings.GRAFANA_URL, PROBE_SECONDS), "/api/health")
    Peer.objects.exclude(name__in=list(probes)).delete()
    lost = []
    for name, probe in probes.items():
        message = probe()
        note(name, message, now)
        if message:
            lost.append(str(name))
    return lost


def note(name: str, message: str, now: datetime | None = None) -> None:
    """The peer can't be reached, `message` says why; empty: it can. `since` moves only when that changes."""
    now, reachable, message = now or timezone.now(), not message, message[:MESSAGE_CHARACTERS]
    row, created = Peer.objects.get_or_create(
        name=name, defaults={"reachable": reachable, "since": now, "checked_at": now, "message": message}
    )
    if not created:
        since = row.since if row.reachable == reachable else now
        Peer.objects.filter(name=name).update(reachable=reachable, since=since, checked_at=now, message=message)


def _numbered(kind: Peer.Name, number: int) -> str:
    return f"{kind}-{number}" if number > 1 else str(kind)


def _answers(client: HttpClient, path: str) -> str:
    """Empty where the server answers `path`, else why not."""
    try:
        client.text("GET", path)
    except (Unreachable, Refused) as error:
        return str(error)
    return ""


def _redis_answers() -> str:
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=0, timeout=PROBE_SECONDS)
    except (OperationalError, OSError) as error:
        return f"{without_password(settings.REDIS_URL)} can't be reached: {error}"
    return ""


def queue_length() -> int | None:
    """How many tasks wait for a worker; None where Redis doesn't answer."""
    try:
        with app.connection_for_write(transport_options={"socket_timeout": PROBE_SECONDS}) as connection:
            name = app.conf.task_default_queue
            return int(connection.default_channel.queue_declare(queue=name, passive=True).message_count)
    except ChannelError:
        return 0  # an empty queue does not exist in Redis
    except (OperationalError, OSError):
        return None
