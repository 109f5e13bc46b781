"""The loop: each step closes one difference and stands alone; what can't be reached is said; no wish is lost."""

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks, Settings
from redis import Redis as RedisClient

from controlplane import reconcile, wake
from controlplane.bundle import Bundle
from controlplane.models import LoopState, Peer, Release
from controlplane.publish import Published, Publisher
from controlplane.reconcile import Outcome, run_alone, run_once
from controlplane.rendering import render_bundle
from controlplane.stack.redis import Redis
from controlplane.tasks import reconcile as reconcile_task
from models_registry.actor import SYSTEM
from models_registry.models import Replica
from models_registry.traffic import shift_traffic
from tests.controlplane.addresses import free_address
from tests.controlplane.conftest import Pair, wait_until
from tests.fixtures.registry import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def quick(settings: Settings) -> None:
    """Intervals of a test rather than of production."""
    settings.EVALUATION_INTERVAL_SECONDS = settings.SCRAPE_INTERVAL_SECONDS = 1
    settings.DRIFT_SCRAPE_INTERVAL_SECONDS = 1
    settings.GRAFANA_URL = ""


@pytest.fixture
def unpublished(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves publishing, which has its own tests and takes seconds, out of the run."""
    monkeypatch.setitem(reconcile.STEPS, "publish", lambda now: "published")


def queued(redis: Redis) -> int:
    with RedisClient.from_url(redis.client_url) as client:
        return int(client.llen("celery"))


def test_one_run_makes_the_servers_run_what_the_registry_says(
    pair: Pair, base: Bundle, quick: None, broker: Redis
) -> None:
    make_model("fraud", live="v1", features=("amount",))
    outcome = run_once()
    assert outcome.ok, str(outcome)
    assert pair.runs(render_bundle())
    assert Release.objects.get().outcome == Release.Outcome.PUBLISHED
    state = LoopState.objects.get()
    assert state.started_at is not None and state.finished_at is not None and state.started_at <= state.finished_at
    assert set(state.steps) == set(reconcile.STEPS)
    assert {peer.name: peer.reachable for peer in Peer.objects.all()} == {
        "prometheus": True,
        "alertmanager": True,
        "redis": True,
    }

    assert run_once().steps["publish"].message == "unchanged"
    assert Release.objects.count() == 1


def test_new_replicas_are_scraped_without_a_release(
    pair: Pair, base: Bundle, quick: None, broker: Redis, unpublished: None
) -> None:
    run_once()
    before = pair.files.current_hash()
    now = timezone.now()
    Replica.objects.create(name="r1", address="127.0.0.1:9", started_at=now, last_seen_at=now)
    assert run_once().steps["targets"].message == "1 target files changed"
    assert pair.files.current_hash() == before

    def scraped() -> bool:
        answer = pair.prometheus._api("GET", "/api/v1/targets?state=active")
        return "127.0.0.1:9" in {target["discoveredLabels"]["__address__"] for target in answer["activeTargets"]}

    wait_until(scraped)


def test_a_replica_that_was_silent_for_long_is_forgotten(
    pair: Pair, base: Bundle, quick: None, broker: Redis, unpublished: None
) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    Replica.objects.create(name="r1", address="127.0.0.1:9", started_at=long_ago, last_seen_at=long_ago)
    Replica.objects.create(name="r2", address="127.0.0.1:9", started_at=long_ago, last_seen_at=timezone.now())
    run_once()
    assert Replica.objects.get().name == "r2"


def test_an_alert_that_no_webhook_told_of_becomes_an_incident(
    pair: Pair, base: Bundle, quick: None, broker: Redis, unpublished: None
) -> None:
    outcome = run_once()
    assert outcome.steps["incidents"].message.startswith("1 incidents")  # Steady, of the hand-made release


def test_a_step_that_breaks_does_not_keep_the_others_from_running(
    pair: Pair, base: Bundle, quick: None, broker: Redis, unpublished: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(now: datetime) -> str:
        raise ValueError("the disk is full")

    for name in ("targets", "incidents", "drift"):
        monkeypatch.setitem(reconcile.STEPS, name, broken)
    outcome = run_once()
    assert not outcome.ok
    assert {name for name, step in outcome.steps.items() if not step.ok} == {"targets", "incidents", "drift"}
    assert outcome.steps["publish"].message == "published"
    stored = LoopState.objects.get().steps["targets"]
    assert not stored["ok"] and stored["message"] == "ValueError: the disk is full"


def test_no_slow_peer_holds_up_a_publish_and_a_long_publish_puts_the_others_off(
    pair: Pair, base: Bundle, quick: None, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = list(reconcile.STEPS)
    needed = {"reach", "targets", "replicas", "incidents", "drift"}
    assert set(order[: order.index("publish")]) == needed, "they ask nobody but the servers that publishing needs"

    def long(now: datetime) -> str:
        monkeypatch.setattr(reconcile, "LATER_SECONDS", 0)
        return "published"

    monkeypatch.setitem(reconcile.STEPS, "publish", long)
    monkeypatch.setattr(reconcile, "deliver_pending", None)
    outcome = run_once()
    assert outcome.ok
    assert {name for name, step in outcome.steps.items() if "put off" in step.message} == set(order) - needed - {
        "publish"
    }


def test_a_release_on_probation_is_no_failed_step(monkeypatch: pytest.MonkeyPatch, plumbline_home: Path) -> None:
    waiting = Published(Release.Outcome.PROBATION, "Goes on with the next run: 1 of 2 groups")
    monkeypatch.setattr(Publisher, "publish", lambda _: waiting)
    assert reconcile.STEPS["publish"](timezone.now()) == f"probation: {waiting.reason}"


def test_what_cant_be_reached_is_said_with_its_reason_and_since_when(
    pair: Pair, base: Bundle, quick: None, lost_broker: None, settings: Settings
) -> None:
    """Invariant 10."""
    settings.PROMETHEUS_URL = f"http://user:secret@{free_address()}"
    first = timezone.now()
    outcome = run_once(first)
    assert not outcome.steps["reach"].ok and "prometheus" in outcome.steps["reach"].message
    assert not outcome.steps["publish"].ok and "unreachable" in outcome.steps["publish"].message
    assert outcome.steps["targets"].ok
    prometheus = Peer.objects.get(name="prometheus")
    assert not prometheus.reachable and "Connection refused" in prometheus.message
    assert "secret" not in prometheus.message
    assert Peer.objects.get(name="alertmanager").reachable
    assert not Peer.objects.get(name="redis").reachable

    run_once(first + timedelta(seconds=15))
    prometheus.refresh_from_db()
    assert prometheus.since == first and prometheus.checked_at == first + timedelta(seconds=15)

    settings.PROMETHEUS_URL = pair.prometheus_server.url
    run_once(first + timedelta(seconds=30))
    prometheus.refresh_from_db()
    assert prometheus.reachable and prometheus.since == first + timedelta(seconds=30) and not prometheus.message


def test_a_wish_during_a_run_makes_that_run_once_more(plumbline_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[datetime] = []

    def run() -> Outcome:
        runs.append(timezone.now())
        if len(runs) == 1:
            # Another process, woken by a commit that this run may have read too early.
            assert run_alone(timezone.now()) is None
        return Outcome({})

    monkeypatch.setattr(reconcile, "run_once", run)
    assert run_alone(timezone.now()) is not None
    assert len(runs) == 2
    assert not list(plumbline_home.glob("reconcile.again"))


def test_wishes_without_end_do_not_hold_a_worker_for_ever(
    plumbline_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []

    def run() -> Outcome:
        runs.append(1)
        run_alone(timezone.now())
        return Outcome({})

    monkeypatch.setattr(reconcile, "run_once", run)
    run_alone(timezone.now())
    assert len(runs) == reconcile.RUNS_IN_A_ROW


def test_a_wish_is_void_where_a_run_has_begun_since(plumbline_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []

    def run() -> Outcome:
        runs.append(1)
        LoopState.objects.update_or_create(pk=1, defaults={"started_at": timezone.now()})
        return Outcome({})

    monkeypatch.setattr(reconcile, "run_once", run)
    wished = timezone.now()
    for _ in range(50):  # a bulk edit: each of its changes woke the loop
        reconcile_task(wanted_at=wished.isoformat())
    assert len(runs) == 1
    reconcile_task()  # the clock's tick
    assert len(runs) == 2


def test_a_commit_wakes_the_loop_and_a_rolled_back_transaction_does_not(
    broker: Redis, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    model = make_model("fraud", versions=("v1", "v2"), live="v1", canary="v2")
    assert queued(broker) == 0
    with django_capture_on_commit_callbacks(execute=True):
        shift_traffic(model, percent=30, actor=SYSTEM)
    assert queued(broker) == 1
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(ZeroDivisionError), transaction.atomic():
        shift_traffic(model, percent=50, actor=SYSTEM)
        _ = 1 / 0
    assert queued(broker) == 1


def test_a_broker_that_is_down_does_not_fail_an_edit(lost_broker: None) -> None:
    wake.wake()
    redis = Peer.objects.get(name="redis")
    assert not redis.reachable and "nudge" in redis.message


def test_a_broker_that_hangs_costs_a_bulk_edit_one_short_wait(hanging_broker: None) -> None:
    started = time.monotonic()
    for _ in range(200):
        wake.wake()
    assert time.monotonic() - started < 4
    assert not Peer.objects.get(name="redis").reachable


def test_the_loop_notes_that_redis_is_back(
    broker: Redis, pair: Pair, base: Bundle, quick: None, unpublished: None
) -> None:
    Peer.objects.create(name="redis", reachable=False, since=timezone.now(), checked_at=timezone.now(), message="x")
    run_once()
    assert Peer.objects.get(name="redis").reachable


def test_the_number_of_queries_does_not_depend_on_the_number_of_models(plumbline_home: Path) -> None:
    make_model("one", live="v1", features=("amount",))
    with CaptureQueriesContext(connection) as few:
        render_bundle()
    for number in range(6):
        make_model(f"more-{number}", versions=("v1", "v2"), live="v1", canary="v2", features=("amount", "country"))
    with CaptureQueriesContext(connection) as many:
        render_bundle()
    assert len(many) == len(few) < 25


def test_the_loops_queries_do_not_grow_with_the_models(
    pair: Pair, base: Bundle, quick: None, broker: Redis, unpublished: None
) -> None:
    def count() -> int:
        run_once()  # what is new gets its rows
        with CaptureQueriesContext(connection) as queries:
            run_once()
        return len(queries)

    make_model("one", live="v1", features=("amount",))
    few = count()
    for number in range(6):
        make_model(f"more-{number}", versions=("v1", "v2"), live="v1", canary="v2", features=("amount", "country"))
    assert count() == few < 80
