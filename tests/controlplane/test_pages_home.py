"""The fleet: healthy takes evidence, what isn't known is unknown, the worst comes first."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from alerts.live.asking import Answers
from alerts.prometheus import ActiveAlert, Sample
from controlplane.models import LoopState, Peer, Release
from controlplane.pages.banners import banners
from controlplane.pages.fleet_rows import FleetRow, Seen, fleet_rows, narrowed, ordered
from controlplane.stack.prometheus import Prometheus
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.fleet import Fleet, FleetBaseline, FleetModel, FleetVersion
from models_registry.models import ModelVersion
from models_registry.split import Split
from tests.alerts.watched_model import fill_store
from tests.fixtures.registry import Registry, make_baseline, make_model, make_team
from tests.page_text import text_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = """
groups:
  - name: default
    rules:
      - alert: MLInferenceHighErrorRate
        expr: label_replace(vector(1), "model_name", "fraud", "", "")
        labels: {severity: page}
      - alert: MLFeatureMissingRatioHigh
        expr: label_replace(vector(1), "model_name", "fraud", "", "")
        labels: {severity: ticket}
      - alert: MLServingDown
        expr: label_replace(vector(1), "model_name", "fraud", "", "")
        for: 1h
        labels: {severity: page}
"""


def model(name: str = "fraud", live: str | None = "v1", team: str = "payments", days: int | None = None) -> FleetModel:
    baseline = None
    if days is not None:
        since = NOW - timedelta(days=days)
        baseline = FleetBaseline("b", "all", "0" * 64, 1000, 180, since, since)
    version = FleetVersion("v1", "sklearn", "/a", "0" * 64, "live", NOW, baseline=baseline)
    return FleetModel(name, "standard", "regression", (), team, team, team, split=Split(live=live), versions=(version,))


def alert(severity: str, name: str = "fraud", state: str = "firing") -> ActiveAlert:
    labels = {"alertname": f"Some{severity}", "severity": severity, "model_name": name}
    return ActiveAlert(labels, {}, state, NOW, 1.0)


def seen(*alerts: ActiveAlert, served: tuple[str, ...] = ("fraud",), published: bool = True) -> Seen:
    replicas = tuple(Sample({"model_name": name}, 1.0, 0.0) for name in served)
    return Seen(Answers(samples={"served": replicas, "drifted": (), "check_state": ()}), alerts, published)


def row(what: Seen, of: FleetModel | None = None) -> FleetRow:
    [found] = fleet_rows(Fleet((), (of or model(),)), what, {}, NOW)
    return found


class TestHealth:
    def test_healthy_is_watched_served_and_quiet(self) -> None:
        assert row(seen()).health == "healthy"

    def test_unknown_while_prometheus_cannot_be_reached(self) -> None:
        found = row(Seen(Answers(unreachable="down"), None, True))
        assert (found.health, found.drifted) == ("unknown", None)

    def test_unknown_while_no_release_watches(self) -> None:
        assert row(seen(published=False)).health == "unknown"

    def test_no_replica_is_not_healthy(self) -> None:
        assert row(seen(served=())).health == "no-replica"

    def test_a_model_without_a_live_version_is_not_served(self) -> None:
        assert row(seen(), model(live=None)).health == "idle"

    def test_the_worst_alert_counts(self) -> None:
        assert row(seen(alert("ticket"))).health == "tickets"
        found = row(seen(alert("ticket"), alert("page"), alert("page")))
        assert found.health == "paging"
        assert [(a.name, a.count) for a in found.alerts] == [("Somepage", 2), ("Someticket", 1)]

    def test_another_models_alert_and_a_pending_one_do_not(self) -> None:
        assert row(seen(alert("page", "eta"), alert("page", state="pending"))).health == "healthy"

    @pytest.mark.parametrize(("days", "stale"), [(None, False), (180, False), (181, True)])
    def test_a_baseline_is_stale_past_its_limit(self, days: int | None, stale: bool) -> None:
        found = row(seen(), model(days=days))
        assert (found.baseline_days, found.baseline_stale) == (days, stale)


class TestOrderAndFilters:
    ROWS = fleet_rows(
        Fleet((), (model("a"), model("b", team="search"), model("c"))),
        seen(alert("page", "c"), alert("ticket", "b"), served=("a", "b", "c")),
        {},
        NOW,
    )

    def test_the_worst_comes_first(self) -> None:
        assert [r.model.name for r in ordered(self.ROWS, "health")] == ["c", "b", "a"]
        assert [r.model.name for r in ordered(self.ROWS, "name")] == ["a", "b", "c"]

    def test_search_team_and_health_narrow(self) -> None:
        assert [r.model.name for r in narrowed(self.ROWS, "B", "", "")] == ["b"]
        assert [r.model.name for r in narrowed(self.ROWS, "", "search", "")] == ["b"]
        assert [r.model.name for r in narrowed(self.ROWS, "", "", "paging")] == ["c"]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has watched `fraud`, with two alerts firing about it and one pending."""
    folder = tmp_path_factory.mktemp("prometheus")
    fill_store(folder / "data", time.time())
    (folder / "rules.yml").write_text(RULES)
    config = folder / "prometheus.yml"
    config.write_text(f"global: {{evaluation_interval: 1s}}\nrule_files: [{folder}/rules.yml]\n")
    with Prometheus(config, folder) as server:
        yield server


