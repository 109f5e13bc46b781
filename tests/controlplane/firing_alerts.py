"""A Prometheus in which alerts of `fraud`, owned by `payments`, fire or are pending: for what tells of them."""

import json
import time
from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from alerts.prometheus import Prometheus
from controlplane.stack.prometheus import Prometheus as PrometheusServer
from tests.fixtures.registry import Registry, make_model

DOWN, PENDING = "MLServingDown", "MLVersionMismatch"
# As rendered for `fraud`, with the labels that the rule puts on and what it waits for.
RULES = {
    "health/MLServingDown.yml": ("MLServingDown:default", DOWN, {"severity": "page"}, "0s"),
    "health/MLVersionMismatch.yml": ("MLVersionMismatch:default", PENDING, {"severity": "ticket"}, "1h"),
    "custom/BadTooMany.yml": ("BadTooMany:model:fraud", "BadTooMany", {"severity": "ticket"}, "0s"),
}


@pytest.fixture(scope="session")
def firing_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """MLServingDown and an alert of fraud's own fire; MLVersionMismatch is pending for an hour."""
    folder = tmp_path_factory.mktemp("firing") / "prometheus"
    expr = 'label_replace(label_replace(vector(1), "model_name", "fraud", "", ""), "team", "payments", "", "")'
    for path, (group, alert, labels, for_) in RULES.items():
        policy = group.partition(":")[2]
        rule = {"alert": alert, "expr": expr, "for": for_, "labels": {"plane": "health", "policy": policy, **labels}}
        file = folder / "rules" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"groups": [{"name": group, "interval": "1s", "rules": [rule]}]}))
    (folder / "prometheus.yml").write_text("rule_files: [rules/health/*.yml, rules/custom/*.yml]\n")
    with PrometheusServer(folder / "prometheus.yml", folder / "server") as server:
        deadline = time.monotonic() + 15
        while len(Prometheus(server.url).alerts()) < len(RULES):
            assert time.monotonic() < deadline, "the alerts don't fire"
            time.sleep(0.05)
        yield server


@pytest.fixture
def firing(firing_prometheus: PrometheusServer, settings: Settings, registry: Registry) -> None:
    """The settings name that Prometheus; beside `fraud` there is `churn`, of which nothing fires."""
    make_model("churn", registry.team)
    settings.PROMETHEUS_URL = firing_prometheus.url
