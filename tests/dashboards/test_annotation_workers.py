"""Workers that race and workers that die: still one annotation for each change (invariant 4). Real processes."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.doubles.grafana import EDITOR_KEY, Fault, GrafanaDouble

REPOSITORY = Path(__file__).parents[2]
LEASE_IS_OVER = 400  # seconds from now


class Home:
    """A home with a database of its own, which several processes work on."""

    def __init__(self, folder: Path, grafana: GrafanaDouble) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "PLUMBLINE_HOME": str(folder),
            "GRAFANA_URL": grafana.url,
            "GRAFANA_TOKEN": EDITOR_KEY,
            "LOG_LEVEL": "ERROR",
        }
        self.env.pop("DATABASE_URL", None)

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "tests.dashboards.worker", *command],
            env=self.env,
            cwd=REPOSITORY,
        )

    def run(self, *command: str) -> None:
        finish(self.start(*command))

    def deliveries(self) -> list[dict[str, Any]]:
        """Read past Django: a process of its own takes seconds to start."""
        with closing(sqlite3.connect(self.folder / "plumbline.sqlite3")) as database:
            database.row_factory = sqlite3.Row
            rows = database.execute("SELECT change_id, state, attempts, grafana_id FROM dashboards_annotationdelivery")
            return [{**row, "change_id": str(UUID(row["change_id"]))} for row in map(dict, rows)]


def finish(worker: "subprocess.Popen[bytes]") -> None:
    assert worker.wait(timeout=120) == 0


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory, grafana_server: GrafanaDouble) -> Path:
    """A home with twenty changes and no deliveries yet."""
    folder = tmp_path_factory.mktemp("seeded") / "home"
    folder.mkdir()
    Home(folder, grafana_server).run("seed", "20")
    return folder


@pytest.fixture
def home(tmp_path: Path, migrated: Path, grafana_server: GrafanaDouble) -> Iterator[Home]:
    grafana_server.clear()
    yield Home(shutil.copytree(migrated, tmp_path / "home"), grafana_server)


def wait_for_posts(grafana: GrafanaDouble, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(grafana.store.annotations) < count:
        assert time.monotonic() < deadline, "the worker posted nothing"
        time.sleep(0.02)


def assert_one_each(grafana: GrafanaDouble, rows: list[dict[str, Any]]) -> None:
    assert len(rows) == 20
    assert {row["state"] for row in rows} == {"delivered"}
    for row in rows:
        assert [a["id"] for a in grafana.tagged(f"change:{row['change_id']}")] == [row["grafana_id"]]


def test_workers_at_once_share_the_work(home: Home, grafana_server: GrafanaDouble) -> None:
    grafana_server.post_seconds = 0.05
    workers = [home.start("deliver", "0") for _ in range(3)]
    for worker in workers:
        finish(worker)
    assert_one_each(grafana_server, home.deliveries())
    assert sum(method == "POST" for method, _ in grafana_server.requests) == 20


def test_a_worker_killed_between_post_and_record_costs_no_double(home: Home, grafana_server: GrafanaDouble) -> None:
    grafana_server.faults.append(Fault.SILENCE_AFTER_STORING)
    worker = home.start("deliver", "0")
    wait_for_posts(grafana_server, 1)
    # It has been stored; the worker still waits for the answer, and never gets to write it down.
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    (interrupted,) = [row for row in home.deliveries() if row["attempts"]]
    assert interrupted["state"] == "waiting"
    home.run("deliver", "0", str(LEASE_IS_OVER))
    rows = home.deliveries()
    assert_one_each(grafana_server, rows)
    assert next(row["attempts"] for row in rows if row["change_id"] == interrupted["change_id"]) == 2
