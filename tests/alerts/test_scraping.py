"""What Prometheus scrapes, how often, and under which labels."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import yaml

from alerts.options import RenderOptions
from alerts.scraping import render_prometheus, render_targets
from models_registry.heartbeats import FORGET_AFTER
from tests.alerts.fleets import NOW, OPTIONS, RICH, SMALL, replica


def jobs(options: RenderOptions = OPTIONS) -> dict[str, dict[str, Any]]:
    document = yaml.safe_load(render_prometheus(options))
    return {job["job_name"]: job for job in document["scrape_configs"]}


def targets(options: RenderOptions = OPTIONS, fleet: Any = SMALL) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in render_targets(fleet, options).items()}


def test_both_planes_and_the_watchers_are_scraped() -> None:
    assert list(jobs()) == ["model-inference", "drift-exporter", "plumbline", "prometheus", "alertmanager"]
    assert "node-exporter" in jobs(replace(OPTIONS, node_exporter_targets=("n1:9100",)))


def test_intervals_are_settings_and_drift_is_scraped_often_enough_to_survive_a_failed_scrape() -> None:
    document = yaml.safe_load(render_prometheus(OPTIONS))
    assert document["global"] == {"scrape_interval": "15s", "evaluation_interval": "30s"}
    assert jobs()["drift-exporter"]["scrape_interval"] == "1m"
    assert jobs(replace(OPTIONS, drift_scrape_interval=900))["drift-exporter"]["scrape_interval"] == "2m"
    assert jobs(replace(OPTIONS, drift_scrape_interval=5))["drift-exporter"]["scrape_interval"] == "5s"


def test_each_job_reads_a_target_file_of_its_own() -> None:
    for name, job in jobs().items():
        assert job["file_sd_configs"] == [{"files": [f"targets/{name}.json"]}]
        assert f"{name}.json" in targets()


def test_replicas_are_scraped_where_they_said_and_forgotten_when_silent_for_long() -> None:
    silent = replica("gone", "10.0.0.9:8000", NOW - FORGET_AFTER - timedelta(seconds=1))
    fleet = replace(RICH, replicas=(replica("b", "10.0.0.2:8000"), replica("a", "10.0.0.1:8000"), silent))
    labels = {"service": "model-api", "environment": "production"}
    assert targets(fleet=fleet)["model-inference.json"] == [
        {"targets": ["10.0.0.1:8000", "10.0.0.2:8000"], "labels": labels}
    ]


def test_replicas_that_all_fell_silent_at_once_are_scraped_on() -> None:
    """It is the control plane that no longer hears them: unscraped, each of their models would page."""
    long_ago = NOW - 9 * FORGET_AFTER
    fleet = replace(RICH, replicas=(replica("a", "10.0.0.1:8000", long_ago), replica("b", "10.0.0.2:8000", long_ago)))
    assert targets(fleet=fleet)["model-inference.json"][0]["targets"] == ["10.0.0.1:8000", "10.0.0.2:8000"]


def test_a_fleet_without_replicas_has_no_targets() -> None:
    assert targets(fleet=replace(SMALL, replicas=()))["model-inference.json"] == []


def test_targets_carry_neither_model_nor_version() -> None:
    """Prometheus would rename the series' own labels."""
    for groups in targets().values():
        for group in groups:
            assert set(group["labels"]) == {"service", "environment"}


def test_servers_under_a_path_are_scraped_and_told_there() -> None:
    options = replace(OPTIONS, prometheus_url="https://m.example.com/prom", alertmanager_url="https://m.example.com/am")
    assert jobs(options)["prometheus"]["metrics_path"] == "/prom/metrics"
    assert jobs(options)["alertmanager"]["scheme"] == "https"
    alerting = yaml.safe_load(render_prometheus(options))["alerting"]["alertmanagers"]
    assert alerting == [{"scheme": "https", "path_prefix": "/am", "static_configs": [{"targets": ["m.example.com"]}]}]


def test_plumbline_is_scraped_over_tls_only_at_its_public_address() -> None:
    assert jobs()["plumbline"]["scheme"] == "https"
    assert jobs(replace(OPTIONS, plumbline_target="10.0.0.5:8000"))["plumbline"]["scheme"] == "http"
