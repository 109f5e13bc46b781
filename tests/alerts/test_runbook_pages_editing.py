"""A model's own runbook: written by its editors, with its history, in place of the shipped text."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from alerts.models import Runbook
from alerts.runbook_editing import drop_runbook, history, save_runbook
from alerts.runbook_page import find_text
from models_registry.actor import Actor
from models_registry.models import Change
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.database

ALERT = "MLServingDown"
ADDRESS = f"/runbooks/{ALERT}/edit/?model_name=fraud"
BODY = "## Meaning\n\nOurs.\n\n## Impact\n\nBig.\n\n## Diagnosis\n\nLook.\n\n## Mitigation\n\nAct.\n"


@pytest.fixture(autouse=True)
def without_prometheus(settings: Settings) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"


def test_an_edit_is_a_change_with_the_text_before_and_after(registry: Registry, owner: User) -> None:
    actor = Actor.of(owner)
    save_runbook(ALERT, registry.model, body=BODY, owner_team=registry.team, review_by=None, actor=actor)
    save_runbook(
        ALERT,
        registry.model,
        body=BODY.replace("Ours", "Theirs"),
        owner_team=registry.team,
        review_by=None,
        actor=actor,
    )
    newest, first = history(ALERT, registry.model)
    assert (first.before, first.after["body"]) == (None, BODY)
    assert "Ours" in newest.before["body"]
    assert "Theirs" in newest.after["body"]
    assert newest.author == "owner"


def test_saving_the_same_text_is_no_change(registry: Registry, owner: User) -> None:
    actor = Actor.of(owner)
    for _ in range(2):
        save_runbook(ALERT, registry.model, body=BODY, owner_team=registry.team, review_by=None, actor=actor)
    assert len(history(ALERT, registry.model)) == 1


def test_dropping_it_lets_the_shipped_text_hold_again(registry: Registry, owner: User) -> None:
    actor = Actor.of(owner)
    save_runbook(ALERT, registry.model, body=BODY, owner_team=registry.team, review_by=None, actor=actor)
    assert find_text(ALERT, "fraud").origin == "model"
    assert find_text(ALERT, "another").origin == "shipped"
    drop_runbook(ALERT, registry.model, actor=actor)
    assert find_text(ALERT, "fraud").origin == "shipped"
    assert len(history(ALERT, registry.model)) == 2
    assert drop_runbook(ALERT, registry.model, actor=actor) is None


class TestThePage:
    def test_saves_and_the_runbook_shows_it(self, client: Client, registry: Registry, owner: User) -> None:
        client.force_login(owner)
        sent = {"body": BODY.replace("\n", "\r\n"), "owner_team": registry.team.pk, "review_by": "2020-01-01"}
        response = client.post(ADDRESS, sent, follow=True)
        page = response.content.decode()
        assert response.redirect_chain == [(f"/runbooks/{ALERT}/?model_name=fraud", 302)]
        assert "Ours." in page
        assert "review overdue" in page
        assert Runbook.objects.get().body == BODY

    def test_names_the_section_that_is_missing(self, client: Client, registry: Registry, owner: User) -> None:
        client.force_login(owner)
        page = client.post(ADDRESS, {"body": "## Meaning\n\nOurs.", "owner_team": registry.team.pk}).content.decode()
        assert "The section Impact is missing" in page
        assert not Runbook.objects.exists()

    def test_is_for_editors(self, client: Client, registry: Registry, teammate: User, on_call: User) -> None:
        for person in (teammate, on_call):
            client.force_login(person)
            assert client.get(ADDRESS).status_code == 403
            assert client.post(ADDRESS, {"body": BODY, "owner_team": registry.team.pk}).status_code == 403
        assert not Change.objects.filter(object_type="runbook").exists()

    def test_does_not_exist_for_alerts_about_plumbline(self, client: Client, registry: Registry, owner: User) -> None:
        client.force_login(owner)
        assert client.get("/runbooks/PlumblineDown/edit/?model_name=fraud").status_code == 404
