"""What an edit restarts, as people and programs meet it: before saving, before deleting, after saving, over REST."""

import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from alerts.firing import FiringNow, firing_now
from alerts.models import AlertPolicy, CustomAlert
from alerts.policies import Policies, PolicyRow
from alerts.policy_edits import set_policy
from alerts.prometheus import Prometheus
from controlplane import edit_preview
from controlplane.edit_preview import State
from controlplane.stack.prometheus import Prometheus as PrometheusServer
from models_registry.actor import SYSTEM
from models_registry.fleet import Fleet
from models_registry.models import Change, Member
from tests.alerts.fleets import OPTIONS
from tests.alerts.fleets import model as fleet_model
from tests.controlplane.firing_alerts import DOWN, PENDING
from tests.doubles.dripping import dripping
from tests.fixtures.registry import Registry, make_model, make_team, make_user
from tests.page_text import text_of

POLICIES, CUSTOM = "/admin/alerts/alertpolicy/", "/admin/alerts/customalert/"
API = "/api/alert-policies/preview/"


@pytest.fixture
def unreachable(settings: Settings, registry: Registry) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"


@pytest.fixture
def slow(settings: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(edit_preview, "DEADLINE", 0.3)
    with dripping() as settings.PROMETHEUS_URL:
        yield


@pytest.fixture
def editor(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def typed(**fields: Any) -> dict[str, Any]:
    return {"team": "", "model": "", "for_seconds": "", "severity": "", "enabled": "on", **fields}


def shown(response: Any) -> str:
    assert response.status_code == 200, response.content
    return text_of(response.content.decode())


def told(response: Any, client: Client) -> str:
    """The messages on the page that follows."""
    assert response.status_code == 302, response.content
    return " ".join(unescape(str(m)) for m in client.get(response["Location"]).context["messages"])


class TestWhileTyping:
    def test_a_policy_of_its_own_is_said_to_restart_the_models_alert(
        self, editor: Client, firing: None, registry: Registry
    ) -> None:
        body = typed(model=registry.model.pk, for_seconds="5m")
        page = shown(editor.post(f"{POLICIES}restarts/?alert={DOWN}", body))
        assert "MLServingDown fraud" in page and "starts anew" in page
        assert "Its rule changes for 1 model: fraud" in page
        assert not AlertPolicy.objects.exists() and not Change.objects.filter(object_type="alert policy").exists()

    def test_another_for_of_the_policy_in_force_lets_it_go_on(self, client: Client, firing: None) -> None:
        client.force_login(make_user("platform-editor", make_team("platform"), Member.Role.EDITOR))
        page = shown(client.post(f"{POLICIES}restarts/?alert={DOWN}", typed(for_seconds="5m")))
        assert "goes on firing" in page and "starts anew" not in page
        assert "Its rule changes for 2 models: churn , fraud" in page

    def test_a_stored_policy_is_asked_about_with_what_is_typed_now(
        self, editor: Client, firing: None, registry: Registry
    ) -> None:
        set_policy(DOWN, model=registry.model, for_seconds=60, actor=SYSTEM)
        row = AlertPolicy.objects.get()
        page = shown(editor.post(f"{POLICIES}{row.pk}/restarts/", typed(enabled="")))
        assert "For no model does its rule change" not in page
        row.refresh_from_db()
        assert row.enabled

    def test_what_is_wrong_is_named_first(self, editor: Client, firing: None, registry: Registry) -> None:
        page = shown(
            editor.post(f"{POLICIES}restarts/?alert={DOWN}", typed(model=registry.model.pk, for_seconds="ten"))
        )
        assert "Correct this first" in page and "For: " in page

    def test_what_is_pending_is_said_to_wait_anew(self, editor: Client, firing: None, registry: Registry) -> None:
        body = typed(model=registry.model.pk, for_seconds="5m")
        page = shown(editor.post(f"{POLICIES}restarts/?alert={PENDING}", body))
        assert f"{PENDING} fraud pending since" in page and "waits its whole for anew" in page

    def test_a_deletion_is_asked_about_on_its_page(self, editor: Client, firing: None, registry: Registry) -> None:
        set_policy(DOWN, model=registry.model, enabled=False, actor=SYSTEM)
        row = AlertPolicy.objects.get()
        page = editor.get(f"{POLICIES}{row.pk}/delete/").content.decode()
        assert f'hx-get="{POLICIES}{row.pk}/delete/restarts/"' in page
        # The release with the policy isn't out yet: by the time both are, it fires where it fires now.
        assert "goes on firing" in shown(editor.get(f"{POLICIES}{row.pk}/delete/restarts/"))

    def test_the_form_has_the_panel_for_who_may_save(self, editor: Client, stranger: User, registry: Registry) -> None:
        set_policy(DOWN, model=registry.model, for_seconds=60, actor=SYSTEM)
        address = f"{POLICIES}{AlertPolicy.objects.get().pk}/change/"
        assert "What would this change?" in editor.get(address).content.decode()
        editor.force_login(stranger)
        assert "What would this change?" not in editor.get(address).content.decode()

    @pytest.mark.parametrize("person", ["stranger", "teammate", "on_call"])
    def test_it_is_for_who_may_save(
        self, client: Client, request: pytest.FixtureRequest, unreachable: None, registry: Registry, person: str
    ) -> None:
        set_policy(DOWN, model=registry.model, for_seconds=60, actor=SYSTEM)
        row = AlertPolicy.objects.get()
        client.force_login(request.getfixturevalue(person))
        assert client.post(f"{POLICIES}{row.pk}/restarts/", typed()).status_code == 403
        assert client.post(f"{POLICIES}restarts/?alert={DOWN}", typed()).status_code == 403
        assert client.get(f"{POLICIES}{row.pk}/delete/restarts/").status_code == 403

    def test_a_prometheus_that_is_away_is_said_to_be(
        self, editor: Client, unreachable: None, registry: Registry
    ) -> None:
        body = typed(model=registry.model.pk, for_seconds="5m")
        page = shown(editor.post(f"{POLICIES}restarts/?alert={DOWN}", body))
        assert "is not known" in page and "127.0.0.1:9 can't be reached" in page
        assert "nothing starts anew" not in page
        assert "Its rule changes for 1 model: fraud" in page

    def test_it_takes_as_many_queries_for_20_models_as_for_2(
        self, editor: Client, unreachable: None, registry: Registry
    ) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                shown(editor.post(f"{POLICIES}restarts/?alert={DOWN}", typed(team=registry.team.pk, for_seconds="5m")))
            return len(captured)

        queries()
        few = queries()
        for i in range(18):
            make_model(f"m{i}", registry.team, versions=("v1",), features=("a", "b"))
        assert queries() == few < 30


class TestSaving:
    def test_names_what_starts_anew(self, editor: Client, firing: None, registry: Registry) -> None:
        body = typed(model=registry.model.pk, for_seconds="5m")
        words = told(editor.post(f"{POLICIES}add/?alert={DOWN}", body), editor)
        assert "starts anew: MLServingDown on fraud, since" in words

    def test_says_that_nothing_starts_anew(self, editor: Client, firing: None, registry: Registry) -> None:
        body = typed(model=registry.model.pk, for_seconds="5m")
        words = told(
            editor.post(
                f"{POLICIES}add/?alert=MLReplicaRestarting", {**body, "limit_starts": "", "window_seconds": ""}
            ),
            editor,
        )
        assert "No firing alert starts anew." in words

    def test_names_what_is_pending_apart(self, editor: Client, firing: None, registry: Registry) -> None:
        body = typed(model=registry.model.pk, for_seconds="5m")
        words = told(editor.post(f"{POLICIES}add/?alert={PENDING}", body), editor)
        assert "No firing alert starts anew. Pending now, and waits its whole `for` anew: " in words
        assert f"{PENDING} on fraud, since" in words

    def test_a_custom_alert_that_is_deleted_ends(self, editor: Client, firing: None, registry: Registry) -> None:
        alert = CustomAlert.objects.create(
            model=registry.model,
            name="BadTooMany",
            expression="up == 0",
            severity="ticket",
            owner="on_call",
            description="x",
            runbook="x",
            fires_case={"series": {"up": "0x20"}, "at": "15m"},
            silent_case={"series": {}, "at": "15m"},
        )
        words = told(editor.post(f"{CUSTOM}{alert.pk}/delete/", {"post": "yes"}), editor)
        assert "and ends: BadTooMany on fraud" in words

    @pytest.mark.parametrize("away", ["unreachable", "slow"])
    def test_does_not_need_prometheus_nor_wait_for_it(
        self, editor: Client, registry: Registry, request: pytest.FixtureRequest, away: str
    ) -> None:
        request.getfixturevalue(away)
        began = time.monotonic()
        answer = editor.post(f"{POLICIES}add/?alert={DOWN}", typed(model=registry.model.pk, for_seconds="5m"))
        assert time.monotonic() - began < 3
        assert AlertPolicy.objects.get().for_seconds == 300
        assert "Which firing alerts start anew is not known: http://127.0.0.1" in told(answer, editor)

    def test_asks_before_the_transaction_of_the_edit(
        self, editor: Client, unreachable: None, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outside, inside = len(connection.savepoint_ids), []

        def ask(alert: str) -> FiringNow:
            inside.append(len(connection.savepoint_ids))
            return FiringNow()

        monkeypatch.setattr(edit_preview, "ask", ask)
        editor.post(f"{POLICIES}add/?alert={DOWN}", typed(model=registry.model.pk))
        assert inside == [outside]

    def test_without_a_right_to_save_nobody_is_asked(
        self, client: Client, stranger: User, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(edit_preview, "ask", lambda alert: pytest.fail("asked"))
        client.force_login(stranger)
        assert client.post(f"{POLICIES}add/?alert={DOWN}", typed(model=registry.model.pk)).status_code == 403


class TestTheApi:
    def post(self, client: Client, **body: Any) -> Any:
        return client.post(API, {"alert": DOWN, **body}, content_type="application/json")

    def test_an_edit_is_previewed(self, client: Client, stranger: User, firing: None) -> None:
        client.force_login(stranger)
        answer = self.post(client, model="fraud", for_seconds=300).json()
        (restarted,) = answer["restarts"]
        assert restarted["labels"]["model_name"] == "fraud" and restarted["since"]
        assert restarted["state"] == "firing"
        assert (answer["policy"], answer["models"], answer["known"]) == ("model:fraud", ["fraud"], True)
        assert (answer["ends"], answer["keeps"]) == ([], [])
        assert not AlertPolicy.objects.exists()

    def test_a_deletion_is_previewed(self, client: Client, stranger: User, firing: None, registry: Registry) -> None:
        client.force_login(stranger)
        assert self.post(client, model="fraud", delete=True).status_code == 404
        set_policy(DOWN, model=registry.model, for_seconds=60, actor=SYSTEM)
        assert self.post(client, model="fraud", delete=True).json()["models"] == ["fraud"]
        assert AlertPolicy.objects.exists()

    def test_what_is_not_known_is_null_and_not_empty(self, client: Client, stranger: User, unreachable: None) -> None:
        client.force_login(stranger)
        answer = self.post(client, model="fraud", for_seconds=300).json()
        assert (answer["known"], answer["restarts"], answer["ends"], answer["keeps"]) == (False, None, None, None)
        assert "can't be reached" in answer["problem"] and "is not known" in answer["verdict"]
        assert answer["models"] == ["fraud"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [({"alert": "Nope"}, "alert"), ({"for_seconds": -1}, "for_seconds"), ({"thresholds": {"x": 1}}, "thresholds")],
    )
    def test_a_wrong_field_is_named(
        self, client: Client, stranger: User, unreachable: None, body: dict[str, Any], field: str
    ) -> None:
        client.force_login(stranger)
        answer = self.post(client, **body)
        assert answer.status_code == 400 and list(answer.json()) == [field]


def test_two_servers_are_asked_together_and_the_one_that_is_away_is_named(firing_prometheus: PrometheusServer) -> None:
    servers = [Prometheus("http://127.0.0.1:9"), *[Prometheus(firing_prometheus.url)] * 2]
    found = firing_now(servers, DOWN)
    assert [f.labels["model_name"] for f in found.alerts] == ["fraud"]
    assert found.known and "127.0.0.1:9 can't be reached" in found.problem


def test_a_thousand_models_are_compared_in_a_moment() -> None:
    fleet = Fleet(teams=(), models=tuple(fleet_model(f"m{i:04}") for i in range(1000)))
    after = Policies().having(PolicyRow(DOWN, model="m0007", for_=60))
    began = time.monotonic()
    result = edit_preview.compare(DOWN, State(fleet, Policies(), OPTIONS), State(fleet, after, OPTIONS), FiringNow())
    assert time.monotonic() - began < 1
    assert result.effect.models == ("m0007",)
