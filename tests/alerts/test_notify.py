"""A policy that names a team: it is told, in place of whose role it is, everywhere that somebody is told."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from alerts.alert_labels import alert_labels
from alerts.catalogue import KINDS
from alerts.kubernetes.objects import render_kubernetes
from alerts.models import AlertPolicy
from alerts.owners import TEAM
from alerts.policies import Policies, PolicyRow, load_policies
from alerts.policy_edits import set_policy
from alerts.restarts import Firing, effect
from alerts.routing import alertmanager_document
from alerts.rules import rules_of_kind
from alerts.scraping import render_prometheus
from alerts.sources import sourced
from alerts.who import who
from models_registry.actor import SYSTEM
from models_registry.models import Change, Member, Team
from models_registry.removal import InUse, delete_team
from tests.alerts import tools
from tests.alerts.fleets import OBJECTIVES, OPTIONS, RICH, bundle, receivers, written
from tests.fixtures.registry import Registry, make_team

DOWN, DRIFT, MISSING, FAILING, BURN = (
    "MLServingDown",
    "MLDriftCriticalFeatureDetected",
    "MLFeatureMissingRatioHigh",
    "MLDriftCheckFailing",
    "MLErrorBudgetBurn",
)
EVERY_OWNER = (DOWN, DRIFT, MISSING, FAILING, BURN, "PlumblineReleaseFailing")
TOLD = Policies(tuple(PolicyRow(alert, notify="geo") for alert in EVERY_OWNER), objectives=OBJECTIVES)
NIGHT = datetime(2026, 7, 1, 23, tzinfo=UTC)
POLICIES = "/admin/alerts/alertpolicy/"


class TestTheRules:
    @pytest.mark.parametrize("alert", EVERY_OWNER[:-1])
    def test_the_team_is_on_the_series_and_the_rule_is_the_same(self, alert: str) -> None:
        by_role = rules_of_kind(KINDS[alert], RICH, Policies(objectives=OBJECTIVES), OPTIONS)
        named = rules_of_kind(KINDS[alert], RICH, TOLD, OPTIONS)
        for before, after in zip(by_role, named, strict=True):
            assert (before.group, before.labels) == (after.group, after.labels)
            assert TEAM not in after.labels
            assert '"team", "geo", "", ""' in after.expression and "applied-ml" not in after.expression

    def test_a_meta_alerts_team_is_a_label_of_its_rule(self) -> None:
        (rule,) = rules_of_kind(KINDS["PlumblineReleaseFailing"], RICH, TOLD, OPTIONS)
        assert rule.labels[TEAM] == "geo"

    def test_promtool_sees_that_team_told(self, tmp_path: Path) -> None:
        files = bundle(RICH, TOLD)
        kept = {path: text for path, text in files.items() if "/tests/" not in path or Path(path).stem in EVERY_OWNER}
        outcome = tools.run_proofs(written(kept, tmp_path))
        assert outcome.accepted, outcome.text
        assert "team: geo" in kept[f"prometheus/tests/{MISSING}.yml"]
        assert "team: applied-ml" not in kept[f"prometheus/tests/{FAILING}.yml"]

    def test_the_narrowest_policy_that_names_a_team_is_heard(self) -> None:
        rows = (PolicyRow(DOWN, notify="geo"), PolicyRow(DOWN, team="flights", notify="applied-ml"))
        policies = Policies((*rows, PolicyRow(DOWN, model="flight-delay", for_=60)))
        assert policies.limits(KINDS[DOWN], RICH.by_name["flight-delay"]).notify == "applied-ml"
        assert policies.limits(KINDS[DOWN], RICH.by_name["price"]).notify == "geo"
        found = {v.name: v for v in sourced(KINDS[DOWN], RICH.by_name["flight-delay"], policies, "platform")}
        assert (found["team"].words, found["team"].source, found["team"].otherwise) == (
            "applied-ml",
            "team:flights",
            "flights",
        )


class TestWhoIsTold:
    @pytest.mark.parametrize(
        ("alert", "model"), [(DOWN, "price"), (DRIFT, "churn"), (MISSING, "fraud"), (BURN, "price")]
    )
    def test_alerts_are_asked_about_with_that_team(self, alert: str, model: str) -> None:
        found = alert_labels(alert, RICH.by_name[model], TOLD, OPTIONS)
        assert {labels[TEAM] for labels in found} == {"geo"}

    def test_a_meta_alert_too(self) -> None:
        (labels,) = alert_labels("PlumblineReleaseFailing", None, TOLD, OPTIONS)
        assert labels[TEAM] == "geo"

    def test_a_ticket_of_a_high_risk_model_does_not_wait_for_a_team_that_owns_nothing_of_it(self) -> None:
        labels = {
            "alertname": MISSING,
            "model_name": "churn",
            TEAM: "flights",
            "severity": "ticket",
            "plane": "quality",
        }
        fleet, named = _with_tickets("flights"), Policies((PolicyRow(MISSING, model="churn", notify="flights"),))
        assert [t.now for t in who(alertmanager_document(fleet, OPTIONS, Policies()), labels, NIGHT).told] == [
            True,
            False,
        ]
        assert [t.now for t in who(alertmanager_document(fleet, OPTIONS, named), labels, NIGHT).told] == [True, True]

    def test_the_operators_routes_are_the_same_ones(self) -> None:
        fleet, named = _with_tickets("flights"), Policies((PolicyRow(MISSING, model="churn", notify="flights"),))
        files = bundle(fleet, named)
        prometheus = render_prometheus(OPTIONS)
        rules = {path: text for path, text in files.items() if "/rules/" in path}
        before = render_kubernetes("ml", rules, prometheus, fleet, OPTIONS, Policies())
        after = render_kubernetes("ml", rules, prometheus, fleet, OPTIONS, named)
        assert [p for p in after if after[p] != before[p]] == ["kubernetes/alertmanager.yml"]


def _with_tickets(name: str) -> Any:
    """RICH, and the team gets tickets within its hours."""
    teams = tuple(replace(t, receivers=receivers(team=name)) if t.name == name else t for t in RICH.teams)
    return replace(RICH, teams=teams)


def test_naming_a_team_restarts_the_alerts_under_the_policy() -> None:
    before = rules_of_kind(KINDS[DOWN], RICH, Policies(), OPTIONS)
    after = rules_of_kind(KINDS[DOWN], RICH, Policies((PolicyRow(DOWN, notify="geo"),)), OPTIONS)
    (rule,) = before
    labels = {"alertname": DOWN, "model_name": "price", TEAM: "ml-platform", **rule.labels}
    firing = Firing(labels, NIGHT, rule.file, rule.group, rule.labels)
    assert effect(before, after, [firing], RICH).restarts == (firing,)


@pytest.fixture
def others(registry: Registry) -> Team:
    return make_team("others")


@pytest.fixture
def editor(client: Client, owner: User) -> Client:
    """Of `payments`, and of no other team."""
    client.force_login(owner)
    return client


class TestWhoMayNameATeam:
    API = f"/api/alert-policies/{DOWN}/model:fraud/"

    def post(self, client: Client, notify: str) -> Any:
        body = {"alert": DOWN, "model": "fraud", "notify": notify}
        return client.post("/api/alert-policies/", body, content_type="application/json")

    def test_an_editor_names_an_own_team(self, editor: Client, registry: Registry) -> None:
        assert self.post(editor, "payments").json()["notify"] == "payments"
        assert Change.objects.get(object_type="alert policy").after["notify"] == "payments"

    def test_and_no_other(self, editor: Client, others: Team) -> None:
        answer = self.post(editor, "others")
        assert answer.status_code == 403
        assert (
            "Only editors of others, who would be told, or of the platform team may name it" in answer.content.decode()
        )
        assert not AlertPolicy.objects.exists()

    @pytest.mark.parametrize("team", ["others", "platform"])
    def test_its_own_editors_and_the_platform_teams_may(
        self, client: Client, owner: User, others: Team, team: str
    ) -> None:
        member = others if team == "others" else make_team("platform")
        Member.objects.create(team=member, user=owner, role=Member.Role.EDITOR)
        client.force_login(owner)
        assert self.post(client, "others").status_code == 201

    def test_what_was_named_before_may_stay(self, editor: Client, registry: Registry, others: Team) -> None:
        set_policy(DOWN, model=registry.model, notify=others, actor=SYSTEM)
        answer = editor.patch(self.API, {"for_seconds": 60}, content_type="application/json")
        assert answer.status_code == 200 and answer.json()["notify"] == "others"
        assert editor.patch(self.API, {"notify": None}, content_type="application/json").json()["notify"] is None
        assert editor.patch(self.API, {"notify": "others"}, content_type="application/json").status_code == 403

    def test_the_form_says_the_same_at_the_field(self, editor: Client, registry: Registry, others: Team) -> None:
        body = {"model": registry.model.pk, "notify": others.pk, "enabled": "on"}
        answer = editor.post(f"{POLICIES}add/?alert={DOWN}", body)
        assert "Only editors of others" in str(answer.context["adminform"].form.errors["notify"])
        set_policy(DOWN, model=registry.model, notify=others, actor=SYSTEM)
        row = AlertPolicy.objects.get()
        body = {"notify": others.pk, "for_seconds": "1m", "enabled": "on"}
        assert editor.post(f"{POLICIES}{row.pk}/change/", body).status_code == 302
        row.refresh_from_db()
        assert (row.notify, row.for_seconds) == (others, 60)


def test_a_team_that_is_told_can_not_be_deleted(registry: Registry, others: Team) -> None:
    set_policy(DOWN, model=registry.model, notify=others, actor=SYSTEM)
    with pytest.raises(InUse, match=r"team others is needed by alert policy MLServingDown \(model:fraud\)"):
        delete_team(others, actor=SYSTEM)


def test_a_team_that_tells_only_itself_can(registry: Registry, others: Team) -> None:
    set_policy(DOWN, team=others, notify=others, actor=SYSTEM)
    delete_team(others, actor=SYSTEM)
    assert not Team.objects.filter(name="others").exists()


def test_a_team_is_told_by_its_new_name(registry: Registry, others: Team) -> None:
    set_policy(DOWN, model=registry.model, notify=others, actor=SYSTEM)
    Team.objects.filter(pk=others.pk).update(name="renamed")
    (row,) = load_policies().rows
    assert row.notify == "renamed"
