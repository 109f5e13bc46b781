"""The runbook page against a real Prometheus: live numbers, what can't be reached, what isn't there, nasty names."""

import re
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.html import escape
from pytest_django.fixtures import Settings

from alerts.catalogue import KINDS
from alerts.fingerprint import fingerprint
from alerts.models import CustomAlert, Incident
from alerts.runbook_page import fill, find_text, sections
from controlplane.stack.prometheus import Prometheus
from models_registry import traffic
from models_registry.actor import Actor
from models_registry.models import Change, MLModel
from tests.alerts.watched_model import SHIFTED, fill_store
from tests.fixtures.registry import Registry, make_feature
from tests.page_text import text_of

ALERT = "MLInferenceHighErrorRate"
NASTY = '<script>alert(1)</script>"}\\ or vector(1) {{ x }}'


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has watched `fraud` for two hours."""
    folder = tmp_path_factory.mktemp("watched")
    fill_store(folder / "data", time.time())
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 15s}\n")
    with Prometheus(config, folder) as prometheus:
        yield prometheus


@pytest.fixture
def reached(watched: Prometheus, settings: Settings) -> None:
    settings.PROMETHEUS_URL = watched.url


@pytest.fixture
def unreachable(settings: Settings) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"


@pytest.fixture
def fraud(registry: Registry, owner: User) -> MLModel:
    """`fraud`: v2 became the canary when the metrics say."""
    actor = Actor.of(owner)
    traffic.deploy(registry.model, "v2", percent=10, actor=actor, reason="Let's see")
    at = timezone.now() - timedelta(seconds=SHIFTED + 60)
    Change.objects.filter(version="v2").update(at=at)
    return registry.model


@pytest.fixture
def viewer(client: Client, teammate: User) -> Client:
    client.force_login(teammate)
    return client


def open_incident(alert: str = ALERT, **labels: str) -> Incident:
    """An incident that began as v2 got its share."""
    labels = {"alertname": alert, "model_name": "fraud", "model_version": "v2", **labels}
    now = timezone.now()
    return Incident.objects.create(
        fingerprint=fingerprint(labels),
        starts_at=now - timedelta(seconds=SHIFTED - 120),
        alert=alert,
        severity="page",
        plane="health",
        model_name=labels["model_name"],
        model_version=labels["model_version"],
        labels=labels,
        source="webhook",
        first_seen_at=now,
        last_seen_at=now,
    )


def get(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status
    return response.content.decode()


@pytest.mark.usefixtures("reached", "fraud")
class TestLiveNumbers:
    ADDRESS = f"/runbooks/{ALERT}/?model_name=fraud&model_version=v2"

    def test_the_incident_questions_are_answered_in_text_of(self, viewer: Client) -> None:
        open_incident()
        text = text_of(get(viewer, self.ADDRESS))
        assert "Is it one version only? Yes: v2, the canary v2 has 20 % errors, p95 708 ms; v1 has 0.1 % errors" in text
        assert "predict_batch of v2: 100 % errors" in text
        assert (
            "Both Errors or latency are over their limits; feature country drifts; feature amount goes missing." in text
        )
        assert "Perhaps: see what changed fraud v2: canary 10%, by owner, 3 min before it began." in text

    def test_versions_show_their_desired_applied_and_observed_share(self, viewer: Client) -> None:
        text = text_of(get(viewer, self.ADDRESS))
        assert re.search(r"v1 live 90 % 90 % 90 % 18\S*/s 0\.1 % 85\.7 ms 0\.5 1", text)
        assert re.search(r"v2 canary 10 % 10 % 10 % 2\S*/s 20 % 708 ms 0\.5 1", text)

    def test_features_in_drift_and_gone_missing_are_marked(self, viewer: Client) -> None:
        text = text_of(get(viewer, self.ADDRESS))
        assert "country critical drifts v2 payments 0.31 0.2 0.4 %" in text
        assert "amount gone missing v2 payments 0.05 0.2 12 %" in text

    def test_charts_have_titles_units_limits_and_marks_of_changes(self, viewer: Client) -> None:
        html = get(viewer, self.ADDRESS)
        assert '<title id="chart-errors-title">Errors by version, % of requests</title>' in html
        assert "Last values: v1 0.1 %, v2 20 %. The limit 3 %." in html
        assert "limit 350 ms" in html
        assert "<title>fraud v2: canary 10%</title>" in html

    def test_a_quality_alert_shows_drift_instead(self, viewer: Client) -> None:
        html = get(viewer, "/runbooks/MLDriftCriticalFeatureDetected/?model_name=fraud&feature_name=country")
        assert 'id="chart-drift"' in html
        assert 'id="chart-errors"' not in html
        assert "Did the scores move? No, by less than 0.2 v1 has median 0.5, 0.48 in its baseline" in text_of(html)

    def test_the_part_that_refreshes_itself_has_the_same_numbers(self, viewer: Client) -> None:
        text = text_of(get(viewer, f"/runbooks/{ALERT}/live/?model_name=fraud&model_version=v2"))
        assert "Yes: v2, the canary" in text
        assert "<html" not in text

    def test_a_span_that_does_not_exist_is_the_default(self, viewer: Client) -> None:
        assert 'id="range-1h"' in get(viewer, self.ADDRESS + "&range=1e9")

    def test_a_model_of_another_name_has_no_numbers_of_this_one(self, viewer: Client) -> None:
        other = MLModel.objects.get(name="fraud")
        other.pk, other.name = None, "fraud-2"
        other.save()
        text = text_of(get(viewer, f"/runbooks/{ALERT}/?model_name=fraud-2"))
        assert "No version got a request" in text
        assert "708 ms" not in text


@pytest.mark.usefixtures("unreachable", "fraud")
class TestPrometheusThatCannotBeReached:
    def test_the_page_says_so_and_shows_no_numbers(self, viewer: Client) -> None:
        html = get(viewer, f"/runbooks/{ALERT}/?model_name=fraud&model_version=v2")
        text = text_of(html)
        assert "Prometheus can't be reached" in text
        assert "its numbers are unknown" in text
        assert "<svg viewBox" not in html
        assert not re.search(r"\b0 %|\b0/s|no version is over|healthy now", text)
        assert text.count("Unknown Prometheus didn't answer this.") == 4

    def test_a_password_in_its_address_is_never_shown(self, viewer: Client, settings: Settings) -> None:
        settings.PROMETHEUS_URL = "http://somebody:hunter2@127.0.0.1:9"
        for address in (f"/runbooks/{ALERT}/?model_name=fraud", "/models/fraud/", "/"):
            assert "hunter2" not in get(viewer, address)

    def test_what_the_registry_knows_is_still_there(self, viewer: Client) -> None:
        text = text_of(get(viewer, f"/runbooks/{ALERT}/?model_name=fraud&model_version=v2"))
        assert "fraud v2: canary 10%" in text
        assert "Empties canary v2 (10 %); v1 answers all." in text

    def test_rolling_back_needs_no_prometheus(self, client: Client, on_call: User) -> None:
        client.force_login(on_call)
        assert client.post("/models/fraud/roll-back/", {"reason": "it fails"}).status_code == 302
        assert Change.objects.filter(kind="rollback", author="on-call", reason="it fails").exists()

    def test_the_page_is_there_in_seconds(self, viewer: Client, settings: Settings, blackhole: str) -> None:
        settings.PROMETHEUS_URL = blackhole
        started = time.monotonic()
        text = text_of(get(viewer, f"/runbooks/{ALERT}/?model_name=fraud"))
        assert time.monotonic() - started < 8
        assert "Prometheus can't be reached" in text


@pytest.fixture
def blackhole() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.usefixtures("reached", "fraud")
class TestNastyNames:
    def test_a_feature_is_shown_and_never_obeyed(self, viewer: Client, registry: Registry) -> None:
        make_feature(registry.model, NASTY)
        html = get(
            viewer, "/runbooks/MLDriftCriticalFeatureDetected/?" + "model_name=fraud&feature_name=" + quoted(NASTY)
        )
        assert "<script>alert" not in html
        assert escape(NASTY) in html

    def test_names_in_the_address_that_are_not_registered_are_left_out(self, viewer: Client) -> None:
        html = get(viewer, f"/runbooks/{ALERT}/?model_name=fraud&model_version={quoted(NASTY)}")
        assert "alert(1)" not in html

    def test_an_unknown_model_is_shown_and_never_obeyed(self, viewer: Client) -> None:
        html = get(viewer, f"/runbooks/{ALERT}/?model_name={quoted(NASTY)}", 404)
        assert "<script>alert" not in html
        assert escape(NASTY) in html

    def test_an_unknown_alert_too(self, viewer: Client) -> None:
        html = get(viewer, f"/runbooks/{quoted('<b>x')}/", 404)
        assert "<b>x" not in html
        assert "MLInferenceHighErrorRate" in html

    def test_incidents_show_labels_and_never_obey_them(self, viewer: Client) -> None:
        incident = open_incident(note=NASTY, runbook="javascript:alert(1)")
        incident.annotations = {"summary": NASTY, "runbook_url": "javascript:alert(1)"}
        incident.save()
        html = get(viewer, f"/incidents/{incident.pk}/")
        assert "<script>alert" not in html
        assert 'href="javascript' not in html
        assert escape(NASTY) in html


class TestRunbookText:
    @pytest.mark.parametrize(
        "text",
        [
            "<script>alert(1)</script>",
            "[x](javascript:alert(1))",
            '<img src=x onerror="alert(1)">',
            "![x](http://elsewhere/x.png)",
            "`</code><script>alert(1)</script>`",
        ],
    )
    def test_markdown_lets_no_html_script_or_picture_through(self, text: str) -> None:
        [section] = sections(f"## Meaning\n\n{text}\n", {})
        html = "".join(part.html for part in section.parts)
        assert not re.search(r"<script|<img|href=.javascript|onerror=.alert", html.replace("&lt;", ""))

    def test_promql_blocks_are_filled_with_quoted_labels(self) -> None:
        [section] = sections('## Diagnosis\n\n```promql\nup{x="{{model_name}}"}\n```\n', {"model_name": 'a"} or up'})
        [part] = section.parts
        assert part.expression == 'up{x="a\\"} or up"}'

    def test_a_block_that_names_what_the_address_does_not_is_not_run(self) -> None:
        assert fill('up{x="{{feature_name}}"}', {"feature_name": ""}) == ""


@pytest.mark.usefixtures("reached", "fraud")
class TestLiveQueries:
    def test_a_custom_alerts_runbook_runs_its_queries(self, viewer: Client, registry: Registry) -> None:
        custom(registry.model, "## Diagnosis\n\n```promql\nml_model_info{model_name={{model_name}}}\n```\n")
        get(viewer, "/runbooks/TooManyFrauds/?model_name=fraud")
        text = text_of(get(viewer, "/runbooks/TooManyFrauds/queries/?model_name=fraud"))
        assert "model_version=v1 1" in text

    def test_a_query_that_prometheus_refuses_says_why(self, viewer: Client, registry: Registry) -> None:
        custom(registry.model, "## Diagnosis\n\n```promql\nrate(up)\n```\n")
        assert "Prometheus refused it" in text_of(get(viewer, "/runbooks/TooManyFrauds/queries/?model_name=fraud"))


def custom(model: MLModel, runbook: str) -> CustomAlert:
    return CustomAlert.objects.create(
        model=model,
        name="TooManyFrauds",
        expression="vector(1)",
        description="Too many",
        runbook=runbook,
        fires_case={},
        silent_case={},
    )


def quoted(text: str) -> str:
    return quote(text, safe="")


@pytest.mark.usefixtures("unreachable")
class TestOtherAddresses:
    def test_strangers_sign_in_first(self, client: Client, registry: Registry) -> None:
        response = client.get(f"/runbooks/{ALERT}/?model_name=fraud")
        assert response.status_code == 302
        assert "/admin/login/" in response["Location"]

    def test_mitigate_leads_to_the_runbooks_mitigation(self, viewer: Client) -> None:
        response = viewer.get(f"/mitigate/{ALERT}/?model_name=fraud&model_version=v2")
        assert response["Location"] == f"/runbooks/{ALERT}/?model_name=fraud&model_version=v2#mitigation"

    def test_without_a_model_the_page_asks_which(self, viewer: Client) -> None:
        assert "About which model? fraud" in text_of(get(viewer, f"/runbooks/{ALERT}/"))

    def test_an_alert_about_plumbline_itself_asks_for_no_model(self, viewer: Client) -> None:
        text = text_of(get(viewer, "/runbooks/PlumblineDown/?model_name=fraud"))
        assert "About which model?" not in text
        assert "Roll back" not in text

    def test_the_list_has_every_alert(self, viewer: Client) -> None:
        text = text_of(get(viewer, "/runbooks/"))
        assert ALERT in text
        assert "PlumblineDown" in text

    @pytest.mark.django_db
    def test_every_shipped_text_is_found(self) -> None:
        assert [name for name in KINDS if find_text(name) is None] == []
