"""A team's runbook: for all models that it answers for, where a model has no text of its own."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from pytest_django.fixtures import Settings

from alerts.models import Runbook
from alerts.runbook_editing import drop_runbook, history, save_runbook
from alerts.runbook_page import find_text, origins_of
from models_registry.actor import SYSTEM
from models_registry.fleet import load_model
from models_registry.models import Change, MLModel, Team
from models_registry.removal import InUse, delete_team
from tests.fixtures.registry import Registry, make_model, make_team
from tests.page_text import text_of

pytestmark = pytest.mark.database

DOWN, DRIFT = "MLServingDown", "MLDriftCriticalFeatureDetected"  # of the serving path, and of the analysis
BODY = "## Meaning\n\n{}\n\n## Impact\n\nBig.\n\n## Diagnosis\n\nLook.\n\n## Mitigation\n\nAct.\n"
EDIT = f"/runbooks/{DOWN}/edit/?team=payments"


@pytest.fixture(autouse=True)
def without_prometheus(settings: Settings) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"


def write(alert: str, about: MLModel | Team, words: str, owner: Team) -> Change | None:
    return save_runbook(alert, about, body=BODY.format(words), owner_team=owner, review_by=None, actor=SYSTEM)


@pytest.fixture
def science(registry: Registry) -> Team:
    """The applied-ML team of `fraud`; `payments` is on call."""
    team = make_team("science")
    MLModel.objects.filter(pk=registry.model.pk).update(applied_ml_team=team)
    return team


class TestWhoseTextHolds:
    def told(self, alert: str, model: str = "fraud") -> tuple[str, bool]:
        text = find_text(alert, model)
        assert text is not None
        return text.origin, "Its own." in text.body

    def test_the_models_else_the_teams_else_the_shipped_one(self, registry: Registry) -> None:
        other = make_model("churn", registry.team)
        assert self.told(DOWN) == ("shipped", False)
        write(DOWN, registry.team, "The team's.", registry.team)
        assert (self.told(DOWN), self.told(DOWN, "churn")) == (("team", False), ("team", False))
        write(DOWN, registry.model, "Its own.", registry.team)
        assert (self.told(DOWN), self.told(DOWN, "churn")) == (("model", True), ("team", False))
        drop_runbook(DOWN, registry.model, actor=SYSTEM)
        assert self.told(DOWN) == ("team", False)
        drop_runbook(DOWN, registry.team, actor=SYSTEM)
        assert self.told(DOWN, other.name) == ("shipped", False)

    def test_of_a_health_alert_the_on_call_teams_of_a_quality_alert_the_applied_ml_teams(
        self, registry: Registry, science: Team
    ) -> None:
        for alert in (DOWN, DRIFT):
            write(alert, registry.team, "Of payments.", registry.team)
            write(alert, science, "Of science.", science)
        assert "Of payments." in find_text(DOWN, "fraud").body
        assert "Of science." in find_text(DRIFT, "fraud").body
        assert origins_of(load_model("fraud")) == {DOWN: "team:payments", DRIFT: "team:science"}

    def test_no_other_teams(self, registry: Registry) -> None:
        others = make_team("others")
        write(DOWN, others, "Of others.", others)
        assert self.told(DOWN) == ("shipped", False)
        assert find_text(DOWN).origin == "shipped"
        assert origins_of(load_model("fraud")) == {}

    def test_a_teams_text_is_about_an_alert_of_the_catalogue(self, registry: Registry) -> None:
        for alert in ("BadTooMany", "PlumblineDown"):
            with pytest.raises(ValidationError, match="the catalogue's alerts about models"):
                write(alert, registry.team, "x", registry.team)

    def test_a_text_is_of_a_model_or_of_a_team_and_once(self, registry: Registry) -> None:
        given = {"alert": DOWN, "body": "x", "owner_team": registry.team}
        Runbook.objects.create(team=registry.team, **given)
        for about in ({}, {"team": registry.team}, {"team": registry.team, "model": registry.model}):
            with pytest.raises(IntegrityError), transaction.atomic():
                Runbook.objects.create(**about, **given)


def test_its_history_is_the_teams_own(registry: Registry) -> None:
    write(DOWN, registry.model, "Its own.", registry.team)
    write(DOWN, registry.team, "First.", registry.team)
    write(DOWN, registry.team, "Second.", registry.team)
    newest, first = history(DOWN, registry.team)
    assert (first.before, "First." in newest.before["body"], "Second." in newest.after["body"]) == (None, True, True)
    assert newest.summary == f"team payments: runbook {DOWN} edited"
    assert len(history(DOWN, registry.model)) == 1


class TestThePages:
    def sent(self, registry: Registry, words: str = "Ours.") -> dict[str, Any]:
        return {"body": BODY.format(words), "owner_team": registry.team.pk, "review_by": ""}

    def test_an_editor_writes_it_and_every_model_of_the_team_shows_it(
        self, client: Client, registry: Registry, owner: User
    ) -> None:
        make_model("churn", registry.team)
        client.force_login(owner)
        assert client.get(EDIT).context["form"]["body"].value() == find_text(DOWN).body
        answer = client.post(f"{EDIT}&model_name=fraud", self.sent(registry), follow=True)
        assert answer.redirect_chain == [(f"/runbooks/{DOWN}/?model_name=fraud", 302)]
        for model in ("fraud", "churn"):
            text = text_of(client.get(f"/runbooks/{DOWN}/?model_name={model}").content.decode())
            assert "Ours." in text and "Text of team payments for its models, kept by payments" in text
        assert "all models of payments" in text_of(client.get("/runbooks/").content.decode())
        assert Change.objects.filter(object_type="runbook", author="owner").count() == 1

    def test_the_runbook_leads_the_teams_editors_there(
        self, client: Client, registry: Registry, owner: User, teammate: User
    ) -> None:
        address, link = f"/runbooks/{DOWN}/?model_name=fraud", "edit/?team=payments&amp;model_name=fraud"
        client.force_login(owner)
        assert link in client.get(address).content.decode()
        client.force_login(teammate)
        assert link not in client.get(address).content.decode()

    def test_dropping_it_lets_the_shipped_text_hold_again(
        self, client: Client, registry: Registry, owner: User
    ) -> None:
        write(DOWN, registry.team, "Ours.", registry.team)
        client.force_login(owner)
        assert client.post(EDIT, {"drop": "1"}).status_code == 302
        assert not Runbook.objects.exists()

    def test_a_models_new_text_begins_with_the_teams(self, client: Client, registry: Registry, owner: User) -> None:
        write(DOWN, registry.team, "Ours.", registry.team)
        client.force_login(owner)
        assert "Ours." in client.get(f"/runbooks/{DOWN}/edit/?model_name=fraud").context["form"]["body"].value()

    @pytest.mark.parametrize("person", ["stranger", "teammate", "on_call"])
    def test_nobody_else_writes_it(
        self, client: Client, registry: Registry, request: pytest.FixtureRequest, person: str
    ) -> None:
        client.force_login(request.getfixturevalue(person))
        answer = client.post(EDIT, self.sent(registry))
        assert answer.status_code == 403
        assert "For team payments, only its editors may do this" in text_of(answer.content.decode())
        assert not Runbook.objects.exists()

    def test_an_editor_of_the_models_other_team_does_not_write_it(
        self, client: Client, registry: Registry, science: Team, owner: User
    ) -> None:
        client.force_login(owner)
        assert client.post(f"/runbooks/{DRIFT}/edit/?team=science", self.sent(registry)).status_code == 403

    @pytest.mark.parametrize(
        "address", [f"/runbooks/{DOWN}/edit/?team=nobody", "/runbooks/PlumblineDown/edit/?team=payments"]
    )
    def test_what_there_is_not_can_not_be_edited(
        self, client: Client, registry: Registry, owner: User, address: str
    ) -> None:
        client.force_login(owner)
        assert client.get(address).status_code == 404

    def test_the_page_of_the_alert_says_whose_it_is(self, client: Client, registry: Registry, owner: User) -> None:
        write(DOWN, registry.team, "Ours.", registry.team)
        client.force_login(owner)
        text = text_of(client.get(f"/models/fraud/alerts/{DOWN}/").content.decode())
        assert "runbook the text of payments team:payments" in text


def test_a_team_goes_with_the_texts_of_its_models(registry: Registry) -> None:
    idle = make_team("idle")
    write(DOWN, idle, "Ours.", idle)
    delete_team(idle, actor=SYSTEM)
    assert not Runbook.objects.exists()


def test_a_team_that_keeps_anothers_text_does_not(registry: Registry) -> None:
    idle = make_team("idle")
    write(DOWN, registry.team, "Ours.", idle)
    with pytest.raises(InUse, match=f"team idle is needed by runbook runbook {DOWN} of team payments"):
        delete_team(idle, actor=SYSTEM)
