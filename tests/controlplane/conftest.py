"""A home with a release, and a Prometheus and an Alertmanager that run it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from alerts.alertmanager import Alertmanager
from alerts.prometheus import ActiveAlert, Prometheus
from controlplane.bundle import Bundle
from controlplane.models import Release
from controlplane.models.release import is_failing
from controlplane.publish import Published, Publisher
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.publishing.servers import Servers
from controlplane.stack.alertmanager import Alertmanager as AlertmanagerServer
from controlplane.stack.prometheus import Prometheus as PrometheusServer
from tests.controlplane.addresses import free_address
from tests.controlplane.brokers import broker, hanging_broker, lost_broker
from tests.controlplane.bundles import OTHER, alert, bundle, rule_group
from tests.controlplane.firing_alerts import firing, firing_prometheus

__all__ = ["broker", "firing", "firing_prometheus", "hanging_broker", "lost_broker"]


@dataclass
class Pair:
    """The two servers, and the home that they read through its `current` link."""

    home: Path
    prometheus_server: PrometheusServer
    alertmanager_server: AlertmanagerServer

    @property
    def files(self) -> ReleaseFiles:
        return ReleaseFiles(self.home / "releases", self.home / "current", self.home / "targets")

    @property
    def prometheus(self) -> Prometheus:
        return Prometheus(self.prometheus_server.url)

    @property
    def alertmanager(self) -> Alertmanager:
        return Alertmanager(self.alertmanager_server.url)

    @property
    def servers(self) -> Servers:
        return Servers((self.prometheus,), (self.alertmanager,))

    def bundle(self, files: dict[str, str] | None = None, **changes: str) -> Bundle:
        return bundle(self.alertmanager_server.url.removeprefix("http://"), files, **changes)

    def edit(self, expr: str) -> Bundle:
        """Another alert beside Steady, and another configuration of Alertmanager."""
        return self.bundle({OTHER: rule_group("Other:default", alert("Other", expr))}, group_wait=f"{len(expr)}s")

    def publisher(self, wanted: Bundle, **changes: object) -> Publisher:
        return replace(Publisher(self.files, self.servers, lambda: wanted, margin_seconds=4), **changes)

    def publish(self, wanted: Bundle, **changes: object) -> Published:
        return self.publisher(wanted, **changes).publish()

    def firing(self, name: str) -> ActiveAlert | None:
        return firing_alert(self.prometheus, name)

    def runs(self, wanted: Bundle) -> bool:
        """Whether `wanted` is current, whole, and what the servers run."""
        whole = self.files.read(self.files.current_hash()) == wanted and self.files.current_hash() == wanted.hash
        return whole and not self.servers.differences(wanted)


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory,
    prometheus_server: Callable[..., PrometheusServer],
    alertmanager_server: Callable[..., AlertmanagerServer],
) -> Pair:
    """Servers for the tests of one module. Ask for `base` too: it brings them back to where they were."""
    home = tmp_path_factory.mktemp("home")
    files = ReleaseFiles(home / "releases", home / "current", home / "targets")
    first = bundle(free_address())
    files.write(first)
    files.switch(first.hash)
    alertmanager = alertmanager_server(home / "current/alertmanager/alertmanager.yml")
    return Pair(home, prometheus_server(home / "current/prometheus/prometheus.yml"), alertmanager)


@pytest.fixture
def base(pair: Pair, settings: Settings) -> Bundle:
    """The release that the servers run as the test begins: one alert, Steady, which fires."""
    settings.PLUMBLINE_HOME = pair.home
    settings.RELEASES_DIR = pair.home / "releases"
    settings.CURRENT_LINK = pair.home / "current"
    settings.TARGETS_DIR = pair.home / "targets"
    settings.PROMETHEUS_URL = pair.prometheus_server.url
    settings.ALERTMANAGER_URL = pair.alertmanager_server.url
    wanted = pair.bundle()
    if not pair.runs(wanted):
        pair.files.write(wanted)
        pair.files.switch(wanted.hash)
        pair.prometheus.reload()
        pair.alertmanager.reload()
    wait_until(lambda: pair.firing("Steady") is not None)
    return wanted


def firing_alert(prometheus: Prometheus, name: str) -> ActiveAlert | None:
    """The alert called `name`, where it fires."""
    return next((a for a in prometheus.alerts() if a.labels["alertname"] == name and a.state == "firing"), None)


@contextmanager
def steady_keeps_its_start(*prometheuses: Prometheus, restarted: bool = False) -> Iterator[None]:
    """The alert that no edit concerns fires before and after, everywhere since the same moment.

    In whole seconds, as Prometheus stores it: where one is `restarted` it reads that back after two evaluations.
    """

    def starts() -> list[datetime | None]:
        found = [firing_alert(each, "Steady") for each in prometheuses]
        return [alert and alert.active_at.replace(microsecond=0) for alert in found]

    before = starts()
    assert None not in before
    if restarted:
        # One that has just been started writes it down from its third evaluation on.
        wait_until(lambda: all(each.query('ALERTS_FOR_STATE{alertname="Steady"}') for each in prometheuses))
    yield
    deadline = time.monotonic() + (10 if restarted else 0)
    while (after := starts()) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert after == before


def the_next_run_reaches(pair: Pair, wanted: Bundle, **changes: object) -> None:
    """As the loop publishes, once a fault is gone."""
    assert pair.publish(wanted, **changes).outcome in Release.GOOD
    assert pair.runs(wanted) and not is_failing()


def time_passes(**ago: float) -> None:
    """All attempts ended so long before now."""
    Release.objects.update(finished_at=timezone.now() - timedelta(**ago))


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Returns once `condition` holds; fails the test where that takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
