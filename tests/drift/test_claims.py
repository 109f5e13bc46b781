"""Twice told, once run; and a worker that dies leaves work that somebody else takes up."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from drift import claims
from drift.claims import CLAIM_MARGIN, MAX_ATTEMPTS
from drift.engine.verdict import OK, Verdict
from drift.models import CheckRun, CheckStatus, DriftCheck
from models_registry.models import ModelVersion
from tests.drift.engine.rows import REPOSITORY
from tests.drift.registered import NOON, rows, watched_model, write_log

pytestmark = [pytest.mark.database]
FINE = Verdict(OK, "Nothing drifted.", rows=500)


def planned(check: DriftCheck, end: object = NOON) -> CheckRun:
    version = ModelVersion.objects.get(model=check.model, version="v1")
    return claims.planned_run(check, version, end)  # type: ignore[arg-type]


@pytest.mark.django_db
def test_a_run_is_claimed_once() -> None:
    run = planned(watched_model())
    assert claims.claim(run, 120)
    assert not claims.claim(CheckRun.objects.get(), 120)
    assert CheckRun.objects.get().attempts == 1


@pytest.mark.django_db
def test_a_finished_run_is_not_claimed_again_however_old() -> None:
    run = planned(watched_model())
    claims.claim(run, 120)
    claims.finish(run, FINE)
    CheckRun.objects.update(started_at=timezone.now() - timedelta(days=1))
    assert not claims.claim(CheckRun.objects.get(), 120)


@pytest.mark.django_db
def test_a_claim_ends_with_the_time_limit_and_its_margin() -> None:
    run = planned(watched_model())
    claims.claim(run, 120)
    CheckRun.objects.update(started_at=timezone.now() - timedelta(seconds=120) - CLAIM_MARGIN + timedelta(seconds=5))
    assert not claims.claim(CheckRun.objects.get(), 120)
    CheckRun.objects.update(started_at=timezone.now() - timedelta(seconds=120) - CLAIM_MARGIN)
    assert claims.claim(CheckRun.objects.get(), 120)


@pytest.mark.django_db
def test_the_verdict_of_a_worker_that_lost_its_claim_is_not_stored() -> None:
    run = planned(watched_model())
    claims.claim(run, 120)
    CheckRun.objects.update(started_at=timezone.now() - timedelta(hours=1))
    taken = CheckRun.objects.get()
    assert claims.claim(taken, 120)
    assert not claims.finish(run, FINE)
    assert CheckRun.objects.get().finished_at is None
    assert claims.finish(taken, FINE)


@pytest.mark.django_db
def test_a_run_that_keeps_killing_its_workers_is_given_up_and_says_so() -> None:
    run = planned(watched_model())
    for _ in range(MAX_ATTEMPTS):
        assert claims.claim(run, 120)
        CheckRun.objects.update(started_at=timezone.now() - timedelta(hours=1))
    assert not claims.claim(run, 120)
    run.refresh_from_db()
    assert (run.state, "3 workers were killed over it" in run.reason) == ("source_failed", True)


@pytest.mark.django_db
def test_only_a_failed_source_is_run_again_on_demand() -> None:
    check = watched_model()
    fine, failed = planned(check), planned(check, NOON - timedelta(hours=1))
    for run, verdict in ((fine, FINE), (failed, Verdict("source_failed", "Gone."))):
        claims.claim(run, 120)
        claims.finish(run, verdict)
        claims.reopen(run)
    assert (fine.finished_at is not None, failed.finished_at is None) == (True, True)
    assert claims.claim(failed, 120)


@pytest.mark.django_db
def test_an_older_window_that_is_finished_late_does_not_bring_its_state_back() -> None:
    check = watched_model()
    older, newer = planned(check, NOON - timedelta(hours=1)), planned(check)
    for run in (older, newer):
        claims.claim(run, 120)
    claims.finish(newer, Verdict("source_failed", "Gone."))
    claims.finish(older, FINE)
    status = CheckStatus.objects.get()
    assert (status.latest, status.last_success_at) == (newer, None)


# Workers side by side, and one killed in the middle: processes of their own on a database of their own.

SEED = """
from tests.drift.registered import watched_model
watched_model("fraud", timeout_seconds=30)
watched_model("churn")
"""
SIDE_BY_SIDE = """
import threading
from drift.models import CheckRun, DriftCheck
from drift.run import run_window
from tests.drift.registered import NOON
check = DriftCheck.objects.select_related("model").get(model__name="churn")
version = check.model.versions.get(version="v1")
start, states = threading.Barrier(6), []
def work():
    start.wait()
    states.append(run_window(check, version, NOON).state)
workers = [threading.Thread(target=work) for _ in range(6)]
[worker.start() for worker in workers]
[worker.join(30) for worker in workers]
run = CheckRun.objects.get(drift_check=check)
print(len(states), set(states) <= {"ok", ""}, run.state, run.attempts)
"""
TAKE_OVER = """
from datetime import timedelta
from django.utils import timezone
from drift.models import CheckRun
CheckRun.objects.filter(finished_at=None).update(started_at=timezone.now() - timedelta(seconds=91))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def manage(home: Path) -> Callable[..., "subprocess.Popen[str]"]:
    environment = {
        "PATH": os.environ["PATH"],
        "PLUMBLINE_HOME": str(home),
        "PYTHONPATH": str(REPOSITORY),
        "LOG_LEVEL": "ERROR",
    }

    def start(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    finished(start("migrate", "--verbosity", "0"))
    finished(start("shell", "--verbosity", "0", "-c", SEED))
    return start


def finished(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    return output


def test_of_workers_that_are_told_at_the_same_time_one_runs_the_window(
    home: Path, manage: Callable[..., "subprocess.Popen[str]"]
) -> None:
    write_log(home / "predictions", "churn", "v1", rows(1_000))
    output = finished(manage("shell", "--verbosity", "0", "-c", SIDE_BY_SIDE))
    # DuckDB's bindings may warn of what they still hold when the interpreter ends: that comes after.
    assert output.splitlines()[0] == "6 True ok 1"


def test_a_worker_killed_in_the_middle_of_a_scan_leaves_the_window_to_the_next(
    home: Path, manage: Callable[..., "subprocess.Popen[str]"]
) -> None:
    file = write_log(home / "predictions", "fraud", "v1", rows(1_000))
    content = file.read_bytes()
    file.unlink()
    os.mkfifo(file)  # whoever opens it for reading hangs there: a scan that is under way
    check = ("drift_check", "fraud", "--window-end", NOON.isoformat())

    victim = manage(*check)
    writer = os.open(file, os.O_WRONLY)  # returns when the victim has opened it
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    os.close(writer)
    file.unlink()
    file.write_bytes(content)

    busy = manage(*check)
    output, _ = busy.communicate(timeout=180)
    assert (busy.returncode, "another worker is at it" in output) == (1, True)

    finished(manage("shell", "--verbosity", "0", "-c", TAKE_OVER))
    assert "ok: Nothing drifted." in finished(manage(*check))
