"""Who may call what: a matrix, person by person and endpoint by endpoint."""

import re

import pytest
from django.db import transaction
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLResolver

from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import MLModel, Replica
from tests.fixtures.registry import SHA256, Registry, make_baseline, make_model, make_pipeline, make_team, make_version

PEOPLE = ("anonymous", "stranger", "teammate", "on_call", "owner", "superuser")
READERS = {"stranger", "teammate", "on_call", "owner", "superuser"}
EDITORS = {"owner", "superuser"}
OPERATORS = {"on_call", "owner", "superuser"}
SUPERUSERS = {"superuser"}

MODEL = {
    "name": "churn",
    "classes": ["stays", "leaves"],
    "on_call_team": "payments",
    "applied_ml_team": "payments",
    "data_team": "payments",
}
VERSION = {"version": "v3", "artifact": "/srv/v3.skops", "sha256": SHA256}
BASELINE = {"name": "q2", "population": "all", "profile": {"rows": 10}}

# (method, address, body, who may). v2 is the canary with 20 %, v0 is unused; see `everything`.
MATRIX = [
    ("get", "/api/", None, READERS),
    ("get", "/api/schema/", None, READERS),
    ("get", "/api/docs/", None, READERS),
    ("get", "/api/teams/", None, READERS),
    ("post", "/api/teams/", {"name": "search"}, SUPERUSERS),
    ("get", "/api/teams/payments/", None, READERS),
    ("put", "/api/teams/payments/", {"name": "payments", "description": "Pays"}, EDITORS),
    ("patch", "/api/teams/payments/", {"description": "Pays"}, EDITORS),
    ("patch", "/api/teams/empty/", {"description": "Nobody's"}, SUPERUSERS),
    ("delete", "/api/teams/empty/", None, SUPERUSERS),
    ("get", "/api/models/", None, READERS),
    ("post", "/api/models/", MODEL, EDITORS),
    ("post", "/api/models/", MODEL | {t: "empty" for t in MODEL if t.endswith("_team")}, SUPERUSERS),
    ("get", "/api/models/fraud/", None, READERS),
    ("put", "/api/models/fraud/", MODEL | {"name": "fraud"}, EDITORS),
    ("patch", "/api/models/fraud/", {"description": "Fraud"}, EDITORS),
    ("delete", "/api/models/idle/", None, EDITORS),
    ("post", "/api/models/fraud/deploy/", {"version": "v2", "percent": 30}, EDITORS),
    ("post", "/api/models/fraud/shift/", {"percent": 5}, OPERATORS),
    ("post", "/api/models/fraud/shift/", {"percent": 50}, EDITORS),
    ("post", "/api/models/fraud/promote/", {"version": "v2"}, EDITORS),
    ("post", "/api/models/fraud/roll_back/", {"version": "v2"}, OPERATORS),
    ("post", "/api/models/fraud/shadows/", {"versions": ["v0"]}, EDITORS),
    ("post", "/api/models/fraud/withdraw/", {}, EDITORS),
    ("get", "/api/models/fraud/versions/", None, READERS),
    ("post", "/api/models/fraud/versions/", VERSION, EDITORS),
    ("get", "/api/models/fraud/versions/v1/", None, READERS),
    ("put", "/api/models/fraud/versions/v0/", VERSION | {"version": "v0"}, EDITORS),
    ("patch", "/api/models/fraud/versions/v1/", {"notes": "first"}, EDITORS),
    ("delete", "/api/models/fraud/versions/v0/", None, EDITORS),
    ("get", "/api/models/fraud/features/", None, READERS),
    ("post", "/api/models/fraud/features/", {"name": "age"}, EDITORS),
    ("get", "/api/models/fraud/features/amount/", None, READERS),
    ("put", "/api/models/fraud/features/amount/", {"name": "amount"}, EDITORS),
    ("patch", "/api/models/fraud/features/amount/", {"critical": True}, EDITORS),
    ("delete", "/api/models/fraud/features/amount/", None, EDITORS),
    ("get", "/api/models/fraud/baselines/", None, READERS),
    ("post", "/api/models/fraud/baselines/", BASELINE, EDITORS),
    ("get", "/api/models/fraud/baselines/q1/", None, READERS),
    ("get", "/api/models/fraud/baselines/q1/profile/", None, READERS),
    ("put", "/api/models/fraud/baselines/q1/", BASELINE | {"name": "q1"}, EDITORS),
    ("patch", "/api/models/fraud/baselines/q1/", {"max_age_days": 90}, EDITORS),
    ("post", "/api/models/fraud/baselines/q1/freeze/", None, EDITORS),
    ("delete", "/api/models/fraud/baselines/q1/", None, EDITORS),
    ("get", "/api/models/fraud/pipeline-releases/", None, READERS),
    ("post", "/api/models/fraud/pipeline-releases/", {"release": "features-2"}, EDITORS),
    ("get", "/api/models/fraud/pipeline-releases/features-1/", None, READERS),
    ("put", "/api/models/fraud/pipeline-releases/features-1/", {"release": "features-1", "notes": "x"}, EDITORS),
    ("patch", "/api/models/fraud/pipeline-releases/features-1/", {"notes": "first"}, EDITORS),
    ("delete", "/api/models/fraud/pipeline-releases/features-1/", None, EDITORS),
    ("get", "/api/changes/", None, READERS),
    ("get", "/api/changes/{change}/", None, READERS),
    ("get", "/api/replicas/", None, READERS),
    ("get", "/api/replicas/serving-1/", None, READERS),
    # A signed-in person is no replica, whoever it is.
    ("get", "/api/serving/snapshot", None, set()),
    ("post", "/api/serving/heartbeats", {}, set()),
    ("get", "/api/bundle", None, set()),
]


