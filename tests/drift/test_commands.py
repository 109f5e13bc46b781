"""`manage.py drift_check` and `manage.py quality_exporter`."""

import io
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from drift.edits import pause_check
from drift.models import CheckRun, DriftCheck
from models_registry.actor import SYSTEM
from tests.drift.engine.rows import REPOSITORY
from tests.drift.registered import NOON, rows, watched_model, write_log
from tests.fixtures.registry import make_model


def drift_check(*arguments: str) -> str:
    output = io.StringIO()
    call_command("drift_check", *arguments, stdout=output)
    return output.getvalue()


@pytest.mark.django_db
def test_a_check_in_the_foreground_prints_what_it_found(plumbline_home: Path) -> None:
    watched_model()
    write_log(plumbline_home / "predictions", "fraud", "v1", rows(1_000, without="de"))
    output = drift_check("fraud", "--window-end", NOON.isoformat())
    assert "fraud v1, 2026-03-02 11:00:00+00:00 to 2026-03-02 12:00:00+00:00" in output
    assert "drifted: country drifted." in output
    assert re.search(r"country +categorical +\d\.\d{4} +0\.2000 +yes", output)


@pytest.mark.django_db
def test_a_failed_source_is_an_error_and_can_be_tried_again(plumbline_home: Path) -> None:
    watched_model()
    with pytest.raises(CommandError, match="No verdict on v1"):
        drift_check("fraud", "--window-end", NOON.isoformat())
    write_log(plumbline_home / "predictions", "fraud", "v1", rows(1_000))
    assert "ok: Nothing drifted." in drift_check("fraud", "--window-end", NOON.isoformat())
    assert CheckRun.objects.count() == 1


@pytest.mark.django_db
def test_without_a_window_it_looks_at_the_time_up_to_now(plumbline_home: Path) -> None:
    (plumbline_home / "predictions").mkdir()
    make_model("fresh", live="v1")
    with pytest.raises(CommandError, match="No verdict on v1"):
        drift_check("fresh")
    assert DriftCheck.objects.get().model.name == "fresh"
    assert CheckRun.objects.get().state == "baseline_mismatch"


@pytest.mark.django_db
def test_what_can_not_be_checked_is_refused_with_the_remedy() -> None:
    with pytest.raises(CommandError, match="no model 'fruad'; there are: none"):
        drift_check("fruad")
    check = watched_model()
    with pytest.raises(CommandError, match="is not a time"):
        drift_check("fraud", "--window-end", "noon")
    pause_check(check.model, paused=True, actor=SYSTEM)
    with pytest.raises(CommandError, match="is paused: resume it first"):
        drift_check("fraud")


def exporter(home: Path, port: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "quality_exporter", "--port", port],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "PLUMBLINE_HOME": str(home), "LOG_LEVEL": "CRITICAL"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_exporter_serves_until_it_is_told_to_stop_and_says_when_its_port_is_taken(tmp_path: Path) -> None:
    process = exporter(tmp_path / "home", "0")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.split()[-1]
        assert line.startswith("quality exporter on http://127.0.0.1:")
        # The database has no tables yet: the process lives, and the scrape fails visibly.
        with urllib.request.urlopen(url.replace("/metrics", "/healthz"), timeout=5) as answer:  # noqa: S310
            assert answer.status == 200
        with pytest.raises(urllib.request.HTTPError) as failed:
            urllib.request.urlopen(url, timeout=5)  # noqa: S310
        assert failed.value.code == 503
        failed.value.close()
        taken = exporter(tmp_path / "home", url.split(":")[-1].split("/")[0])
        _, told = taken.communicate(timeout=30)
        assert (taken.returncode, "Choose another with --port" in told) == (1, True)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0
