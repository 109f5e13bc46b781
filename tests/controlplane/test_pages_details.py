"""A model's, a release's and a change's page say what is known, and escape what people typed."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from alerts.models import AlertPolicy
from controlplane.models import Release
from controlplane.pages.differences import between, coloured
from dashboards.models import AnnotationDelivery
from models_registry import traffic
from models_registry.actor import Actor
from models_registry.models import Change
from tests.fixtures.registry import Registry, make_feature
from tests.page_text import text_of

NASTY = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def without_prometheus(settings: Settings) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"


@pytest.fixture
def reader(client: Client, teammate: User) -> Client:
    client.force_login(teammate)
    return client


class TestTheModelsPage:
    def test_shows_what_is_registered_and_in_force(self, reader: Client, registry: Registry) -> None:
        AlertPolicy.objects.create(
            alert="MLInferenceHighErrorRate", model=registry.model, thresholds={"ratio": 0.07}, for_seconds=60
        )
        text = text_of(reader.get("/models/fraud/").content.decode())
        assert "v1 live 100 %" in text
        assert "country critical categorical de, fr none payments" in text
        limits = "MLInferenceHighErrorRate ratio 7%, errors 3, requests per minute 1, window 5m"
        assert f"{limits} 1m page Who? model:fraud Backtest" in text
        assert "MLInferenceHighLatencyP95 seconds 0.35 s" in text
        assert "No baseline" in text

    def test_offers_what_the_reader_may_do(self, client: Client, registry: Registry, owner: User) -> None:
        traffic.deploy(registry.model, "v2", percent=10, actor=Actor.of(owner))
        client.force_login(owner)
        html = client.get("/models/fraud/").content.decode()
        for address in ("roll-back", "promote", "shift-traffic"):
            assert f"/models/fraud/{address}/" in html
        assert "/admin/models_registry/mlmodel/" in html

    def test_and_nothing_that_the_reader_may_not(self, client: Client, registry: Registry, stranger: User) -> None:
        client.force_login(stranger)
        html = client.get("/models/fraud/").content.decode().split('<div class="pl">', 1)[1]
        edit = f"/admin/models_registry/mlmodel/{registry.model.pk}/"
        for address in ("/models/fraud/roll-back/", "/models/fraud/promote/", "/models/fraud/shift-traffic/", edit):
            assert address not in html

    def test_escapes_what_people_typed(self, reader: Client, registry: Registry) -> None:
        registry.model.description = NASTY
        registry.model.save()
        make_feature(registry.model, NASTY)
        assert NASTY not in reader.get("/models/fraud/").content.decode()

    def test_says_that_prometheus_cannot_be_reached(self, reader: Client) -> None:
        for address in ("/models/fraud/", "/models/fraud/live/"):
            assert "Prometheus can't be reached" in text_of(reader.get(address).content.decode())


class TestAReleasesPage:
    def release(self, **fields: object) -> Release:
        started = timezone.now()
        values = {
            "hash": "a" * 64,
            "outcome": Release.Outcome.PUBLISHED,
            "author": "dana",
            "diff": f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old {NASTY}\n+new\n",
            "log": [{"step": "check", "at": started.isoformat(), "seconds": 3.31, "message": f"promtool {NASTY}"}],
            "started_at": started,
            "finished_at": started + timedelta(seconds=14),
            **fields,
        }
        return Release.objects.create(**values)

    def test_shows_its_steps_its_time_and_its_diff_escaped(self, reader: Client) -> None:
        html = reader.get(f"/releases/{self.release().pk}/").content.decode()
        assert NASTY not in html
        assert '<span class="pl-diff-removed">-old &lt;script&gt;' in html
        assert '<span class="pl-diff-added">+new</span>' in html
        text = text_of(html)
        assert "check 3.3 s promtool" in text
        assert "Took 14 s" in text

    def test_marks_what_the_servers_read(self, reader: Client, settings: Settings, tmp_path: Path) -> None:
        settings.CURRENT_LINK = tmp_path / "current"
        settings.CURRENT_LINK.symlink_to("releases/" + "a" * 64)
        first, latest = self.release(), self.release()
        other = self.release(hash="b" * 64, outcome=Release.Outcome.REFUSED, reason="no")
        assert "Published current" in text_of(reader.get(f"/releases/{latest.pk}/").content.decode())
        for release in (first, other):
            assert "current" not in text_of(reader.get(f"/releases/{release.pk}/").content.decode()).split("Attempt")[0]
        assert text_of(reader.get("/releases/").content.decode()).count("Published current") == 1

    def test_a_refused_one_says_why(self, reader: Client) -> None:
        refused = self.release(outcome=Release.Outcome.REFUSED, reason="promtool check rules: could not parse")
        for address in (f"/releases/{refused.pk}/", "/releases/"):
            assert "could not parse" in text_of(reader.get(address).content.decode())

    def test_an_attempt_that_was_repeated_is_one_row_that_says_how_often(self, reader: Client) -> None:
        away = self.release(outcome=Release.Outcome.UNREACHABLE, reason="it can't be reached", tries=240)
        assert "Tried 240 times, with the same end" in text_of(reader.get(f"/releases/{away.pk}/").content.decode())
        assert "Tried 240 times, the last" in text_of(reader.get("/releases/").content.decode())

    def test_the_active_alerts_that_it_restarts_are_named(self, reader: Client) -> None:
        html = reader.get(f"/releases/{self.release(restarted_alerts=['A'], pending_alerts=['B', 'C']).pk}/").content
        text = text_of(html.decode())
        assert "Firing alerts that start anew with it A" in text
        assert "Pending alerts that wait anew with it, or are dropped B, C" in text

    def test_a_running_one_refreshes_itself(self, reader: Client) -> None:
        running = self.release(outcome=Release.Outcome.RUNNING, finished_at=None)
        assert 'hx-trigger="every 2s"' in reader.get(f"/releases/{running.pk}/").content.decode()

    def test_nothing_published_yet_is_said(self, reader: Client) -> None:
        assert "Nothing has been published yet" in reader.get("/releases/").content.decode()


class TestAChangesPage:
    @pytest.fixture
    def change(self, registry: Registry, owner: User) -> Change:
        found = traffic.deploy(registry.model, "v2", percent=10, actor=Actor.of(owner), reason=NASTY)
        assert found is not None
        return found

    def test_shows_before_and_after(self, reader: Client, change: Change) -> None:
        html = reader.get(f"/changes/{change.pk}/").content.decode()
        assert NASTY not in html
        assert '<span class="pl-diff-added">+canary: v2</span>' in html
        assert '<span class="pl-diff-same"> live: v1</span>' in html

    def test_without_a_grafana_its_annotation_waits(self, reader: Client, change: Change) -> None:
        text = text_of(reader.get(f"/changes/{change.pk}/").content.decode())
        assert "Waiting No Grafana is configured, so it waits" in text

    def test_a_delivered_annotation_is_told(self, reader: Client, change: Change) -> None:
        AnnotationDelivery.objects.create(change=change, state="delivered", delivered_at=timezone.now(), attempts=2)
        assert "Delivered" in text_of(reader.get(f"/changes/{change.pk}/").content.decode())
        assert "owner a moment ago" in text_of(reader.get("/changes/").content.decode())


class TestDifferences:
    def test_between_documents_are_lines_of_names_and_values(self) -> None:
        lines = between({"a": 1, "b": {"c": [1, 2]}}, {"a": 2, "b": {"c": [1, 3]}, "text": "x\ny"})
        assert [(line.kind, line.text) for line in lines if line.kind in ("added", "removed")] == [
            ("removed", "-a: 1"),
            ("added", "+a: 2"),
            ("removed", "-    - 2"),
            ("added", "+    - 3"),
            ("added", "+text:"),
            ("added", "+  x"),
            ("added", "+  y"),
        ]

    def test_from_nothing_all_is_added(self) -> None:
        assert {line.kind for line in between(None, {"a": 1})} == {"hunk", "added"}

    def test_long_ones_are_cut_and_the_rest_counted(self) -> None:
        lines, left_out = coloured("\n".join("+x" for _ in range(5_000)))
        assert (len(lines), left_out) == (4_000, 1_000)
