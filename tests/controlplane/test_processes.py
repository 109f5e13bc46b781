"""The web server's workers and a Celery worker, as they really run, on a database and a Redis of the tests."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from controlplane import wake
from controlplane.celery import app as celery_app
from controlplane.stack import app
from controlplane.stack.redis import Redis
from tests.controlplane.addresses import free_address
from tests.controlplane.brokers import with_broker
from tests.controlplane.conftest import wait_until


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, redis_server: Redis) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    environment = {
        "PLUMBLINE_HOME": str(home),
        "DATABASE_URL": f"sqlite:///{home / 'plumbline.sqlite3'}",
        "REDIS_URL": redis_server.url,
        "PROMETHEUS_URL": f"http://{free_address()}",
        "ALERTMANAGER_URL": f"http://{free_address()}",
    }
    app.manage(environment, "migrate", "--noinput")
    return environment


@pytest.fixture(scope="module")
def metrics(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., float]]:
    """`metrics(name, **labels)`: the sample at the web server's /metrics (0 where there is none)."""
    with app.web(environment, tmp_path_factory.mktemp("logs")) as web:

        def sample(name: str, **labels: str) -> float:
            # A connection of its own each time, so that each worker is asked in turn.
            text = requests.get(f"{web.url}/metrics", headers={"Connection": "close"}, timeout=10).text
            samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
            return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

        yield sample


def test_every_worker_of_the_web_server_tells_the_counts_of_all(metrics: Callable[..., float]) -> None:
    scrapes = [metrics("plumbline_http_requests_total", view="metrics") for _ in range(12)]
    assert scrapes == [scrapes[0] + number for number in range(12)]


def test_a_nudge_makes_a_worker_run_the_loop_at_once(
    environment: dict[str, str], metrics: Callable[..., float], redis_server: Redis, tmp_path: Path
) -> None:
    assert metrics("plumbline_reconcile_last_run_timestamp_seconds") == 0
    with app.worker(environment | {"LOG_LEVEL": "DEBUG"}, tmp_path) as worker, with_broker(redis_server.url):
        wake.wake()
        wait_until(lambda: metrics("plumbline_reconcile_last_run_timestamp_seconds") > time.time() - 60)
    told = worker.process.log_text()
    assert " INFO celery.apps.worker " in told and " DEBUG " in told, "as LOG_LEVEL says, for worker and beat too"
    assert metrics("plumbline_peer_reachable", peer="redis") == 1
    assert metrics("plumbline_peer_reachable", peer="prometheus") == 0
    assert metrics("plumbline_reconcile_step_failed", step="publish") == 1
    assert metrics("plumbline_reconcile_step_failed", step="targets") == 0


def test_the_clock_runs_a_task_that_workers_know() -> None:
    schedule = celery_app.conf.beat_schedule["reconcile"]
    # As a worker does when it starts.
    celery_app.loader.import_default_modules()
    assert schedule["task"] in celery_app.tasks
    assert schedule["options"]["expires"] == schedule["schedule"], "ticks must not pile up before a busy worker"
