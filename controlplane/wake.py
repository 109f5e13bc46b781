"""The nudge: run the loop now instead of at its next tick. It may fail, since the loop runs by the clock anyway."""

import logging
import time

from django.db import DatabaseError
from django.utils import timezone
from kombu.exceptions import OperationalError

from controlplane.celery import app
from controlplane.models import Peer
from controlplane.reachability import note

LOG = logging.getLogger(__name__)
TASK = "controlplane.reconcile"
# One commit may hold hundreds of changes, each with its nudge: a broker that is down is asked once, not hundreds of
# times half a second each.
PAUSE_SECONDS = 5.0
SECONDS = 1.0  # that a broker which does not answer may cost


class _Broker:
    """When this process last failed to reach the broker, on the monotonic clock."""

    failed_at: float | None = None


def wake() -> None:
    """Enqueue a run of the loop. Never raises: a broker that is down costs the wait for the next tick, no more."""
    if _Broker.failed_at is not None and time.monotonic() - _Broker.failed_at < PAUSE_SECONDS:
        return
    try:
        _send()
    except (OperationalError, OSError) as error:
        _Broker.failed_at = time.monotonic()
        LOG.warning("The loop could not be woken, it runs at its next tick: %s", error)
        try:
            note(Peer.Name.REDIS, f"The nudge could not be sent: {error}")
        except DatabaseError:
            LOG.exception("nor could that be written down")
        return
    _Broker.failed_at = None


def _send() -> None:
    # A connection of its own, since a person waits for the answer: workers wait longer for theirs.
    with app.connection_for_write(transport_options={"socket_timeout": SECONDS}) as connection:
        # A run that begins after this moment sees the commit; the task is void then (controlplane.reconcile).
        wanted_at = timezone.now().isoformat()
        app.send_task(TASK, kwargs={"wanted_at": wanted_at}, connection=connection, retry=False, ignore_result=True)
