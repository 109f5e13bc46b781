"""Telling the workers, with a real broker and without one."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery, current_app
from django.db import connection
from django.test.utils import CaptureQueriesContext

from controlplane.stack.redis import Redis
from drift.due import SETTLE, TELL_AGAIN, dispatch_due
from drift.models import CheckRun, CheckStatus, DriftCheck
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import Change, MLModel
from tests.drift.registered import NOON, rows, serve, watched_model, write_log
from tests.drift.workers import run_messages
from tests.fixtures.registry import make_model

pytestmark = [pytest.mark.database]
READY = NOON + SETTLE
Told = list[tuple[int, str, object]]


@pytest.fixture
def told() -> Told:
    return []


def tell_to(told: Told) -> object:
    return lambda *run: told.append(run)


@pytest.mark.django_db
def test_each_version_with_traffic_is_told_of_once(told: Told) -> None:
    check = watched_model()
    serve(check.model, "v1", canary="v2")
    for _ in range(3):
        dispatch_due(READY, tell_to(told))
    assert told == [(check.pk, "v1", NOON), (check.pk, "v2", NOON)]
    assert CheckRun.objects.filter(dispatched_at=READY, started_at=None).count() == 2


@pytest.mark.django_db
def test_what_no_worker_took_is_told_again(told: Told) -> None:
    watched_model()
    dispatch_due(READY, tell_to(told))
    dispatch_due(READY + TELL_AGAIN, tell_to(told))
    assert len(told) == 2
    assert CheckRun.objects.count() == 1


@pytest.mark.django_db
def test_a_broker_that_is_down_ends_it_with_the_reason_and_all_stay_due(told: Told) -> None:
    check = watched_model()
    serve(check.model, "v1", canary="v2")

    def broken(*_: object) -> None:
        raise ConnectionError("Connection refused")

    dispatched = dispatch_due(READY, broken)
    assert (dispatched.count, dispatched.error) == (0, "The broker can't be reached: Connection refused")
    assert dispatch_due(READY, tell_to(told)).count == 2


@pytest.mark.django_db
def test_a_model_that_serves_gets_a_check_with_a_change_and_one_that_does_not_gets_none(told: Told) -> None:
    make_model("serving", live="v1")
    make_model("idle")
    for _ in range(2):
        dispatch_due(READY, tell_to(told))
    assert DriftCheck.objects.get().model.name == "serving"
    change = Change.objects.get(kind="threshold")
    assert change.summary == "serving: drift check every 900 s over 3600 s"


@pytest.mark.django_db
def test_a_version_that_lost_its_traffic_is_forgotten_and_starts_anew_when_it_is_back(told: Told) -> None:
    check = watched_model()
    serve(check.model, "v1", canary="v2")
    dispatch_due(READY, tell_to(told))
    traffic.roll_back(check.model, actor=SYSTEM)
    dispatch_due(READY, tell_to(told))
    assert [status.version.version for status in CheckStatus.objects.all()] == ["v1"]
    model = MLModel.objects.get(pk=check.model_id)
    traffic.deploy(model, "v2", percent=20, actor=SYSTEM)
    dispatch_due(READY, tell_to(told))
    assert CheckStatus.objects.get(version__version="v2").since > NOON


@pytest.mark.django_db
def test_the_number_of_queries_does_not_depend_on_the_number_of_models(told: Told) -> None:
    def queries(at: object) -> int:
        dispatch_due(at, tell_to(told))  # type: ignore[arg-type]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            dispatch_due(at + timedelta(hours=1), tell_to(told))  # type: ignore[operator]
        return len(captured)

    watched_model("m0")
    one = queries(READY)
    for number in range(1, 8):
        watched_model(f"m{number}")
    assert queries(READY + timedelta(days=1)) == one
    assert len(told) >= 18


@pytest.fixture
def broker(redis_server: Redis) -> Iterator[Celery]:
    """A Celery app on a real Redis; the tasks of every room run in whichever app is current."""
    before = current_app._get_current_object()
    app = Celery("drift-tests", broker=redis_server.url, set_as_current=True)
    app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
    app.set_default()
    yield app
    app.control.purge()
    app.close()
    before.set_default()
    before.set_current()


@pytest.mark.django_db(transaction=True)
def test_a_message_that_is_delivered_twice_is_run_once_by_a_real_worker(plumbline_home: Path, broker: Celery) -> None:
    check = watched_model()
    write_log(plumbline_home / "predictions", "fraud", "v1", rows(1_000))
    assert dispatch_due(READY).count == 1
    assert dispatch_due(READY + TELL_AGAIN).count == 1
    run_messages(broker, 2)
    run = CheckRun.objects.get()
    assert (run.drift_check, run.state, run.attempts) == (check, "ok", 1)


@pytest.mark.django_db
def test_without_redis_it_says_so_soon_and_stays_due() -> None:
    watched_model()
    before = current_app._get_current_object()
    app = Celery("nowhere", broker="redis://127.0.0.1:9/0", set_as_current=True)
    app.conf.broker_transport_options = {"socket_connect_timeout": 0.5, "max_retries": 0}
    app.set_default()
    try:
        began = time.monotonic()
        dispatched = dispatch_due(READY)
        assert time.monotonic() - began < 10  # Celery's own retries would take minutes
        assert (dispatched.count, "The broker can't be reached" in dispatched.error) == (0, True)
        assert CheckRun.objects.get().dispatched_at is None
    finally:
        app.close()
        before.set_default()
        before.set_current()
