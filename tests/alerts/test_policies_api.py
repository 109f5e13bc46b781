"""/api/: the catalogue, policies and custom alerts; who may write them, person by person."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alerts.catalogue import KINDS
from alerts.models import AlertPolicy, CustomAlert
from alerts.policy_edits import save_custom_alert, set_policy
from models_registry.actor import SYSTEM
from models_registry.models import Change, Member
from tests.fixtures.registry import Registry, make_model, make_team, make_user

PEOPLE = ("anonymous", "stranger", "teammate", "on_call", "owner", "platform_editor", "superuser")
READERS = {*PEOPLE} - {"anonymous"}
EDITORS = {"owner", "superuser"}
PLATFORM = {"platform_editor", "superuser"}

LATENCY = "MLInferenceHighLatencyP95"
POLICY = {"alert": "MLCanaryWorse", "thresholds": {"requests": 10}, "for_seconds": 30}
CUSTOM = {
    "name": "BadTooMany",
    "model": "fraud",
    "expression": 'sum(rate(ml_predictions_total{predicted_class="bad"}[5m])) > 1',
    "description": "Too many bad ones.",
    "runbook": "## Meaning\nToo many.\n## Impact\nMoney.\n## Diagnosis\nLook.\n## Mitigation\nRoll back.",
    "fires_case": {"series": {'ml_predictions_total{predicted_class="bad"}': "0+120x20"}, "at": "15m"},
    "silent_case": {"series": {}, "at": "15m"},
}
MATRIX = [
    ("get", "/api/alert-catalogue/", None, READERS),
    ("get", f"/api/alert-catalogue/{LATENCY}/", None, READERS),
    ("get", "/api/alert-policies/", None, READERS),
    ("post", "/api/alert-policies/", POLICY, PLATFORM),
    ("post", "/api/alert-policies/", POLICY | {"team": "payments"}, EDITORS),
    ("post", "/api/alert-policies/", POLICY | {"model": "fraud"}, EDITORS),
    ("post", "/api/alert-policies/", POLICY | {"model": "elsewhere"}, {"superuser"}),
    ("get", f"/api/alert-policies/{LATENCY}/model:fraud/", None, READERS),
    ("patch", f"/api/alert-policies/{LATENCY}/model:fraud/", {"for_seconds": 5}, EDITORS),
    ("put", f"/api/alert-policies/{LATENCY}/model:fraud/", {"alert": LATENCY, "model": "fraud"}, EDITORS),
    ("patch", f"/api/alert-policies/{LATENCY}/team:payments/", {"for_seconds": 5}, EDITORS),
    ("patch", f"/api/alert-policies/{LATENCY}/default/", {"for_seconds": 5}, PLATFORM),
    ("delete", f"/api/alert-policies/{LATENCY}/default/", None, PLATFORM),
    ("delete", f"/api/alert-policies/{LATENCY}/model:fraud/", None, EDITORS),
    ("get", "/api/custom-alerts/", None, READERS),
    ("post", "/api/custom-alerts/", CUSTOM | {"name": "Another"}, EDITORS),
    ("post", "/api/custom-alerts/", CUSTOM | {"name": "Another", "model": "elsewhere"}, {"superuser"}),
    ("get", "/api/custom-alerts/BadTooMany/", None, READERS),
    ("patch", "/api/custom-alerts/BadTooMany/", {"enabled": False}, EDITORS),
    ("put", "/api/custom-alerts/BadTooMany/", CUSTOM | {"severity": "page"}, EDITORS),
    ("delete", "/api/custom-alerts/BadTooMany/", None, EDITORS),
]


@pytest.fixture
def platform_editor(registry: Registry) -> User:
    return make_user("platform_editor", make_team("platform"), Member.Role.EDITOR)


@pytest.fixture
def everything(registry: Registry) -> None:
    """A policy of each scope, a custom alert, and a model of another team."""
    make_model("elsewhere", make_team("others"))
    for scope in ({}, {"team": registry.team}, {"model": registry.model}):
        set_policy(LATENCY, thresholds={"seconds": 0.5}, actor=SYSTEM, **scope)
    save_custom_alert(CustomAlert(**(CUSTOM | {"model": registry.model})), actor=SYSTEM)


@pytest.fixture
def clients(request: pytest.FixtureRequest) -> dict[str, Client]:
    clients = {person: Client() for person in PEOPLE}
    for person in PEOPLE[1:]:
        clients[person].force_login(request.getfixturevalue(person))
    return clients


@pytest.fixture
def client(owner: User) -> Client:
    signed_in = Client()
    signed_in.force_login(owner)
    return signed_in


def call(client: Client, method: str, address: str, body: Any = None) -> Any:
    if method == "get":
        return client.get(address)
    return getattr(client, method)(address, {} if body is None else body, content_type="application/json")


@pytest.mark.parametrize(
    ("method", "address", "body", "allowed"), MATRIX, ids=[f"{m[0]} {m[1]} {sorted(m[3])}" for m in MATRIX]
)
def test_matrix(
    clients: dict[str, Client], everything: None, method: str, address: str, body: Any, allowed: set[str]
) -> None:
    outcomes = {}
    for person, client in clients.items():
        with transaction.atomic():
            outcomes[person] = call(client, method, address, body).status_code
            transaction.set_rollback(True)
    done = {"get": 200, "post": 201, "patch": 200, "put": 200, "delete": 204}[method]
    expected = {p: done if p in allowed else 401 if p == "anonymous" else 403 for p in PEOPLE}
    assert outcomes == expected


def test_the_catalogue_shows_each_alert_with_its_limits(client: Client) -> None:
    shown = {kind["name"]: kind for kind in client.get("/api/alert-catalogue/").json()}
    assert set(shown) == set(KINDS)
    latency = shown[LATENCY]
    assert (latency["for_seconds"], latency["window_seconds"], latency["severity"]) == (600, 300, "page")
    assert latency["thresholds"][0] | {"help": ""} == {
        "name": "seconds",
        "default": 0.35,
        "unit": "s",
        "minimum": 0.01,
        "maximum": 4.95,
        "help": "",
    }
    assert client.get("/api/alert-catalogue/MLNothing/").status_code == 404


def test_a_policy_is_made_read_back_and_its_author_is_known(client: Client, owner: User) -> None:
    made = call(client, "post", "/api/alert-policies/", POLICY | {"model": "fraud"})
    assert made.status_code == 201, made.content
    assert made.json()["policy"] == "model:fraud"
    read = client.get("/api/alert-policies/MLCanaryWorse/model:fraud/").json()
    assert read == made.json()
    assert read["thresholds"] == {"requests": 10}
    change = Change.objects.get(object_type="alert policy")
    assert (change.kind, change.author, change.model_name) == ("threshold", owner.username, "fraud")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (POLICY | {"model": "fraud", "alert": "MLNothing"}, "alert"),
        (POLICY | {"model": "nobody"}, "model"),
        (POLICY | {"model": "fraud", "thresholds": {"x": 1}}, "thresholds"),
        (POLICY | {"model": "fraud", "thresholds": {"requests": "many"}}, "thresholds"),
        (POLICY | {"model": "fraud", "window_seconds": -1}, "window_seconds"),
        (POLICY | {"model": "fraud", "for": "5m"}, "for"),
    ],
)
def test_a_wrong_field_of_a_policy_is_named(client: Client, body: dict[str, Any], field: str) -> None:
    refused = call(client, "post", "/api/alert-policies/", body)
    assert refused.status_code == 400
    assert list(refused.json()) == [field]
    assert not AlertPolicy.objects.exists()


def test_a_second_policy_of_one_scope_is_refused(client: Client) -> None:
    body = POLICY | {"model": "fraud"}
    assert call(client, "post", "/api/alert-policies/", body).status_code == 201
    assert call(client, "post", "/api/alert-policies/", body).status_code == 400


@pytest.mark.parametrize("scope", ["model:nobody", "team:", "default:x", "everybody", "model:"])
def test_an_unknown_scope_is_not_found(client: Client, scope: str) -> None:
    assert client.get(f"/api/alert-policies/{LATENCY}/{scope}/").status_code == 404


def test_an_expression_that_does_not_parse_is_refused_with_the_parsers_words(client: Client) -> None:
    refused = call(client, "post", "/api/custom-alerts/", CUSTOM | {"expression": "sum(rate(x[5m])"})
    assert refused.status_code == 400
    assert "Prometheus would not read this expression" in refused.json()["expression"][0]


def test_a_custom_alert_without_a_runbook_is_refused(client: Client) -> None:
    refused = call(client, "post", "/api/custom-alerts/", {k: v for k, v in CUSTOM.items() if k != "runbook"})
    assert refused.status_code == 400
    assert list(refused.json()) == ["runbook"]


def test_a_custom_alert_can_not_move_to_another_model(client: Client, everything: None, owner: User) -> None:
    """Else an editor of one team could alert another."""
    other = make_model("second", Member.objects.get(user=owner).team)
    refused = call(client, "patch", "/api/custom-alerts/BadTooMany/", {"model": other.name})
    assert refused.status_code == 400
    assert list(refused.json()) == ["model"]


@pytest.mark.parametrize("address", ["/api/alert-policies/", "/api/custom-alerts/"])
def test_lists_take_a_number_of_queries_that_no_row_adds_to(
    client: Client, everything: None, registry: Registry, django_assert_num_queries: Any, address: str
) -> None:
    with CaptureQueriesContext(connection) as few:
        assert client.get(address).status_code == 200
    for n in range(10):
        row = make_model(f"m{n}", registry.team)
        set_policy(LATENCY, model=row, for_seconds=n, actor=SYSTEM)
        save_custom_alert(CustomAlert(**(CUSTOM | {"model": row, "name": f"Custom{n}"})), actor=SYSTEM)
    with django_assert_num_queries(len(few)):
        assert client.get(address).status_code == 200
