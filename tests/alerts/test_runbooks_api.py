"""/api/runbooks/: a model's text, or a team's for all its models, written, read and dropped over REST."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alerts.models import Runbook
from alerts.runbook_editing import save_runbook
from alerts.runbook_page import find_text
from models_registry.actor import SYSTEM
from models_registry.models import Change, MLModel, Team
from tests.fixtures.registry import Registry, make_model, make_team

pytestmark = pytest.mark.django_db

LIST, DOWN = "/api/runbooks/", "MLServingDown"
TEXT = "## Meaning\n\n{}\n\n## Impact\n\nBig.\n\n## Diagnosis\n\nLook.\n\n## Mitigation\n\nAct.\n"
BODY = {"alert": DOWN, "owner_team": "payments", "body": TEXT.format("Ours.")}
OF_MODEL, OF_TEAM = f"{LIST}{DOWN}/model:fraud/", f"{LIST}{DOWN}/team:payments/"


def call(client: Client, method: str, address: str, body: Any = None) -> Any:
    return getattr(client, method)(address, {} if body is None else body, content_type="application/json")


def write(about: MLModel | Team, owner: Team) -> None:
    save_runbook(DOWN, about, body=TEXT.format("Stored."), owner_team=owner, review_by=None, actor=SYSTEM)


@pytest.fixture
def web(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


@pytest.mark.parametrize("scope", ["model:fraud", "team:payments"])
def test_a_text_is_written_read_changed_and_dropped(web: Client, registry: Registry, scope: str) -> None:
    kind, _, name = scope.partition(":")
    made = call(web, "post", LIST, BODY | {kind: name})
    assert made.status_code == 201, made.content
    assert (made.json()["scope"], find_text(DOWN, "fraud").origin) == (scope, kind)
    address = f"{LIST}{DOWN}/{scope}/"
    assert web.get(address).json() == made.json()
    changed = call(web, "patch", address, {"review_by": "2027-01-01"})
    assert (changed.status_code, changed.json()["body"]) == (200, BODY["body"])
    assert web.delete(address).status_code == 204
    assert find_text(DOWN, "fraud").origin == "shipped"
    told = Change.objects.filter(object_type="runbook", author="owner").values_list("summary", flat=True)
    assert [summary.partition(DOWN)[2].split(",")[0] for summary in told] == [" dropped", " edited", " written"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "model"),
        ({"model": "fraud", "team": "payments"}, "model"),
        ({"model": "nobody"}, "model"),
        ({"model": "fraud", "alert": "MLNothing"}, "alert"),
        ({"model": "fraud", "alert": "PlumblineDown"}, "alert"),
        ({"model": "fraud", "owner_team": "nobody"}, "owner_team"),
        ({"model": "fraud", "body": "## Meaning\n\nm"}, "body"),
        ({"model": "fraud", "text": "x"}, "text"),
    ],
)
def test_a_wrong_field_is_named(web: Client, registry: Registry, body: dict[str, Any], field: str) -> None:
    refused = call(web, "post", LIST, BODY | body)
    assert (refused.status_code, list(refused.json())) == (400, [field])
    assert not Runbook.objects.exists()


def test_one_that_is_there_is_changed_and_not_made_again(web: Client, registry: Registry) -> None:
    write(registry.model, registry.team)
    refused = call(web, "post", LIST, BODY | {"model": "fraud"})
    assert (refused.status_code, list(refused.json())) == (400, ["alert"])
    assert "Stored." in Runbook.objects.get().body


def test_a_text_stays_with_its_alert_and_its_model(web: Client, registry: Registry) -> None:
    """Else an editor of one team could write another's."""
    make_model("second", make_team("search"))
    write(registry.model, registry.team)
    for moved in ({"model": "second"}, {"alert": "MLCanaryWorse"}, {"team": "search"}):
        refused = call(web, "patch", OF_MODEL, moved)
        assert (refused.status_code, list(refused.json())) == (400, list(moved))


MATRIX = [
    ("get", LIST, None, "readers"),
    ("get", OF_MODEL, None, "readers"),
    ("post", LIST, BODY | {"model": "fraud", "alert": "MLCanaryWorse"}, "editors"),
    ("post", LIST, BODY | {"team": "payments", "alert": "MLCanaryWorse"}, "editors"),
    ("post", LIST, BODY | {"team": "search"}, "superusers"),
    ("put", OF_MODEL, BODY | {"model": "fraud"}, "editors"),
    ("patch", OF_TEAM, {"review_by": "2027-01-01"}, "editors"),
    ("delete", OF_MODEL, None, "editors"),
    ("delete", OF_TEAM, None, "editors"),
]
WHO = {
    "readers": {"stranger", "teammate", "on_call", "owner", "superuser"},
    "editors": {"owner", "superuser"},
    "superusers": {"superuser"},
}


@pytest.mark.parametrize(("method", "address", "body", "who"), MATRIX)
def test_who_may(
    request: pytest.FixtureRequest, registry: Registry, method: str, address: str, body: Any, who: str
) -> None:
    make_team("search")
    for about in (registry.model, registry.team):
        write(about, registry.team)
    done = set()
    for person in WHO["readers"]:
        client = Client()
        client.force_login(request.getfixturevalue(person))
        with transaction.atomic():
            answer = call(client, method, address, body)
            transaction.set_rollback(True)
        assert answer.status_code in (200, 201, 204, 403), answer.content
        done |= {person} if answer.status_code != 403 else set()
    assert done == WHO[who]
    assert call(Client(), method, address, body).status_code == 401


@pytest.mark.parametrize("scope", ["model:nobody", "team:", "default", "everybody:x"])
def test_an_unknown_scope_is_not_found(web: Client, scope: str) -> None:
    assert web.get(f"{LIST}{DOWN}/{scope}/").status_code == 404


def test_the_list_takes_a_number_of_queries_that_no_row_adds_to(
    web: Client, registry: Registry, django_assert_num_queries: Any
) -> None:
    write(registry.model, registry.team)
    with CaptureQueriesContext(connection) as few:
        assert web.get(LIST).status_code == 200
    for n in range(5):
        team = make_team(f"team-{n}")
        write(make_model(f"m{n}", team), team)
        write(team, team)
    with django_assert_num_queries(len(few)):
        shown = web.get(f"{LIST}?ordering=-alert").json()
    assert shown["count"] == 11
    assert web.get(f"{LIST}?team__name=team-1").json()["count"] == 1