class TestThePage:
    def test_shows_the_models_of_a_real_prometheus(
        self, client: Client, registry: Registry, owner: User, prometheus: Prometheus, settings: Settings
    ) -> None:
        settings.PROMETHEUS_URL = prometheus.url
        ModelVersion.objects.update(
            baseline=make_baseline(registry.model, data_until=timezone.now() - timedelta(days=41, hours=1))
        )
        traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)
        make_model("eta", live="v1")
        make_model("search", live=None)
        client.force_login(owner)
        deadline = time.monotonic() + 20
        while "1 paging" not in (text := text_of(client.get("/").content.decode())) and time.monotonic() < deadline:
            time.sleep(0.3)
        assert "1 paging 1 no replica 1 not served" in text
        assert re.search(
            r"fraud Paging MLInferenceHighErrorRate MLFeatureMissingRatioHigh 1 feature country "
            r"v1 live 90 % v2 canary 10 % 41 d old payments payments a moment ago plumbline",
            text,
        )
        assert "MLServingDown" not in text
        assert "eta No replica no replica says that it serves it" in text
        assert "search Not served no version is live" in text

    def test_says_that_prometheus_cannot_be_reached(
        self, client: Client, registry: Registry, owner: User, settings: Settings
    ) -> None:
        settings.PROMETHEUS_URL = "http://127.0.0.1:9"
        client.force_login(owner)
        text = text_of(client.get("/").content.decode())
        assert "Prometheus can't be reached" in text
        assert "fraud Unknown Prometheus can't be reached unknown v1 live 100 %" in text
        assert "Healthy" not in text.split("Last change", 1)[1]

    def test_refreshes_only_its_rows(self, client: Client, owner: User, settings: Settings) -> None:
        settings.PROMETHEUS_URL = "http://127.0.0.1:9"
        client.force_login(owner)
        response = client.get("/", headers={"HX-Request": "true"})
        assert "<html" not in response.content.decode()
        assert response.headers["Cache-Control"] == "no-store"

    def test_tells_how_to_begin_where_nothing_is_registered(
        self, client: Client, superuser: User, stranger: User, settings: Settings
    ) -> None:
        settings.PROMETHEUS_URL = "http://127.0.0.1:9"
        client.force_login(superuser)
        html = client.get("/").content.decode()
        assert "No model is registered yet" in html
        assert "/admin/models_registry/mlmodel/add/" in html
        client.force_login(stranger)
        assert "You need to be an editor" in client.get("/").content.decode()

    def test_a_search_without_a_match_says_so(
        self, client: Client, registry: Registry, owner: User, settings: Settings
    ) -> None:
        settings.PROMETHEUS_URL = "http://127.0.0.1:9"
        client.force_login(owner)
        assert "No model matches" in client.get("/?q=nothing").content.decode()


@pytest.mark.django_db
class TestBanners:
    @pytest.fixture(autouse=True)
    def platform_team(self, db: None) -> None:
        make_team("platform")

    def titles(self) -> list[str]:
        return [banner.title for banner in banners(timezone.now())]

    def loop(self, age: timedelta) -> None:
        LoopState.objects.create(pk=1, finished_at=timezone.now() - age)

    def test_none_where_all_is_well(self) -> None:
        self.loop(timedelta(seconds=5))
        Release.objects.create(hash="a" * 64, outcome=Release.Outcome.PUBLISHED)
        assert self.titles() == []

    def test_a_loop_that_never_ran_and_one_that_stopped(self) -> None:
        assert self.titles() == ["The loop has never run"]
        self.loop(timedelta(hours=1))
        assert self.titles() == ["The loop has stopped"]

    def test_a_server_that_cannot_be_reached(self) -> None:
        self.loop(timedelta(seconds=5))
        now = timezone.now()
        Peer.objects.create(name="alertmanager", reachable=False, since=now, checked_at=now, message="refused")
        [banner] = banners(now)
        assert (banner.title, banner.text) == (
            "Alertmanager can't be reached",
            "refused Nobody is notified while it is down.",
        )

    def test_a_release_that_did_not_get_through_until_one_does(self) -> None:
        self.loop(timedelta(seconds=5))
        Release.objects.create(hash="a" * 64, outcome=Release.Outcome.REFUSED, reason="promtool: no")
        assert self.titles() == ["The newest release didn't get through"]
        Release.objects.create(hash="b" * 64, outcome=Release.Outcome.RUNNING)
        assert self.titles() == ["The newest release didn't get through"]
        Release.objects.create(hash="b" * 64, outcome=Release.Outcome.PUBLISHED)
        assert self.titles() == []
