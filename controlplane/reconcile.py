"""The loop: compare what is wanted with what is there, and close the difference, again and again.

Each step stands alone and is safe to repeat: one that fails is written down and does not keep the others from running.
The order of STEPS: first what takes no longer than the servers that publishing needs anyway, then publishing, then what
waits for others, a Grafana or receivers, so that none of those holds up a release. After a long publish the rest is put
off: the next run finds little to publish.
"""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from alerts.digests.sending import send_digests
from alerts.hourly_counts import QUERY_SECONDS, collect_error_budgets, is_due
from alerts.http import Refused, Unreachable
from alerts.incidents import record_prometheus_alerts
from alerts.policies import load_policies
from alerts.routing import alertmanager_document
from alerts.silences.reminders import remind
from controlplane.live_check.dispatch import dispatch
from controlplane.models import LoopState, Release
from controlplane.publish import Publisher
from controlplane.publishing.patience import LOOP
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.publishing.servers import Servers
from controlplane.reachability import note_reachability
from controlplane.rendering import render_bundle, render_options
from controlplane.targets import sync_targets
from dashboards.annotations import deliver_pending
from drift.due import dispatch_due
from models_registry.fleet import load_fleet
from models_registry.heartbeats import forget_lost

LOG = logging.getLogger(__name__)
MESSAGE_CHARACTERS = 1000
RUNS_IN_A_ROW = 3
# A task that goes on for too long is ended by Celery in the middle of whatever it does: no further run begins in it
# after the first, no step behind publishing after the second (see controlplane.publishing.patience).
PATIENCE_SECONDS = 45.0
LATER_SECONDS = 60.0


class NotDone(Exception):
    """A step that could not do its work, for a reason that is no fault of the code. The message says why."""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """How one step went."""

    ok: bool
    seconds: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run went, step by step."""

    steps: dict[str, StepOutcome]

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps.values())

    def __str__(self) -> str:
        return "; ".join(f"{name}: {step.message or 'ok'}" for name, step in self.steps.items())


def run_once(now: datetime | None = None) -> Outcome:
    """One run. Never raises for what a step does; writes down when it ran and how each step went."""
    now = now or timezone.now()
    LoopState.objects.update_or_create(pk=1, defaults={"started_at": now})
    started = time.monotonic()
    done: dict[str, StepOutcome] = {}
    for name, step in STEPS.items():
        passed = time.monotonic() - started
        late = "publish" in done and passed > LATER_SECONDS
        done[name] = _put_off(passed) if late else _run_step(name, step, now)
    outcome = Outcome(done)
    steps = {name: asdict(step) for name, step in outcome.steps.items()}
    LoopState.objects.filter(pk=1).update(finished_at=timezone.now(), steps=steps)
    return outcome


def run_alone(wanted_at: datetime) -> Outcome | None:
    """A run, alone; None where one has begun since `wanted_at`, or another process is at it.

    A wish that comes during a run is not lost: it is left beside the lock, and who holds that runs once more.
    """
    settings.PLUMBLINE_HOME.mkdir(parents=True, exist_ok=True)
    again = settings.PLUMBLINE_HOME / "reconcile.again"
    outcome: Outcome | None = None
    started = time.monotonic()
    for _ in range(RUNS_IN_A_ROW):
        if time.monotonic() - started > PATIENCE_SECONDS:
            break  # the wish stays where it is: the next tick finds it
        with _lock() as free:
            if free:
                if not again.exists() and LoopState.objects.filter(started_at__gt=wanted_at).exists():
                    return outcome
                again.unlink(missing_ok=True)
                outcome = run_once()
        if free and not again.exists():
            return outcome
        if not free:
            if again.exists():
                return outcome
            # Then look once more: the other may have ended before it could see the wish.
            again.touch()
    return outcome


@contextmanager
def _lock() -> Iterator[bool]:
    """Whether we are alone; the kernel drops the lock with its process."""
    with (settings.PLUMBLINE_HOME / "reconcile.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _reach(now: datetime) -> str:
    lost = note_reachability(now)
    if lost:
        raise NotDone(f"can't be reached: {', '.join(lost)}")
    return ""


def _targets(_now: datetime) -> str:
    return f"{sync_targets()} target files changed"


def _replicas(_now: datetime) -> str:
    return f"{forget_lost()} lost replicas forgotten"


def _incidents(now: datetime) -> str:
    servers, _ = Servers.from_settings(settings).who_answer()
    return f"{record_prometheus_alerts(servers.prometheus.alerts(), now)} incidents that no message told of"


def _error_budgets(now: datetime) -> str:
    if not is_due(now):
        return "every full hour is counted"
    servers = Servers.from_settings(settings, timeout=QUERY_SECONDS)
    return str(collect_error_budgets(servers.ready_prometheus(), now))


def _drift(now: datetime) -> str:
    dispatched = dispatch_due(now)
    if dispatched.error:
        raise NotDone(dispatched.error)
    return f"{dispatched.count} checks begun"


def _annotations(now: datetime) -> str:
    delivered = deliver_pending(now=now)
    return f"{delivered.sent} sent, {delivered.waiting} waiting, {delivered.failed} failed"


def _silences(now: datetime) -> str:
    servers, _ = Servers.from_settings(settings).who_answer()
    return f"{remind(servers.alertmanagers[0], now)} silences that end soon reminded of"


def _digests(now: datetime) -> str:
    fleet = load_fleet()
    digested = send_digests(fleet, alertmanager_document(fleet, render_options(), load_policies()), now)
    return f"{digested.sent} sent, {digested.waiting} waiting"


def _live_check(now: datetime) -> str:
    try:
        return dispatch(now)
    except (OperationalError, OSError) as error:
        raise NotDone(f"No worker could be told: {error}") from error


def _publish(_: datetime) -> str:
    files, servers = ReleaseFiles.from_settings(settings), Servers.from_settings(settings)
    published = Publisher(files, servers, render_bundle, patience=LOOP).publish()
    if published.outcome in Release.UNFINISHED:
        return f"{published.outcome}: {published.reason}"
    if published.outcome not in (*Release.GOOD, Release.Outcome.SUPERSEDED):
        raise NotDone(f"{published.outcome}: {published.reason}")
    return str(published.outcome)


STEPS: dict[str, Callable[[datetime], str]] = {
    "reach": _reach,
    "targets": _targets,
    "replicas": _replicas,
    "incidents": _incidents,
    "drift": _drift,
    "publish": _publish,
    "live_check": _live_check,
    "silences": _silences,
    "annotations": _annotations,
    "digests": _digests,
    "error_budgets": _error_budgets,
}


def _put_off(seconds: float) -> StepOutcome:
    return StepOutcome(True, 0.0, f"put off to the next run: this one has taken {seconds:.0f} s")


def _run_step(name: str, step: Callable[[datetime], str], now: datetime) -> StepOutcome:
    started = time.monotonic()
    ok = False
    try:
        message = step(now)
        ok = True
    except (Unreachable, Refused, NotDone) as error:
        message = str(error)
        LOG.warning("%s: %s", name, message)
    except SoftTimeLimitExceeded:
        raise  # what is left would be killed in the middle
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        LOG.exception("the step %s failed", name)
    return StepOutcome(ok, round(time.monotonic() - started, 3), message[:MESSAGE_CHARACTERS])
