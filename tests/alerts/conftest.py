"""Servers that several files of this room ask: one with a past, one that keeps silences and tells nobody."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from pytest_django.fixtures import Settings

from alerts.alertmanager import Alertmanager
from controlplane.stack.alertmanager import Alertmanager as AlertmanagerServer
from controlplane.stack.prometheus import Prometheus as PrometheusServer
from tests.alerts.watched_past import ARGUMENTS, fill_store


@pytest.fixture(scope="module")
def end() -> int:
    """Now, at a whole evaluation."""
    return int(time.time()) // 90 * 90


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, end: int) -> Iterator[PrometheusServer]:
    """A Prometheus with the past of tests.alerts.watched_past, up to `end`."""
    folder = tmp_path_factory.mktemp("past")
    fill_store(folder / "data", end)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 15s}\n")
    with PrometheusServer(folder / "prometheus.yml", folder, None, ARGUMENTS) as server:
        yield server


@pytest.fixture(scope="module")
def silent_alertmanager(
    alertmanager_server: Callable[..., AlertmanagerServer], tmp_path_factory: pytest.TempPathFactory
) -> AlertmanagerServer:
    config = tmp_path_factory.mktemp("silences") / "alertmanager.yml"
    config.write_text("route: {receiver: nobody, group_wait: 0s}\nreceivers: [{name: nobody}]\n")
    return alertmanager_server(config)


@pytest.fixture
def alertmanager(silent_alertmanager: AlertmanagerServer, settings: Settings) -> Alertmanager:
    """Without silences, as each test finds it."""
    settings.ALERTMANAGER_URL = silent_alertmanager.url
    client = Alertmanager(silent_alertmanager.url)
    for silence in client.silences():
        client.expire_silence(silence.identity)
    return client


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
