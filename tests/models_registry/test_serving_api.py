"""What replicas talk to: the snapshot and the heartbeats."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import Replica
from telemetry import snapshot
from tests.fixtures.registry import Registry, make_model

SNAPSHOT = "/api/serving/snapshot"
HEARTBEATS = "/api/serving/heartbeats"

pytestmark = pytest.mark.django_db


@pytest.fixture
def replica(settings) -> Client:
    settings.SERVING_TOKEN = "the-serving-token"
    return Client(headers={"Authorization": "Bearer the-serving-token"})


def heartbeat(**changed):
    return {
        "replica": "serving-1",
        "address": "127.0.0.1:8501",
        "started_at": "2026-04-01T12:00:00Z",
        "snapshot": "0123456789abcdef",
        "loaded": {"fraud": ["v1"]},
        "errors": {},
        **changed,
    }


def post(client: Client, body) -> object:
    return client.post(HEARTBEATS, body, content_type="application/json")


def test_the_snapshot_is_what_serving_parses(replica: Client, registry: Registry):
    answer = replica.get(SNAPSHOT)
    parsed = snapshot.parse(answer.content)
    assert answer.status_code == 200
    assert [(m.name, m.live, [v.version for v in m.versions]) for m in parsed.models] == [("fraud", "v1", ["v1"])]
    assert answer["ETag"] == f'"{parsed.hash}"'


def test_an_unchanged_snapshot_is_not_sent_again(replica: Client, registry: Registry):
    etag = replica.get(SNAPSHOT)["ETag"]
    again = replica.get(SNAPSHOT, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)


def test_a_shift_of_traffic_makes_another_snapshot(replica: Client, registry: Registry):
    etag = replica.get(SNAPSHOT)["ETag"]
    traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)
    changed = replica.get(SNAPSHOT, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert snapshot.parse(changed.content).models[0].canary_percent == 10


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer ", "Basic dGhlLXNlcnZpbmctdG9rZW4=", "the-serving-token"]
)
@pytest.mark.parametrize(("method", "address"), [("get", SNAPSHOT), ("post", HEARTBEATS)])
def test_without_the_token_nothing_is_told(settings, method: str, address: str, header: str | None):
    settings.SERVING_TOKEN = "the-serving-token"
    headers = {"Authorization": header} if header is not None else {}
    assert getattr(Client(headers=headers), method)(address).status_code == 401


def test_an_empty_serving_token_lets_nobody_in(settings):
    settings.SERVING_TOKEN = ""
    assert Client(headers={"Authorization": "Bearer "}).get(SNAPSHOT).status_code == 401


def test_a_signed_in_person_is_no_replica(client: Client, superuser):
    client.force_login(superuser)
    assert client.get(SNAPSHOT).status_code == 401


def test_a_heartbeat_tells_where_to_scrape_and_what_is_loaded(replica: Client, registry: Registry):
    assert post(replica, heartbeat()).status_code == 204
    row = Replica.objects.get()
    assert (row.name, row.address, row.loaded) == ("serving-1", "127.0.0.1:8501", {"fraud": ["v1"]})
    assert timezone.now() - row.last_seen_at < timedelta(seconds=10)


def test_a_start_is_counted_once_however_often_it_is_told(replica: Client, registry: Registry):
    first, second = (timezone.now() - timedelta(seconds=ago) for ago in (20, 5))
    for started_at in (first, first, second):
        post(replica, heartbeat(started_at=started_at.isoformat()))
    registry.model.refresh_from_db()
    assert registry.model.replica_starts.total == 2


def test_names_that_the_registry_does_not_know_are_left_out(replica: Client, registry: Registry):
    """A label value can come from the registry only; the heartbeat of a replica that lags behind is still one."""
    loaded = {"fraud": ["v1", "v9"], "another": ["v1"]}
    errors = {"fraud/v2": "x" * 2000, "fraud/v9": "no", "another/v1": "no", "nonsense": "no"}
    assert post(replica, heartbeat(loaded=loaded, errors=errors)).status_code == 204
    row = Replica.objects.get()
    assert row.loaded == {"fraud": ["v1"]}
    assert row.errors == {"fraud/v2": "x" * 500}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", "127.0.0.1"),
        ("address", "127.0.0.1:0"),
        ("address", "127.0.0.1:65536"),
        ("address", "http://127.0.0.1:80"),
        ("address", "127.0.0.1:80/metrics"),
        ("address", "user@host:80"),
        ("address", 'host:80",x="'),
        ("address", "-host:80"),
        ("address", ""),
        ("replica", "a b"),
        ("replica", "a" * 101),
        ("replica", "../etc"),
        ("replica", ""),
        ("started_at", "yesterday"),
        ("started_at", "2999-01-01T00:00:00Z"),
        ("snapshot", "XYZ"),
        ("snapshot", "a" * 65),
        ("loaded", ["v1"]),
        ("loaded", {"fraud": "v1"}),
        ("loaded", {"fraud": [f"v{n}" for n in range(101)]}),
        ("loaded", {f"m{n}": [] for n in range(1001)}),
        ("errors", {"fraud/v1": {"nested": "no"}}),
    ],
)
def test_a_wrong_heartbeat_is_refused_by_field(replica: Client, registry: Registry, field: str, value: object):
    answer = post(replica, heartbeat(**{field: value}))
    assert answer.status_code == 400
    assert list(answer.json()) == [field]
    assert not Replica.objects.exists()


@pytest.mark.parametrize("address", ["host:80", "serving-1.ml.svc:8501", "10.0.0.7:8501", "[::1]:8501", "[fe80::1]:1"])
def test_addresses_that_prometheus_can_scrape(replica: Client, registry: Registry, address: str):
    assert post(replica, heartbeat(address=address)).status_code == 204


def test_a_heartbeat_of_any_size_is_not_read(replica: Client, registry: Registry):
    assert post(replica, heartbeat(snapshot="a" * 5_000_000)).status_code == 413


@pytest.mark.parametrize("call", ["snapshot", "heartbeat"])
def test_the_number_of_queries_does_not_grow_with_the_models(
    replica: Client, registry: Registry, django_assert_max_num_queries, call: str
):
    for n in range(10):
        make_model(f"model-{n}", registry.team, live="v1", features=("a", "b"))
    names = ["fraud", *(f"model-{n}" for n in range(10))]
    post(replica, heartbeat(loaded={name: ["v1"] for name in names}))
    with django_assert_max_num_queries(12):
        if call == "snapshot":
            replica.get(SNAPSHOT)
        else:
            post(replica, heartbeat(loaded={name: ["v1"] for name in names}))
