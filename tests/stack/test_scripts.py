"""script/test, script/up and .ci/run: what they call, with which exit code, tried on a machine of stand-ins."""

import sys
from pathlib import Path

import pytest

from controlplane.stack import with_postgres
from tests.stack.machine import Machine


@pytest.fixture
def machine(machine: Machine) -> Machine:
    """All set up, for tests too."""
    machine.program("chromium")
    machine.program("initdb")
    machine.program("curl")
    lint_imports = machine.root / ".venv" / "bin" / "lint-imports"
    lint_imports.symlink_to(machine.bin / "chromium")
    assert machine.run("--test")[0] == 0
    machine.calls.unlink()
    return machine


def test_all_tests_run_on_sqlite_and_those_of_the_database_layer_again_on_postgres(machine: Machine) -> None:
    code, output = machine.run(script="script/test")
    assert code == 0
    share = "-n auto --maxprocesses 4 --dist loadfile --color=no"
    sqlite, postgres = machine.called()
    assert sqlite.startswith(f"-m pytest {share} in {machine.root}")
    assert "-m controlplane.stack.with_postgres .venv/bin/python -m pytest -m database" in postgres
    assert share in postgres
    assert output.splitlines()[-2:] == ["SQLite: 30 passed in 9s", "PostgreSQL: 4 passed in 1s"]


@pytest.mark.parametrize("failing", ["PYTEST_EXIT", "POSTGRES_EXIT"])
def test_a_failure_on_either_database_fails_the_whole_after_both_have_run(machine: Machine, failing: str) -> None:
    assert machine.run(script="script/test", **{failing: "1"})[0] == 1
    assert len(machine.called()) == 2


def test_arguments_go_to_pytest_and_its_exit_code_comes_back(machine: Machine) -> None:
    assert machine.run("tests/stack", "-k", "a or b", script="script/test", PYTEST_EXIT="5")[0] == 5
    [call] = machine.called()
    assert call.startswith("-m pytest tests/stack -k a or b in")


def test_tests_write_to_a_home_of_their_own_which_is_gone_afterwards(machine: Machine) -> None:
    machine.run("tests", script="script/test", PLUMBLINE_HOME="/srv/production")
    home = Path(machine.called()[0].rpartition("home ")[2])
    assert home.is_relative_to(machine.root.parent)
    assert not home.parent.exists()


def test_up_runs_the_system_and_reads_a_relative_home_where_it_was_called(machine: Machine) -> None:
    assert machine.run("--check", script="script/up", PLUMBLINE_HOME="srv/plumbline")[0] == 0
    assert machine.called() == [f"-m controlplane.stack.up --check in {machine.root}, home //srv/plumbline"]


def test_ci_runs_every_check_and_the_tests(machine: Machine) -> None:
    code, output = machine.run(script=".ci/run", CI="true")
    assert code == 0
    calls = "\n".join(machine.called())
    for tool in (
        "ruff format --check .", "ruff check .", "mypy telemetry", "makemigrations --check --dry-run",
        "check --deploy --fail-level WARNING", "-m pytest -n auto", "with_postgres",
    ):  # fmt: skip
        assert tool in calls
    assert "ok: imports between the rooms" in output
    assert "SQLite: 30 passed in 9s\nPostgreSQL: 4 passed in 1s\n" in output


@pytest.mark.parametrize(
    ("tool", "name"),
    [("ruff format", "formatting"), ("mypy", "types"), ("--deploy", "deployment settings"), ("-m pytest", "tests")],
)
def test_ci_fails_when_one_of_them_fails_though_the_others_run_too(machine: Machine, tool: str, name: str) -> None:
    code, output = machine.run(script=".ci/run", CI="true", BROKEN_TOOL=tool)
    assert code == 1
    assert output.endswith(f"failed: {name}\n")
    checks = [line for line in output.splitlines() if line.startswith(("ok: ", "FAILED: "))]
    assert len(checks) == 7
    assert [line for line in checks if line.startswith("FAILED")] == [f"FAILED: {name}"]


def test_with_postgres_hands_on_the_address_and_the_exit_code(capfd: pytest.CaptureFixture[str]) -> None:
    code = with_postgres.main(
        [sys.executable, "-c", "import os; print(os.environ['DATABASE_URL']); raise SystemExit(3)"]
    )
    assert code == 3
    assert capfd.readouterr().out.startswith("postgres://")
