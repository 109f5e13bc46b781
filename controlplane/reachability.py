"""Whom Plumbline can reach: kept in the database, so that pages and metrics can say who is unreachable, since when."""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.utils import timezone
from kombu.exceptions import ChannelError, OperationalError

from alerts.alertmanager import Alertmanager
from alerts.http import HttpClient, Refused, Unreachable, without_password
from alerts.prometheus import Prometheus
from controlplane.celery import app
from controlplane.models import Peer

PROBE_SECONDS = 2.0
MESSAGE_CHARACTERS = 500


def note_reachability(now: datetime) -> list[str]:
    """Try every configured peer and write down how that went; the names of those that can't be reached."""
    probes: dict[str, Callable[[], str]] = {
        Peer.Name.PROMETHEUS: lambda: _answers(Prometheus(settings.PROMETHEUS_URL, PROBE_SECONDS), "/-/ready"),
        Peer.Name.ALERTMANAGER: lambda: _answers(Alertmanager(settings.ALERTMANAGER_URL, PROBE_SECONDS), "/-/ready"),
        Peer.Name.REDIS: _redis_answers,
    }
    if settings.GRAFANA_URL:
        probes[Peer.Name.GRAFANA] = lambda: _answers(HttpClient(settings.GRAFANA_URL, PROBE_SECONDS), "/api/health")
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
