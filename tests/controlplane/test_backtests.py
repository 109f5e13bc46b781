"""Backtests as people and programs meet them: the page, the API, and the way into a saved policy."""

import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from alerts.models import AlertPolicy, Objective
from alerts.policy_edits import set_policy
from controlplane import backtesting
from controlplane.stack.prometheus import Prometheus
from models_registry.actor import SYSTEM
from models_registry.models import Change, MLModel
from tests.alerts import watched_conditions
from tests.alerts.watched_past import ARGUMENTS, fill_store
from tests.fixtures.registry import Registry, make_model, make_team
from tests.page_text import text_of

LATENCY, MISSING = "MLInferenceHighLatencyP95", "MLFeatureMissingRatioHigh"
API = "/api/models/fraud/backtest/"
PAGE = "/models/fraud/backtest/"
PEOPLE = ("stranger", "teammate", "on_call", "owner", "superuser")
EDITORS = {"owner", "superuser"}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with a day of `fraud`: two breaches of the default policy, two hours without samples."""
    folder = tmp_path_factory.mktemp("past")
    fill_store(folder / "data", int(time.time()) // 30 * 30)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 15s}\n")
    with Prometheus(folder / "prometheus.yml", folder, None, ARGUMENTS) as prometheus:
        yield prometheus


@pytest.fixture
def reached(watched: Prometheus, settings: Settings, registry: Registry) -> None:
    settings.PROMETHEUS_URL = watched.url


@pytest.fixture
def unreachable(settings: Settings, registry: Registry) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"


@pytest.fixture
def viewer(client: Client, teammate: User) -> Client:
    client.force_login(teammate)
    return client


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, **body: Any) -> Any:
    return client.post(API, {"alert": LATENCY, **body}, content_type="application/json")


class TestTheApi:
    def test_edited_limits_stand_beside_those_in_force(self, viewer: Client, reached: None) -> None:
        answer = post(viewer, thresholds={"seconds": 0.25}, days=1, **{"for": "5m"})
        assert answer.status_code == 200, answer.content
        found = answer.json()
        edited, present = found["edited"], found["present"]
        assert (edited["count"], edited["thresholds"]["seconds"], edited["for"]) == (3, 0.25, "5m")
        assert (present["count"], present["thresholds"]["seconds"], present["for"]) == (2, 0.35, "10m")
        assert 840 <= present["total_seconds"] <= 900
        assert present["policy"] == "default" and present["enabled"]
        assert present["firings"][0]["labels"] == {"model_version": "v1", "route": "predict"}
        # Two hours, and what passed since the store was filled.
        assert 7200 <= found["no_data_seconds"] < 7500
        assert found["retention_seconds"] == 10 * 86400
        assert "fired 3 times" in found["verdict"] and "2 h of the 24 hours have no data" in found["verdict"]

    def test_what_is_left_out_is_as_in_force_and_the_span_a_week(
        self, viewer: Client, reached: None, registry: Registry
    ) -> None:
        set_policy(LATENCY, model=registry.model, thresholds={"seconds": 0.46}, for_seconds=0, actor=SYSTEM)
        found = post(viewer).json()
        assert found["days"] == 7
        assert found["edited"]["thresholds"] == found["present"]["thresholds"]
        assert (found["present"]["policy"], found["present"]["for"]) == ("model:fraud", "0s")
        assert found["present"]["count"] == 1

    def test_what_was_measured_is_answered_with_both_limits_where_it_is_asked_for(
        self, viewer: Client, reached: None
    ) -> None:
        assert post(viewer, days=1).json()["charts"] is None
        (chart,) = post(viewer, thresholds={"seconds": 0.25}, days=1, charts=True).json()["charts"]
        assert (chart["limit"]["value"], chart["present_limit"]["value"], chart["problem"]) == (0.25, 0.35, "")
        (line,) = chart["series"]
        assert line["labels"]["model_version"] == "v1" and len(line["points"]) <= 300
        assert max(value for _, value in line["points"]) > 0.35
        (chart,) = post(viewer, alert=MISSING, days=1, charts=True).json()["charts"]
        assert chart["limit"]["value"] is None
        assert [moving["labels"]["feature_name"] for moving in chart["limit"]["series"]] == ["amount"]

    def test_a_window_that_was_not_recorded_is_no_data_rather_than_silence(self, viewer: Client, reached: None) -> None:
        found = post(viewer, days=1, window="2m").json()
        assert (found["edited"]["window"], found["present"]["window"]) == ("2m", "5m")
        assert found["edited"]["count"] is None and found["present"]["count"] == 2
        assert found["edited"]["no_data_seconds"] == 86400 and found["present"]["no_data_seconds"] < 7500
        assert any("only while a policy asks for that window" in note for note in found["notes"])

    def test_the_limit_of_one_feature_can_be_tried(self, viewer: Client, reached: None) -> None:
        found = post(viewer, alert=MISSING, days=1, feature_limits={"amount": 0.3}).json()
        assert found["edited"]["feature_limits"] == {"amount": 0.3}
        assert (found["present"]["count"], found["edited"]["count"]) == (1, 0)

    def test_another_target_of_an_objective_can_be_tried(
        self, viewer: Client, reached: None, registry: Registry
    ) -> None:
        make_model("churn", registry.team)
        objective = watched_conditions.OBJECTIVE
        Objective.objects.create(
            model=MLModel.objects.get(name="churn"), name=objective.name, kind=objective.kind, target=objective.target
        )
        body = {"alert": "MLErrorBudgetBurn", "days": 1, "targets": {"answers": 0.98}}
        found = viewer.post("/api/models/churn/backtest/", body, content_type="application/json").json()
        assert (found["present"]["targets"], found["edited"]["targets"]) == ({"answers": 0.99}, {"answers": 0.98})
        assert (found["present"]["total_seconds"], found["edited"]["count"]) == (1800, 0)
        assert found["present"]["firings"][0]["labels"]["tier"] == "page-fast"

    def test_where_nothing_is_known_there_are_no_numbers(self, viewer: Client, reached: None) -> None:
        found = viewer.post(API, {"alert": "MLInferenceHighErrorRate"}, content_type="application/json").json()
        assert found["edited"]["count"] is None and found["present"]["total_seconds"] is None
        assert found["no_data_seconds"] == pytest.approx(7 * 86400, abs=60)
        assert found["verdict"].startswith("Nothing can be said")

    def test_a_prometheus_that_is_down_is_no_answer(self, viewer: Client, unreachable: None) -> None:
        answer = post(viewer)
        assert answer.status_code == 503
        assert "can't be reached" in answer.json()["detail"] and "not known" in answer.json()["detail"]

    def test_only_a_few_look_back_at_once(self, viewer: Client, reached: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backtesting, "PATIENCE", 0.05)
        for _ in range(backtesting.AT_ONCE):
            assert backtesting._slots.acquire(blocking=False)
        try:
            answer = post(viewer, days=1)
            text = text_of(viewer.get(PAGE, {"alert": LATENCY}).content.decode())
        finally:
            backtesting._slots.release(backtesting.AT_ONCE)
        assert answer.status_code == 503 and "try again" in answer.json()["detail"]
        assert "Others are looking back" in text and "Would have fired" not in text
        assert post(viewer, days=1).status_code == 200

    @pytest.mark.parametrize(
        ("body", "field", "told"),
        [
            ({"alert": "Nonsense"}, "alert", "no alert 'Nonsense'"),
            ({"alert": "PlumblineDown"}, "alert", "about Plumbline itself"),
            ({"alert": "MLErrorBudgetBurn"}, "alert", "fraud has no objective"),
            ({"thresholds": {"second": 1}}, "thresholds", "no limit 'second'"),
            ({"thresholds": {"seconds": 99}}, "thresholds", "at most"),
            ({"for": "a while"}, "for", "not a duration"),
            ({"for": "8d"}, "for", "up to 1w"),
            ({"days": 365}, "days", "not a valid choice"),
            ({"window": "1s"}, "window", "A window is"),
            ({"windows": "5m"}, "windows", "Unknown field"),
            ({"targets": {"answers": 0.99}}, "targets", "no objective 'answers'"),
            ({"feature_limits": {"amount": 0.1}}, "feature_limits", "no limits of single features"),
            ({"alert": MISSING, "feature_limits": {"amount": 2}}, "feature_limits", "from 0 to 100%"),
            ({"alert": MISSING, "feature_limits": {"nonsense": 0.1}}, "feature_limits", "no feature 'nonsense'"),
        ],
    )
    def test_a_wrong_field_is_named(
        self, viewer: Client, unreachable: None, body: dict[str, Any], field: str, told: str
    ) -> None:
        answer = post(viewer, **body)
        assert answer.status_code == 400
        assert told in str(answer.json()[field])

    def test_an_alert_that_says_nothing_about_the_model_is_refused(self, viewer: Client, unreachable: None) -> None:
        make_model("price", task="regression", classes=[])
        body = {"alert": "MLPredictionDistributionShift"}
        answer = viewer.post("/api/models/price/backtest/", body, content_type="application/json")
        assert "says nothing about price" in str(answer.json()["alert"])

    def test_an_unknown_model_is_not_found(self, viewer: Client, unreachable: None) -> None:
        answer = viewer.post("/api/models/nobody/backtest/", {"alert": LATENCY}, content_type="application/json")
        assert answer.status_code == 404

    def test_everybody_who_is_signed_in_may_look_back_and_nothing_changes(
        self, client: Client, reached: None, request: pytest.FixtureRequest
    ) -> None:
        before = Change.objects.count()
        assert post(client).status_code == 401
        for person in PEOPLE:
            assert post(signed_in(request.getfixturevalue(person)), days=1).status_code == 200, person
        assert Change.objects.count() == before
        assert not AlertPolicy.objects.exists()


class TestThePage:
    def test_begins_with_the_choice_of_an_alert(self, viewer: Client, unreachable: None) -> None:
        text = text_of(viewer.get(PAGE).content.decode())
        assert all(kind in text for kind in (LATENCY, "MLCanaryWorse", "MLServingDown"))
        assert not any(kind in text for kind in ("MLErrorBudgetBurn", "PlumblineDown"))

    def test_shows_both_policies_and_both_limits(self, viewer: Client, reached: None) -> None:
        html = viewer.get(PAGE, {"alert": LATENCY, "limit_seconds": "0.25", "for_seconds": "5m", "days": 1})
        text = text_of(html.content.decode())
        assert "With these limits it would have fired 3 times" in text
        assert "The present policy would have fired 2 times" in text
        assert "2 h of the 24 hours have no data" in text
        assert "edited limit 250 ms" in text and "present limit 350 ms" in text
        assert html.content.decode().count('class="pl-band pl-band-edited"') == 3
        assert html.content.decode().count('class="pl-band pl-band-present"') == 2
        assert 'class="pl-band pl-band-gap"' in html.content.decode()

    def test_a_condition_of_several_series_has_a_chart_for_each(
        self, viewer: Client, reached: None, registry: Registry
    ) -> None:
        make_model("churn", registry.team)
        typed = {"alert": "MLCanaryWorse", "limit_error_margin": "0.04", "days": 1}
        html = viewer.get("/models/churn/backtest/", typed).content.decode()
        text = text_of(html)
        assert "The present policy would have fired once, for 15 min" in text
        assert "With these limits it would have fired once, for 15 min" in text
        assert "Errors by version" in text and "95th percentile latency by version" in text
        assert "edited a canary's limit" not in text and "edited canary's limit 5 %" in text
        assert "present canary's limit 2 %" in text
        assert (
            html.count('class="pl-line pl-limit"') == 2 and html.count('class="pl-line pl-limit pl-limit-second"') == 1
        )

    def test_without_edits_it_is_about_the_policy_in_force(self, viewer: Client, reached: None) -> None:
        text = text_of(viewer.get(PAGE, {"alert": LATENCY}).content.decode())
        assert "The present policy would have fired 2 times" in text
        assert "With these limits" not in text
        assert "Save this policy" not in text

    def test_a_prometheus_that_is_down_is_never_shown_as_silence(self, viewer: Client, unreachable: None) -> None:
        text = text_of(viewer.get(PAGE, {"alert": LATENCY, "limit_seconds": "0.25"}).content.decode())
        assert "Prometheus can't be reached" in text
        assert "When the alert would have fired is not known" in text
        assert "fired" not in text.replace("When the alert would have fired is not known", "")

    def test_a_model_without_data_is_never_shown_as_silent(self, viewer: Client, reached: None) -> None:
        text = text_of(viewer.get(PAGE, {"alert": "MLInferenceHighErrorRate"}).content.decode())
        assert "Nothing can be said" in text
        assert "Would have fired" not in text

    @pytest.mark.parametrize(
        ("typed", "told"),
        [
            ({"limit_seconds": "99"}, "at most"),
            ({"limit_seconds": "quick"}, "Enter a number"),
            ({"for_seconds": "a while"}, "not a duration"),
            ({"for_seconds": "8d"}, "up to 1w"),
        ],
    )
    def test_what_a_policy_would_be_refused_for_is_refused(
        self, viewer: Client, unreachable: None, typed: dict[str, str], told: str
    ) -> None:
        text = text_of(viewer.get(PAGE, {"alert": LATENCY, **typed}).content.decode())
        assert told in text
        assert "Prometheus" not in text

    @pytest.mark.parametrize("alert", ["PlumblineDown", "<script>alert(1)</script>"])
    def test_an_alert_that_can_not_be_is_not_found(self, viewer: Client, unreachable: None, alert: str) -> None:
        answer = viewer.get(PAGE, {"alert": alert})
        assert answer.status_code == 404
        assert "<script>alert" not in answer.content.decode()

    def test_an_unknown_model_is_not_found(self, viewer: Client, unreachable: None) -> None:
        assert viewer.get("/models/nobody/backtest/").status_code == 404

    def test_nobody_looks_back_without_signing_in(self, client: Client, unreachable: None) -> None:
        assert client.get(PAGE).status_code == 302


class TestSaving:
    EDIT = {"alert": LATENCY, "limit_seconds": "0.25", "for_seconds": "5m", "days": "1"}

    def save_link(self, client: Client) -> str | None:
        found = re.search(r'id="save" href="([^"]+)"', client.get(PAGE, self.EDIT).content.decode())
        return unescape(found[1]) if found else None

    def test_only_editors_are_led_to_it(self, reached: None, request: pytest.FixtureRequest) -> None:
        led = {p for p in PEOPLE if self.save_link(signed_in(request.getfixturevalue(p)))}
        assert led == EDITORS

    def test_a_new_policy_has_the_limits_filled_in(self, reached: None, registry: Registry, owner: User) -> None:
        client = signed_in(owner)
        link = self.save_link(client)
        assert link
        form = client.get(link).context["adminform"].form
        filled = {name: form[name].value() for name in ("limit_seconds", "for_seconds", "model")}
        assert filled == {"limit_seconds": "0.25", "for_seconds": "5m", "model": registry.model.pk}
        body = {**filled, "limit_requests_per_minute": "", "window_seconds": "", "severity": "", "enabled": "on"}
        assert client.post(link, body).status_code == 302
        row = AlertPolicy.objects.get()
        assert (row.policy_id, row.thresholds, row.for_seconds) == ("model:fraud", {"seconds": 0.25}, 300)

    def test_the_models_own_policy_is_edited_not_doubled(self, reached: None, registry: Registry, owner: User) -> None:
        set_policy(LATENCY, model=registry.model, thresholds={"requests_per_minute": 5}, actor=SYSTEM)
        client = signed_in(owner)
        link = self.save_link(client)
        assert link
        form = client.get(link).context["adminform"].form
        names = ("limit_seconds", "limit_requests_per_minute", "for_seconds", "severity")
        body = {name: form[name].value() or "" for name in names} | {"window_seconds": "", "enabled": "on"}
        assert client.post(link, body).status_code == 302
        row = AlertPolicy.objects.get()
        assert row.thresholds == {"seconds": 0.25, "requests_per_minute": 5}
        assert row.for_seconds == 300

    def test_a_policy_of_many_models_leads_to_the_choice_of_one(
        self, unreachable: None, registry: Registry, superuser: User
    ) -> None:
        make_model("elsewhere", make_team("others"))
        set_policy(LATENCY, team=registry.team, for_seconds=60, actor=SYSTEM)
        client = signed_in(superuser)
        address = f"/admin/alerts/alertpolicy/{AlertPolicy.objects.get().pk}/change/"
        choice = f"/backtest/?alert={LATENCY}&policy=team%3Apayments"
        assert choice.replace("&", "&amp;") in client.get(address).content.decode()
        models = client.get(choice).content.decode()
        assert f"{PAGE}?alert={LATENCY}" in models and "/models/elsewhere/backtest/" not in models
        everything = client.get(f"/backtest/?alert={LATENCY}").content.decode()
        assert "/models/elsewhere/backtest/" in everything and PAGE in everything
        assert client.get("/backtest/?alert=PlumblineDown").status_code == 404

    def test_what_is_typed_goes_along_to_the_choice_and_to_the_model(
        self, unreachable: None, registry: Registry, superuser: User
    ) -> None:
        client, typed = signed_in(superuser), {"alert": LATENCY, "limit_seconds": "0.2", "for_seconds": "3m"}
        choice = client.get("/backtest/", {**typed, "other": "x"}).content.decode()
        assert f"{PAGE}?alert={LATENCY}&amp;limit_seconds=0.2&amp;for_seconds=3m" in choice
        straight = client.get("/backtest/", {**typed, "model": str(registry.model.pk)})
        assert straight.url == f"{PAGE}?alert={LATENCY}&limit_seconds=0.2&for_seconds=3m"  # type: ignore[attr-defined]

    def test_the_models_page_leads_to_the_backtest_of_what_can_be(self, viewer: Client, unreachable: None) -> None:
        html = viewer.get("/models/fraud/").content.decode()
        assert f'href="{PAGE}?alert={LATENCY}"' in html
        assert f'href="{PAGE}?alert=MLCanaryWorse"' in html
        assert f"{PAGE}?alert=MLErrorBudgetBurn" not in html

    def test_the_policys_form_leads_to_the_backtest(self, unreachable: None, registry: Registry, owner: User) -> None:
        set_policy(LATENCY, model=registry.model, for_seconds=60, actor=SYSTEM)
        address = f"/admin/alerts/alertpolicy/{AlertPolicy.objects.get().pk}/change/"
        assert f"{PAGE}?alert={LATENCY}" in signed_in(owner).get(address).content.decode()
