"""The control plane's /metrics: from the database, with a fixed number of queries, and nothing told that is unknown."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from alerts.models import Incident
from controlplane import wake
from controlplane.models import LoopState, Peer, Release
from controlplane.stack.redis import Redis
from models_registry.models import ReplicaStarts
from tests.fixtures.registry import make_model

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def scrape(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def of(samples: dict[tuple[str, tuple[tuple[str, str], ...]], float], name: str) -> dict[tuple[str, ...], float]:
    return {tuple(v for _, v in labels): value for (found, labels), value in samples.items() if found == name}


def test_the_registry_is_told_model_by_model(client: Client) -> None:
    model = make_model("fraud", versions=("v1", "v2"), live="v1", canary="v2", percent=20, risk="high")
    ReplicaStarts.objects.create(model=model, total=3)
    samples = scrape(client)
    assert of(samples, "plumbline_model_registered") == {("fraud", "high"): 1}
    assert of(samples, "plumbline_model_desired_weight") == {
        ("fraud", "v1", "live"): pytest.approx(0.8),
        ("fraud", "v2", "canary"): pytest.approx(0.2),
    }
    assert of(samples, "plumbline_version_registered") == {("fraud", "v1"): 1, ("fraud", "v2"): 1}
    assert of(samples, "plumbline_replica_starts_total") == {("fraud",): 3}


def test_a_withdrawn_model_is_told_to_have_no_traffic(client: Client) -> None:
    """A series that only ended would be taken for the last word of a control plane that died: 'down' for a day."""
    make_model("fraud", versions=("v1",))
    assert of(scrape(client), "plumbline_model_desired_weight") == {
        ("fraud", "v1", "live"): 0,
        ("fraud", "v1", "canary"): 0,
    }


def test_an_empty_registry_says_nothing_that_it_does_not_know(client: Client, settings: Settings) -> None:
    settings.GRAFANA_URL = ""
    samples = scrape(client)
    assert of(samples, "plumbline_release_failing") == {(): 0}
    assert of(samples, "plumbline_incidents_open") == {(): 0}
    for unknown in ("release_info", "release_last_success_timestamp_seconds", "annotations_pending"):
        assert of(samples, f"plumbline_{unknown}") == {}
    assert of(samples, "plumbline_reconcile_last_run_timestamp_seconds") == {}


@pytest.mark.parametrize(
    ("outcomes", "failing"),
    [
        (["published"], 0),
        (["published", "refused"], 1),
        (["published", "rolled_back"], 1),
        (["published", "unreachable"], 1),
        (["published", "failed"], 1),
        (["refused", "unchanged"], 0),
        (["refused", "superseded", "running"], 1),
        (["refused", "published", "probation"], 0),
    ],
)
def test_a_release_fails_until_a_later_attempt_ends_well(client: Client, outcomes: list[str], failing: int) -> None:
    for number, outcome in enumerate(outcomes):
        Release.objects.create(hash=f"{number}", outcome=outcome, finished_at=NOON)
    assert of(scrape(client), "plumbline_release_failing") == {(): failing}


def test_the_running_release_and_the_loops_last_run_are_told(client: Client) -> None:
    Release.objects.create(hash="aa", outcome="published", finished_at=NOON)
    Release.objects.create(hash="bb", outcome="refused", finished_at=NOON + timedelta(hours=1))
    steps = {"publish": {"ok": False, "seconds": 1.5, "message": "refused"}}
    LoopState.objects.create(pk=1, started_at=NOON, finished_at=NOON + timedelta(seconds=2), steps=steps)
    samples = scrape(client)
    assert of(samples, "plumbline_release_info") == {("aa",): 1}
    assert of(samples, "plumbline_release_last_success_timestamp_seconds") == {(): NOON.timestamp()}
    assert of(samples, "plumbline_reconcile_last_run_timestamp_seconds") == {(): NOON.timestamp() + 2}
    assert of(samples, "plumbline_reconcile_step_failed") == {("publish",): 1}
    assert of(samples, "plumbline_reconcile_step_seconds") == {("publish",): 1.5}


def test_who_cant_be_reached_is_told(client: Client, lost_broker: None) -> None:
    """Invariant 10. Redis is tried at the scrape: while it is down, the loop that would note it stands still."""
    for name, reachable in (("prometheus", True), ("alertmanager", False), ("redis", True)):
        Peer.objects.create(name=name, reachable=reachable, since=NOON, checked_at=timezone.now())
    samples = scrape(client)
    assert of(samples, "plumbline_peer_reachable") == {("prometheus",): 1, ("alertmanager",): 0, ("redis",): 0}
    assert of(samples, "plumbline_celery_queue_length") == {}


def test_waiting_tasks_are_counted(client: Client, broker: Redis) -> None:
    samples = scrape(client)
    assert of(samples, "plumbline_peer_reachable") == {("redis",): 1}
    assert of(samples, "plumbline_celery_queue_length") == {(): 0}
    wake.wake()
    assert of(scrape(client), "plumbline_celery_queue_length") == {(): 1}


def test_who_was_not_tried_for_long_is_not_told_to_be_reachable(client: Client) -> None:
    Peer.objects.create(name="prometheus", reachable=True, since=NOON, checked_at=timezone.now() - timedelta(hours=1))
    assert ("prometheus",) not in of(scrape(client), "plumbline_peer_reachable")


def test_open_incidents_and_waiting_annotations_are_counted(client: Client, settings: Settings) -> None:
    settings.GRAFANA_URL, settings.GRAFANA_TOKEN = "http://127.0.0.1:9", "token"
    for number, ends_at in enumerate((None, None, NOON)):
        Incident.objects.create(
            fingerprint=f"{number}",
            starts_at=NOON - timedelta(hours=1),
            ends_at=ends_at,
            alert="A",
            first_seen_at=timezone.now(),
            last_seen_at=timezone.now(),
        )
    samples = scrape(client)
    assert of(samples, "plumbline_incidents_open") == {(): 2}
    assert of(samples, "plumbline_annotations_pending") == {(): 0}


def test_the_number_of_queries_does_not_depend_on_the_number_of_models(client: Client, plumbline_home: Path) -> None:
    make_model("one", live="v1", features=("amount",))
    with CaptureQueriesContext(connection) as few:
        scrape(client)
    for number in range(6):
        make_model(f"more-{number}", versions=("v1", "v2"), live="v1", canary="v2", features=("amount",))
    with CaptureQueriesContext(connection) as many:
        scrape(client)
    assert len(many) == len(few) < 25


def test_requests_are_counted_by_view_never_by_path_or_invented_method(client: Client) -> None:
    before = of(scrape(client), "plumbline_http_requests_total")
    for path in ("/no/such/page", "/nor/this"):
        client.get(path)
    client.generic("BREW", "/metrics")
    after = of(scrape(client), "plumbline_http_requests_total")
    new = {labels: value - before.get(labels, 0) for labels, value in after.items() if value != before.get(labels, 0)}
    assert new == {("GET", "404", "other"): 2, ("other", "405", "metrics"): 1, ("GET", "200", "metrics"): 1}


def test_the_metrics_are_read_only(client: Client) -> None:
    assert client.post("/metrics").status_code == 405
