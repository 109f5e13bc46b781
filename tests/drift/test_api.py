"""/api/drift-checks/: who may do what, and what a scheduler such as Airflow relies on."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, current_app
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from controlplane.stack.redis import Redis
from drift.edits import pause_check
from drift.models import CheckRun, DriftCheck
from drift.run import run_window
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import Change, MLModel
from tests.drift.registered import NOON, rows, serve, watched_model, write_log
from tests.drift.workers import run_messages
from tests.fixtures.registry import Registry, make_model

pytestmark = [pytest.mark.django_db]
CHECK = "/api/drift-checks/fraud/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def check(owner: User, registry: Registry) -> DriftCheck:
    """The check of the registry's model, whose editor is `owner`."""
    row = DriftCheck(model=registry.model)
    row.first_due_at = NOON
    row.save()
    return row


@pytest.fixture
def api(owner: User, check: DriftCheck) -> Client:
    return signed_in(owner)


@pytest.fixture
def broker(redis_server: Redis) -> Iterator[Celery]:
    before = current_app._get_current_object()
    app = Celery("drift-tests", broker=redis_server.url, set_as_current=True)
    app.conf.task_ignore_result = True
    app.set_default()
    yield app
    app.control.purge()
    app.close()
    before.set_default()
    before.set_current()


@pytest.fixture
def no_broker() -> Iterator[None]:
    before = current_app._get_current_object()
    app = Celery("nowhere", broker="redis://127.0.0.1:9/0", set_as_current=True)
    app.conf.broker_transport_options = {"socket_connect_timeout": 0.5, "max_retries": 0}
    app.set_default()
    yield
    app.close()
    before.set_default()
    before.set_current()


PEOPLE = ("stranger", "teammate", "on_call", "owner", "superuser")


@pytest.mark.parametrize(
    ("method", "address", "body", "allowed"),
    [
        ("get", "/api/drift-checks/", None, PEOPLE),
        ("get", CHECK, None, PEOPLE),
        ("get", f"{CHECK}runs/", None, PEOPLE),
        ("patch", CHECK, {"psi_threshold": 0.3}, ("owner", "superuser")),
        ("put", CHECK, {"psi_threshold": 0.3}, ("owner", "superuser")),
        ("post", f"{CHECK}run/", {}, ("on_call", "owner", "superuser")),
    ],
)
def test_who_may_do_what(
    request: pytest.FixtureRequest,
    broker: Celery,
    check: DriftCheck,
    method: str,
    address: str,
    body: Any,
    allowed: Any,
) -> None:
    assert getattr(Client(), method)(address, body, content_type="application/json").status_code == 401
    done = []
    for person in PEOPLE:
        client = signed_in(request.getfixturevalue(person))
        answer = getattr(client, method)(address, body, content_type="application/json")
        assert answer.status_code in (200, 202, 403), answer.content
        if answer.status_code != 403:
            done.append(person)
    assert tuple(done) == allowed


def test_a_check_shows_its_settings_and_where_each_version_stands(api: Client, plumbline_home: Path) -> None:
    check = DriftCheck.objects.select_related("model").get()
    run_window(check, check.model.versions.get(version="v1"), NOON)
    body = api.get(CHECK).json()
    assert (body["model"], body["psi_threshold"], body["interval_seconds"]) == ("fraud", 0.2, 900)
    (version,) = body["versions"]
    assert (version["version"], version["state"]) == ("v1", "baseline_mismatch")
    assert "has no baseline" in version["reason"]


