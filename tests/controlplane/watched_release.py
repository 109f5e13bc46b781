"""A release whose rules are right and wrong in known ways, run by a real Prometheus whose past is known."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from alerts.prometheus import Prometheus as PrometheusClient
from controlplane.bundle import Bundle
from controlplane.live_check.report import Report, report_of
from controlplane.live_check.run import run
from controlplane.live_check.turns import begin
from controlplane.models import LiveCheck, Release
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.stack.prometheus import Prometheus
from tests.alerts.recorded_day import STEP, fill_store
from tests.controlplane.bundles import alert, bundle, rule_group
from tests.controlplane.conftest import wait_until

RULES = {
    "Apart": ("health", "there > 5 and on (model_version) other_labels > 5"),
    "Hot": ("health", "hot > 1"),
    "Missing": ("health", "nowhere > 1"),
    "Slip": ("custom", 'there{route="predcit"} > 1'),
}
ALL = {"Steady": "Steady:default", **{name: f"{name}:default" for name in RULES}}


def path_of(name: str) -> str:
    return f"prometheus/rules/{RULES[name][0] if name in RULES else 'health'}/{name}.yml"


def key(name: str) -> list[str]:
    return [path_of(name), f"{name}:default"]


@dataclass
class Watched:
    """A home whose current release a Prometheus with a known past runs."""

    home: Path
    server: Prometheus
    bundle: Bundle

    @property
    def files(self) -> ReleaseFiles:
        return ReleaseFiles(self.home / "releases", self.home / "current", self.home / "targets")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("prometheus")
    fill_store(folder / "data", int(time.time()) // STEP * STEP)
    files = {path_of(name): rule_group(f"{name}:default", alert(name, expr)) for name, (_, expr) in RULES.items()}
    config = bundle("127.0.0.1:9").text("prometheus/prometheus.yml")
    wanted = bundle(
        "127.0.0.1:9", files | {"prometheus/prometheus.yml": config.replace("rules/*.yml,", "rules/custom/*.yml,")}
    )
    releases = ReleaseFiles(home / "releases", home / "current", home / "targets")
    releases.write(wanted)
    releases.switch(wanted.hash)
    with Prometheus(home / "current/prometheus/prometheus.yml", folder) as server:
        wait_until(lambda: any(a.labels["alertname"] == "Hot" for a in PrometheusClient(server.url).alerts()))
        yield Watched(home, server, wanted)


@pytest.fixture
def watched(running: Watched, settings: Settings) -> Watched:
    settings.PLUMBLINE_HOME = running.home
    settings.RELEASES_DIR = running.home / "releases"
    settings.CURRENT_LINK = running.home / "current"
    settings.TARGETS_DIR = running.home / "targets"
    settings.PROMETHEUS_URL = running.server.url
    settings.EVALUATION_INTERVAL_SECONDS = settings.DRIFT_SCRAPE_INTERVAL_SECONDS = 1
    return running


def published(watched: Watched, *names: str, base: str = "b" * 64) -> Release:
    """The release that is current, with the groups that it changed."""
    return Release.objects.create(
        hash=watched.bundle.hash,
        base_hash=base,
        outcome=Release.Outcome.PUBLISHED,
        changed_groups=[key(name) for name in names],
        finished_at=timezone.now() - timedelta(minutes=1),
    )


def checked(watched: Watched, *names: str) -> LiveCheck:
    """A check of these groups that is due."""
    published(watched, *names)
    begin(watched.bundle.hash, timezone.now())
    return LiveCheck.objects.get()


def worked_off(watched: Watched, check: LiveCheck) -> Report:
    while not check.finished:
        assert run(watched.files) is not None
        check.refresh_from_db()
        assert not check.problem
    return report_of(check.found)
