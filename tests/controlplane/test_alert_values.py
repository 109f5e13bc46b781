"""One alert of a model, as its page and the API tell it: what is in force, where it comes from, where it is edited."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alerts.catalogue import KINDS
from alerts.models import AlertPolicy, CustomAlert
from alerts.policy_edits import set_policy
from alerts.runbook_editing import save_runbook
from alerts.runbook_sections import SECTIONS
from drift.models import DriftCheck
from models_registry.actor import SYSTEM
from models_registry.fleet import load_model
from tests.fixtures.registry import Registry, make_model, make_team
from tests.page_text import text_of

pytestmark = pytest.mark.database

LATENCY, MISSING = "MLInferenceHighLatencyP95", "MLFeatureMissingRatioHigh"
PAGE, API = "/models/fraud/alerts/{}/", "/api/models/fraud/alerts/"
RUNBOOK = "".join(f"## {section}\n\nWords.\n\n" for section in SECTIONS)


@pytest.fixture
def policies(registry: Registry) -> None:
    set_policy(LATENCY, thresholds={"seconds": 1}, for_seconds=60, actor=SYSTEM)
    set_policy(LATENCY, model=registry.model, thresholds={"seconds": 2}, actor=SYSTEM)


def custom(registry: Registry) -> CustomAlert:
    return CustomAlert.objects.create(
        model=registry.model,
        name="BadTooMany",
        expression="up == 0",
        description="<b>Bad</b>.",
        owner="data",
        severity="ticket",
        runbook=RUNBOOK,
        fires_case={"series": {"up": "0x20"}, "at": "15m"},
        silent_case={"series": {}, "at": "15m"},
    )


def told(client: Client, alert: str) -> dict[str, tuple[Any, str]]:
    found = client.get(f"{API}{alert}/").json()
    return {each["name"]: (each["value"], each["source"]) for each in found["values"]}


class TestThePage:
    def test_names_each_value_with_its_source(self, client: Client, stranger: User, policies: None) -> None:
        client.force_login(stranger)
        text = text_of(client.get(PAGE.format(LATENCY)).content.decode())
        assert "fraud" in text and "{" not in text
        assert "seconds 2 s model:fraud 2 s · 1 s 0.35 s" in text
        assert "for 1m default · · 1m 10m" in text
        assert "team payments registry role" in text
        assert "runbook the shipped text catalogue" in text
        assert "model:fraud team:payments (none) default" in text

    def test_leads_whoever_may_to_where_each_value_is_edited(
        self, client: Client, owner: User, policies: None, registry: Registry
    ) -> None:
        client.force_login(owner)
        html = client.get(PAGE.format(LATENCY)).content.decode()
        own = AlertPolicy.objects.get(model=registry.model)
        assert f'href="/admin/alerts/alertpolicy/{own.pk}/change/"' in html
        assert f'href="/admin/alerts/alertpolicy/add/?alert={LATENCY}&amp;team=payments"' in html
        assert f'href="/admin/models_registry/mlmodel/{registry.model.pk}/change/"' in html
        assert f'href="/runbooks/{LATENCY}/edit/?model_name=fraud"' in html
        default = AlertPolicy.objects.get(model=None)
        assert f"/alertpolicy/{default.pk}/" not in html, "the platform team's"

    def test_leads_nobody_else_there(self, client: Client, stranger: User, policies: None) -> None:
        client.force_login(stranger)
        html = client.get(PAGE.format(LATENCY)).content.decode().split('<div class="pl">', 1)[1]
        assert "/alertpolicy/" not in html and "/edit/" not in html and "/mlmodel/" not in html

    def test_shows_the_limits_that_travel_as_series(self, client: Client, owner: User, registry: Registry) -> None:
        check = DriftCheck.objects.create(model=registry.model, missing_limit=0.2)
        feature = registry.model.features.get(name="amount")
        feature.missing_limit = 0.4
        feature.save()
        client.force_login(owner)
        html = client.get(PAGE.format(MISSING)).content.decode()
        text = text_of(html)
        assert "amount 40% feature Edit no check has finished" in text
        assert "country 20% drift check Edit no check has finished" in text
        assert f"/admin/models_registry/feature/{feature.pk}/change/" in html
        assert f"/admin/drift/driftcheck/{check.pk}/change/" in html

    def test_shows_a_custom_alert_as_its_authors_wrote_it(
        self, client: Client, owner: User, registry: Registry
    ) -> None:
        alert = custom(registry)
        client.force_login(owner)
        html = client.get(PAGE.format("BadTooMany")).content.decode()
        assert "<b>Bad" not in html and f"/admin/alerts/customalert/{alert.pk}/change/" in html
        assert "severity ticket custom alert" in text_of(html)

    @pytest.mark.parametrize(
        "address", ["/models/nope/alerts/MLServingDown/", PAGE.format("Nope"), PAGE.format("Watchdog")]
    )
    def test_is_not_there_for_what_says_nothing_about_the_model(
        self, client: Client, stranger: User, registry: Registry, address: str
    ) -> None:
        client.force_login(stranger)
        assert client.get(address).status_code == 404

    def test_is_linked_from_the_models_page(self, client: Client, stranger: User, policies: None) -> None:
        client.force_login(stranger)
        html = client.get("/models/fraud/").content.decode()
        for kind in KINDS.values():
            if kind.on_models:
                assert (f'href="/models/fraud/alerts/{kind.name}/"' in html) == kind.concerns(load_model("fraud"))

    def test_comes_after_signing_in(self, client: Client) -> None:
        assert client.get(PAGE.format(LATENCY)).status_code == 302


class TestTheApi:
    def test_tells_each_value_with_its_source(self, client: Client, stranger: User, policies: None) -> None:
        client.force_login(stranger)
        found = told(client, LATENCY)
        assert found["seconds"] == (2.0, "model:fraud")
        assert found["for"] == (60, "default")
        assert found["team"] == ("payments", "role")
        assert client.get(f"{API}{LATENCY}/").json()["policies"] == ["model:fraud", "default"]

    def test_lists_every_alert_about_the_model(self, client: Client, stranger: User, registry: Registry) -> None:
        custom(registry)
        client.force_login(stranger)
        listed = client.get(API).json()
        concerned = [kind.name for kind in KINDS.values() if kind.on_models and kind.concerns(load_model("fraud"))]
        assert [each["alert"] for each in listed] == [*concerned, "BadTooMany"]

    def test_tells_whose_runbook_it_is(self, client: Client, stranger: User, registry: Registry) -> None:
        client.force_login(stranger)
        assert told(client, LATENCY)["runbook"][1] == "catalogue"
        save_runbook(LATENCY, registry.model, body=RUNBOOK, owner_team=registry.team, review_by=None, actor=SYSTEM)
        assert told(client, LATENCY)["runbook"][1] == "model:fraud"

    @pytest.mark.parametrize("address", ["/api/models/nope/alerts/", f"{API}Nope/", f"{API}Watchdog/"])
    def test_knows_what_is_not_there(self, client: Client, stranger: User, registry: Registry, address: str) -> None:
        client.force_login(stranger)
        assert client.get(address).status_code == 404


@pytest.mark.parametrize("address", [API, f"{API}{MISSING}/", PAGE.format(MISSING), PAGE.format(LATENCY)])
def test_it_takes_as_many_queries_whatever_the_fleet(
    client: Client, owner: User, policies: None, registry: Registry, address: str
) -> None:
    client.force_login(owner)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    queries()
    alone = queries()
    for i in range(10):
        model = make_model(f"m{i}", make_team(f"t{i}"), features=("a", "b"))
        set_policy(MISSING, model=model, for_seconds=60, actor=SYSTEM)
        set_policy(LATENCY, team=model.on_call_team, for_seconds=60, actor=SYSTEM)
    assert queries() == alone < 40


def test_the_form_of_a_policy_says_what_an_empty_field_means(
    client: Client, owner: User, policies: None, registry: Registry
) -> None:
    client.force_login(owner)
    own = AlertPolicy.objects.get(model=registry.model)
    form = client.get(f"/admin/alerts/alertpolicy/{own.pk}/change/").context["adminform"].form
    assert "Empty: 1 s, as in default." in form.fields["limit_seconds"].help_text
    assert "Empty: 1m, as in default." in form.fields["for_seconds"].help_text