def test_an_edit_is_a_change_of_its_author(api: Client) -> None:
    answer = api.patch(CHECK, {"psi_threshold": 0.35, "paused": True}, content_type="application/json")
    assert (answer.status_code, answer.json()["psi_threshold"]) == (200, 0.35)
    change = Change.objects.filter(kind="threshold").first()
    assert change is not None
    assert (change.author, change.summary) == (
        "owner",
        "fraud: drift check: psi threshold 0.2 to 0.35, paused False to True",
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"psi_treshold": 0.3}, "psi_treshold"),
        ({"psi_threshold": "high"}, "psi_threshold"),
        ({"interval_seconds": 1}, "interval_seconds"),
        ({"feature_psi_thresholds": {"wings": 1}}, "feature_psi_thresholds"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_changed(api: Client, body: dict[str, Any], field: str) -> None:
    answer = api.patch(CHECK, body, content_type="application/json")
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert not Change.objects.filter(kind="threshold").exists()


def test_a_model_without_a_check_gets_one_by_its_first_edit(superuser: User) -> None:
    make_model("new")
    client = signed_in(superuser)
    assert client.get("/api/drift-checks/new/").status_code == 404
    answer = client.put("/api/drift-checks/new/", {"interval_seconds": 3600}, content_type="application/json")
    assert (answer.status_code, DriftCheck.objects.get().interval_seconds) == (200, 3600)
    assert client.put("/api/drift-checks/nobody/", {}, content_type="application/json").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_triggered_window_is_run_by_a_worker_and_a_retry_names_the_same_run(
    superuser: User, plumbline_home: Path, broker: Celery
) -> None:
    watched_model()
    write_log(plumbline_home / "predictions", "fraud", "v1", rows(1_000, without="de"))
    client = signed_in(superuser)
    body = {"window_end": NOON.isoformat()}
    for _ in range(3):  # a scheduler that is told 502 by a proxy tries again
        answer = client.post(f"{CHECK}run/", body, content_type="application/json")
        assert (answer.status_code, len(answer.json())) == (202, 1)
    assert CheckRun.objects.count() == 1
    run_messages(broker, 1)
    (run,) = client.get(f"{CHECK}runs/", {"window_end": NOON.isoformat()}).json()["results"]
    assert (run["version"], run["state"], run["reason"]) == ("v1", "drifted", "country drifted.")
    assert CheckRun.objects.get().attempts == 1
    answer = client.post(f"{CHECK}run/", body, content_type="application/json")
    assert (answer.status_code, answer.json()[0]["state"]) == (202, "drifted")


def test_without_a_window_the_newest_whole_interval_is_run_for_every_version_with_traffic(
    superuser: User, broker: Celery
) -> None:
    check = watched_model()
    serve(check.model, "v1", canary="v2")
    answer = signed_in(superuser).post(f"{CHECK}run/", {}, content_type="application/json")
    assert [run["version"] for run in answer.json()] == ["v1", "v2"]
    ends = set(CheckRun.objects.values_list("window_end", flat=True))
    assert len(ends) == 1 and ends.pop().timestamp() % 600 == 0


def test_a_window_whose_source_failed_is_run_again(superuser: User, broker: Celery, plumbline_home: Path) -> None:
    check = watched_model()
    run = run_window(check, check.model.versions.get(version="v1"), NOON)
    assert run.state == "source_failed"
    signed_in(superuser).post(f"{CHECK}run/", {"window_end": NOON.isoformat()}, content_type="application/json")
    run.refresh_from_db()
    assert run.finished_at is None


def test_what_can_not_be_run_is_refused_with_the_remedy(superuser: User, broker: Celery) -> None:
    check = watched_model()
    client = signed_in(superuser)

    def trigger(body: dict[str, Any]) -> tuple[int, str]:
        answer = client.post(f"{CHECK}run/", body, content_type="application/json")
        return answer.status_code, str(answer.json())

    status, told = trigger({"window_end": (timezone.now() + timedelta(hours=1)).isoformat()})
    assert (status, "in the future" in told) == (409, True)
    status, told = trigger({"window_end": "noon"})
    assert (status, "window_end" in told) == (400, True)
    status, told = trigger({"windowend": NOON.isoformat()})
    assert (status, "windowend" in told) == (400, True)
    pause_check(check.model, paused=True, actor=SYSTEM)
    status, told = trigger({})
    assert (status, "is paused: resume it first" in told) == (409, True)
    pause_check(check.model, paused=False, actor=SYSTEM)
    traffic.withdraw(MLModel.objects.get(pk=check.model_id), actor=SYSTEM)
    status, told = trigger({})
    assert (status, "No version of fraud has traffic" in told) == (409, True)


def test_without_a_broker_it_says_so(superuser: User, no_broker: None) -> None:
    watched_model()
    answer = signed_in(superuser).post(f"{CHECK}run/", {}, content_type="application/json")
    assert answer.status_code == 503
    assert "The broker can't be reached" in answer.json()["detail"]
    assert CheckRun.objects.get().dispatched_at is None


def test_runs_are_filtered_by_version_state_and_time(superuser: User) -> None:
    check = watched_model()
    version = check.model.versions.get(version="v1")
    for hours in range(4):
        end = NOON - timedelta(hours=hours)
        CheckRun.objects.create(
            drift_check=check, version=version, window_start=end, window_end=end, state="ok" if hours else "drifted"
        )
    client = signed_in(superuser)

    def found(**query: str) -> int:
        return client.get(f"{CHECK}runs/", query).json()["count"]

    assert (found(), found(state="drifted"), found(version="v2")) == (4, 1, 0)
    assert found(since=(NOON - timedelta(hours=1)).isoformat()) == 2
    assert client.get(f"{CHECK}runs/", {"state": "fine"}).status_code == 400


def test_the_list_takes_a_fixed_number_of_queries(superuser: User) -> None:
    client = signed_in(superuser)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/api/drift-checks/").status_code == 200
        return len(captured)

    run_window(watched_model("m0"), MLModel.objects.get(name="m0").versions.get(version="v1"), NOON)
    one = queries()
    for number in range(1, 6):
        check = watched_model(f"m{number}")
        run_window(check, check.model.versions.get(version="v1"), NOON)
    assert queries() == one


def test_openapi_describes_the_endpoints(superuser: User) -> None:
    schema = signed_in(superuser).get("/api/schema/?format=json").json()
    described = [path for path in schema["paths"] if "drift-checks" in path]
    assert len(described) == 4
