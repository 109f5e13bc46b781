"""`python -m drift`, run as its users run it."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from tests.drift.engine.rows import FLIGHTS, REPOSITORY, write_rows

DATED = ("--data", str(FLIGHTS), "--timestamp", "date")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "drift", *arguments],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("baseline") / "baseline.json"
    done = run("profile", *DATED, "--to", "2015-07-01", "--exclude", "source_row", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("49686 rows, 6 features, SHA-256 ")
    return out


def test_help_names_both_commands_with_an_example() -> None:
    shown = run("--help").stdout
    assert "python -m drift profile --data" in shown
    assert "python -m drift compare --baseline" in shown
    assert "Exit codes: 0 nothing drifted" in " ".join(run("compare", "--help").stdout.split())


def test_a_month_that_drifts_exits_1_and_shows_the_feature_first(baseline: Path) -> None:
    done = run("compare", "--baseline", str(baseline), *DATED, "--from", "2015-08-01", "--to", "2015-09-01")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "drifted: airline drifted."
    assert lines[4].split()[:5] == ["airline", "categorical", "0.4937", "0.2000", "yes"]


def test_a_month_that_does_not_drift_exits_0(baseline: Path) -> None:
    done = run("compare", "--baseline", str(baseline), *DATED, "--from", "2015-05-01", "--to", "2015-06-01")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "ok: Nothing drifted.")


def test_json_is_the_whole_verdict(baseline: Path) -> None:
    done = run("compare", "--baseline", str(baseline), *DATED, "--from", "2015-08-01", "--json")
    verdict = json.loads(done.stdout)
    assert (verdict["state"], [f["name"] for f in verdict["features"] if f["drifted"]]) == ("drifted", ["airline"])


def test_too_few_rows_are_no_verdict_and_exit_2(baseline: Path) -> None:
    done = run("compare", "--baseline", str(baseline), *DATED, "--from", "2015-08-01", "--to", "2015-08-02")
    assert done.returncode == 2
    assert done.stdout.startswith("insufficient_data: The window has ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "--baseline", "/nowhere.json", "--data", str(FLIGHTS)), "/nowhere.json"),
        (("profile", "--data", "/nowhere", "--out", "/dev/null"), "There is no file or folder /nowhere"),
        (("profile", "--data", str(FLIGHTS), "--out", "/dev/null", "--columns", "wings"), "no feature 'wings'"),
        (("profile", "--data", __file__, "--out", "/dev/null"), "can't be read"),
        (("profile", "--data", str(FLIGHTS), "--out", "/dev/null", "--from", "July"), "'July' is not a time"),
        (
            ("profile", "--data", str(FLIGHTS), "--out", "/dev/null", "--bins", "1"),
            "'1' is no whole number of at least 2",
        ),
        (("profile", "--data", str(FLIGHTS), "--out", "/dev/null", "--max-categories", "-1"), "of at least 1"),
        (("compare", "--baseline", "b", "--data", str(FLIGHTS), "--psi", "-1"), "'-1' is no number above 0"),
    ],
)
def test_what_can_not_be_done_exits_2_and_says_why(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_prediction_log_is_recognised_by_its_columns(tmp_path: Path) -> None:
    folder = tmp_path / "model=m" / "version=1" / "hour=2026-01-01T00"
    folder.mkdir(parents=True)
    log = {
        "feature:a, b": [float(row % 10) for row in range(2_000)],
        "feature:c": ["x", "y"] * 1_000,
        "score": [row / 2_000 for row in range(2_000)],
        "predicted_class": ["yes", "no"] * 1_000,
        "defaulted": pa.array([[]] * 2_000, type=pa.list_(pa.string())),
        "timestamp": pa.array([row * 1_000_000 for row in range(2_000)], type=pa.timestamp("us", tz="UTC")),
    }
    write_rows(folder / "r-1.parquet", log)
    (folder / ".half-written.parquet").write_bytes(b"PAR1")
    out = tmp_path / "b.json"
    made = run("profile", "--data", str(tmp_path), "--out", str(out), "--columns", '"a, b"')
    assert made.returncode == 0, made.stderr
    profile = json.loads(out.read_text())
    assert (list(profile["features"]), profile["score_median"]) == (["a, b"], pytest.approx(0.49975))
    compared = run("compare", "--baseline", str(out), "--data", str(tmp_path), "--from", "1970-01-01T00:00:00Z")
    assert compared.returncode == 0, compared.stderr
    assert "predictions: PSI 0.0000" in compared.stdout


def test_neither_django_nor_celery_is_loaded() -> None:
    code = "import sys, drift.__main__; print(sorted({'django', 'celery', 'models_registry'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