@pytest.fixture
def everything(registry: Registry) -> MLModel:
    """One of each thing, some of them free to go."""
    model = registry.model
    make_team("empty")
    make_version(model, "v0")
    traffic.deploy(model, "v2", percent=20, actor=SYSTEM)
    make_baseline(model, "q1", frozen=False)
    make_pipeline(model, "features-1")
    make_model("idle", registry.team)
    seen = "2026-01-01T00:00:00Z"
    Replica.objects.create(name="serving-1", address="h:1", started_at=seen, last_seen_at=seen)
    return model


@pytest.fixture
def clients(request) -> dict[str, Client]:
    """A signed-in client for each person."""
    clients = {person: Client() for person in PEOPLE}
    for person in PEOPLE[1:]:
        clients[person].force_login(request.getfixturevalue(person))
    return clients


def call(client: Client, method: str, address: str, body):
    if method == "get":
        return client.get(address)
    return getattr(client, method)(address, {} if body is None else body, content_type="application/json")


def expected(person: str, allowed: set[str]) -> str:
    if person in allowed:
        return "done"
    return "not signed in" if person == "anonymous" or not allowed else "forbidden"


def outcome(status: int) -> str:
    return {200: "done", 201: "done", 204: "done", 401: "not signed in", 403: "forbidden"}.get(status, str(status))


@pytest.mark.parametrize(("method", "address", "body", "allowed"), MATRIX, ids=[f"{m[0]} {m[1]}" for m in MATRIX])
def test_matrix(clients: dict[str, Client], everything: MLModel, method: str, address: str, body, allowed: set[str]):
    address = address.format(change=everything.changes.first().uuid)
    outcomes = {}
    for person, client in clients.items():
        # Each person finds the same state.
        with transaction.atomic():
            outcomes[person] = outcome(call(client, method, address, body).status_code)
            transaction.set_rollback(True)
    assert outcomes == {person: expected(person, allowed) for person in PEOPLE}


def endpoints(patterns, prefix: str = ""):
    """(method, address pattern) of each of the registry's endpoints."""
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from endpoints(entry.url_patterns, prefix + str(entry.pattern))
        view = getattr(entry, "callback", None)
        view_class = getattr(view, "cls", getattr(view, "view_class", None))
        if view_class is not None and view_class.__module__.startswith("models_registry"):
            for method in getattr(view, "actions", None) or [
                m for m in view_class.http_method_names if hasattr(view_class, m)
            ]:
                if method not in ("head", "options"):
                    yield method, prefix + str(entry.pattern)


def test_every_endpoint_is_in_the_matrix():
    missing = []
    for method, address in endpoints(get_resolver().url_patterns):
        pattern = re.compile("/" + re.sub(r"<[^>]+>", "[^/]+", address))
        if not any(m == method and pattern.fullmatch(a) for m, a, _, _ in MATRIX):
            missing.append((method, address))
    assert missing == []
