"""An HA pair: two Prometheis and two Alertmanagers on one home. The rule is told in docs/publishing.md.

Those that answer run the same release, the old one or the new one; who is away is named, and brought up to it later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from alerts.prometheus import Prometheus
from controlplane.bundle import Bundle
from controlplane.control_metrics import PEER_REACHABLE
from controlplane.environment_values import http_urls
from controlplane.models import Peer, Release
from controlplane.pages.banners import banners
from controlplane.publishing.rendered_rules import parse_yaml
from controlplane.publishing.servers import Servers
from controlplane.reachability import note_reachability
from controlplane.rendering import render_bundle, render_options
from controlplane.stack.alertmanager import Alertmanager as AlertmanagerServer
from controlplane.stack.prometheus import Prometheus as PrometheusServer
from controlplane.targets import sync_targets
from tests.controlplane.addresses import free_address
from tests.controlplane.conftest import (
    Pair,
    firing_alert,
    steady_keeps_its_start,
    the_next_run_reaches,
    time_passes,
    wait_until,
)

pytestmark = pytest.mark.django_db

Outcome = Release.Outcome


@dataclass
class Twins:
    """The second servers."""

    prometheus: PrometheusServer
    alertmanager: AlertmanagerServer


@pytest.fixture(scope="module")
def twins(
    pair: Pair,
    prometheus_server: Callable[..., PrometheusServer],
    alertmanager_server: Callable[..., AlertmanagerServer],
) -> Twins:
    current = pair.home / "current"
    return Twins(
        prometheus_server(current / "prometheus/prometheus.yml"),
        alertmanager_server(current / "alertmanager/alertmanager.yml"),
    )


@pytest.fixture
def all_four(pair: Pair, base: Bundle, twins: Twins, settings: Settings) -> Servers:
    """Everybody runs `base`, and the settings name them all."""
    settings.FURTHER_PROMETHEUS_URLS = [twins.prometheus.url]
    settings.FURTHER_ALERTMANAGER_URLS = [twins.alertmanager.url]
    servers = Servers.from_settings(settings)
    for server in (*servers.prometheuses, *servers.alertmanagers):
        server.reload()
    assert servers.count == 4 and not servers.differences(base)
    wait_until(lambda: all(firing_alert(prometheus, "Steady") for prometheus in servers.prometheuses))
    return servers


def test_all_run_the_release_once_it_is_published(pair: Pair, all_four: Servers) -> None:
    wanted = pair.edit("vector(2)")
    with steady_keeps_its_start(*all_four.prometheuses):
        published = pair.publish(wanted, servers=all_four)
    assert (published.outcome, published.reason) == (Outcome.PUBLISHED, "")
    assert not all_four.differences(wanted)
    health = {rule.health for p in all_four.prometheuses for group in p.rules() for rule in group.rules}
    assert health == {"ok"}


def test_who_is_down_is_named_and_finds_the_release_when_it_starts(pair: Pair, all_four: Servers, twins: Twins) -> None:
    wanted = pair.edit("vector(22)")
    with steady_keeps_its_start(*all_four.prometheuses, restarted=True):
        twins.prometheus.kill()
        try:
            published = pair.publish(wanted, servers=all_four)
            assert published.outcome == Outcome.PUBLISHED
            assert twins.prometheus.url in published.reason and "Connection refused" in published.reason
            assert published.release is not None and published.release.reason == published.reason
            assert pair.runs(wanted)
            again = pair.publish(wanted, servers=all_four)
            assert again.outcome == Outcome.UNCHANGED and twins.prometheus.url in again.reason
        finally:
            twins.prometheus.start()
    assert not all_four.differences(wanted)
    assert pair.publish(wanted, servers=all_four).reason == ""


def test_who_was_cut_off_is_brought_up_by_the_next_run_and_alerts_live_on(
    pair: Pair, all_four: Servers, twins: Twins, prometheus_server: Callable[..., PrometheusServer]
) -> None:
    """It never stopped, so it runs the release of before: whole, until it is reached again."""
    wanted = pair.edit("vector(222)")
    unreachable = Prometheus(f"http://{free_address()}", timeout=1)
    cut_off = Servers((pair.prometheus, unreachable), all_four.alertmanagers)
    with steady_keeps_its_start(*all_four.prometheuses):
        assert pair.publish(wanted, servers=cut_off).outcome == Outcome.PUBLISHED
        assert all_four.differences(wanted), "the second Prometheus was not asked"
        assert all(twins.prometheus.url in difference for difference in all_four.differences(wanted))

        assert pair.publish(wanted, servers=all_four).outcome == Outcome.PUBLISHED
        assert not all_four.differences(wanted)


def test_one_that_will_not_run_it_takes_all_of_them_back(
    pair: Pair, base: Bundle, all_four: Servers, tmp_path: Path, prometheus_server: Callable[..., PrometheusServer]
) -> None:
    (tmp_path / "prometheus.yml").write_text("global: {evaluation_interval: 1s}")
    stranger = Prometheus(prometheus_server(tmp_path / "prometheus.yml").url)
    mixed = Servers((*all_four.prometheuses, stranger), all_four.alertmanagers)
    wanted = pair.edit("vector(3)")
    with steady_keeps_its_start(*all_four.prometheuses):
        published = pair.publish(wanted, servers=mixed)
        assert published.outcome == Outcome.FAILED and f"{stranger.url}: Prometheus has not loaded" in published.reason
        assert pair.runs(base) and not all_four.differences(base)
        time_passes(minutes=6)
        the_next_run_reaches(pair, wanted, servers=all_four)


def test_one_that_dies_after_the_switch_is_left_behind(pair: Pair, all_four: Servers, twins: Twins) -> None:
    def kill(step: str) -> None:
        if step == "switch":
            twins.alertmanager.kill()

    wanted = pair.edit("vector(4)")
    with steady_keeps_its_start(*all_four.prometheuses):
        try:
            published = pair.publish(wanted, servers=all_four, checkpoint=kill)
        finally:
            twins.alertmanager.start()
    assert published.outcome == Outcome.PUBLISHED and twins.alertmanager.url in published.reason
    assert pair.runs(wanted) and not all_four.differences(wanted)


def test_without_any_of_a_kind_nothing_is_changed(pair: Pair, base: Bundle, all_four: Servers) -> None:
    nobody = Servers.at([f"http://{free_address()}" for _ in range(2)], [pair.alertmanager_server.url], timeout=1)
    wanted = pair.edit("vector(5)")
    with steady_keeps_its_start(*all_four.prometheuses):
        published = pair.publish(wanted, servers=nobody)
        assert published.outcome == Outcome.UNREACHABLE and "Nothing was changed" in published.reason
        assert all(server.url in published.reason for server in nobody.prometheuses)
        assert pair.runs(base) and not all_four.differences(base)
        the_next_run_reaches(pair, wanted, servers=all_four)


def test_each_is_a_peer_of_its_own_on_the_page_and_in_the_metrics(
    base: Bundle, all_four: Servers, settings: Settings, client
) -> None:
    settings.FURTHER_ALERTMANAGER_URLS = [f"http://{free_address()}"]
    lost = note_reachability(datetime.now(UTC))
    assert "alertmanager-2" in lost and "alertmanager" not in lost
    assert Peer.objects.get(name="prometheus-2").reachable
    [banner] = [b for b in banners(datetime.now(UTC)) if "Alertmanager" in b.title]
    assert banner.title == "Alertmanager 2 can't be reached" and "go on" in banner.text
    told = client.get("/metrics").content.decode()
    assert f'{PEER_REACHABLE}{{peer="alertmanager-2"}} 0.0' in told
    assert f'{PEER_REACHABLE}{{peer="prometheus-2"}} 1.0' in told


def test_the_bundle_names_all_of_them(plumbline_home: Path, settings: Settings) -> None:
    settings.PROMETHEUS_URL, settings.FURTHER_PROMETHEUS_URLS = "http://p1:9090", ["http://p2:9090"]
    settings.ALERTMANAGER_URL, settings.FURTHER_ALERTMANAGER_URLS = "http://a1:9093", ["http://a2:9093"]
    config = parse_yaml(render_bundle().text("prometheus/prometheus.yml"))
    [told] = config["alerting"]["alertmanagers"]
    assert told["static_configs"] == [{"targets": ["a1:9093", "a2:9093"]}]
    assert render_options().further_prometheus_urls == ("http://p2:9090",)
    sync_targets()
    assert '"p2:9090"' in (settings.TARGETS_DIR / "prometheus.json").read_text()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("http://a:9090", ["http://a:9090"]),
        ("http://a:9090/prom/, http://b:9090/prom", ["http://a:9090/prom", "http://b:9090/prom"]),
    ],
)
def test_a_list_of_addresses_is_split_at_commas(value: str, found: list[str]) -> None:
    assert http_urls(value) == found


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("http://a,b:9090", "not a URL"),
        ("http://a,https://b", "same scheme and path"),
        ("http://a/x,http://b/y", "same scheme and path"),
        ("http://a,http://a/", "twice"),
    ],
)
def test_addresses_that_can_not_be_one_job_are_refused(value: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        http_urls(value)
