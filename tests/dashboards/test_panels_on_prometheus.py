"""Every panel's expression, asked of a real Prometheus that runs our recording rules, shows something."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from alerts.recording import recordings
from controlplane.stack.prometheus import Prometheus
from tests.dashboards.exposition import Target
from tests.dashboards.rendered import OPTIONS, dashboards, expressions

CASES = [
    pytest.param(title, expr, id=f"{name}: {title} #{n}")
    for name, dashboard in dashboards(OPTIONS).items()
    for n, (title, expr) in enumerate(expressions(dashboard))
]
JOBS = {"model-inference": "/serving", "drift-exporter": "/quality", "plumbline": "/plumbline"}


def configuration(folder: Path, address: str) -> Path:
    """Prometheus' configuration, as fast as it goes; one alert that always fires."""
    rules = [{"record": each.record, "expr": each.expression.text} for each in recordings()]
    alert = {"alert": "Any", "expr": "plumbline_model_registered", "labels": {"severity": "page"}}
    groups = [{"name": "all", "interval": "1s", "rules": [*rules, alert]}]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    scrapes = [
        {"job_name": job, "metrics_path": path, "static_configs": [{"targets": [address]}]}
        for job, path in JOBS.items()
    ]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": scrapes,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return folder / "prometheus.yml"


@pytest.fixture(scope="module")
def prometheus(
    prometheus_server: Callable[..., Prometheus], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Scraping for some seconds already: rates and recorded series have values."""
    with Target() as target:
        server = prometheus_server(configuration(tmp_path_factory.mktemp("config"), target.address))
        deadline = time.monotonic() + 30
        while not ask(server, "job:ml_inference_rps:rate5m > 0 and on () count(ALERTS)")["result"]:
            assert time.monotonic() < deadline, "no recorded series after 30 seconds"
            time.sleep(0.25)
        yield server


def ask(server: Prometheus, expr: str) -> dict[str, Any]:
    answer = requests.get(f"{server.url}/api/v1/query", params={"query": expr}, timeout=10)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


@pytest.mark.parametrize(("title", "expr"), CASES)
def test_a_panel_shows_something(prometheus: Prometheus, title: str, expr: str) -> None:
    found = ask(prometheus, expr)["result"]
    assert found, f"{title} stays empty: {expr}"
    assert all(sample["value"][1] != "NaN" for sample in found)


def test_the_error_ratio_is_that_of_the_counts(prometheus: Prometheus) -> None:
    (expr,) = [expr for title, expr in expressions(dashboards(OPTIONS)["ML fleet"]) if title == "Error ratio"]
    (sample,) = ask(prometheus, expr)["result"]
    assert float(sample["value"][1]) == pytest.approx(0.1, abs=0.01)


def test_the_chosen_models_limit_has_its_own_value(prometheus: Prometheus) -> None:
    limits = [e for t, e in expressions(dashboards(OPTIONS)["ML model"]) if t == "Latency" and "registered" in e]
    (sample,) = ask(prometheus, limits[0])["result"]
    assert sample["value"][1] == "0.5"


def test_dashboards_read_only_series_that_are_recorded() -> None:
    recorded = {each.record for each in recordings()}
    read = {
        name
        for dashboard in dashboards(OPTIONS).values()
        for _, expr in expressions(dashboard)
        for name in re.findall(r"job:[a-z0-9_:]+", expr)
    }
    assert len(read) >= 8
    assert read <= recorded
