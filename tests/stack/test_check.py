"""`script/up --check`: the walk stops at the first claim that doesn't hold, and says which and why."""

from types import SimpleNamespace

import pytest

from controlplane.stack import check
from controlplane.stack.job import Job, StepFailed
from controlplane.stack.process import ProcessError
from controlplane.stack.steps.incident import page_window, version_rows

SYSTEM = SimpleNamespace(
    sign_in=SimpleNamespace(user="demo"), manage=lambda *arguments: "Shown once:\npl_token\n", logs="the logs"
)


def held(job: Job) -> str:
    return f"held with {job.token}"


def broken(job: Job) -> str:
    raise StepFailed("expected 10 %, saw 50 %")


def died(job: Job) -> str:
    raise ProcessError("worker died: its log's tail")


def walked(monkeypatch: pytest.MonkeyPatch, *steps: tuple) -> int:
    monkeypatch.setattr(check, "STEPS", steps)
    return check.walk(SYSTEM)


def test_every_step_is_told_with_what_it_saw(monkeypatch, capsys):
    assert walked(monkeypatch, ("one", held), ("two", held)) == 0
    told = capsys.readouterr().out
    assert "one: held with pl_token" in told
    assert "2 steps passed" in told


@pytest.mark.parametrize(("step", "why"), [(broken, "expected 10 %, saw 50 %"), (died, "its log's tail")])
def test_the_first_that_fails_ends_the_walk_with_its_reason(monkeypatch, capsys, step, why):
    assert walked(monkeypatch, ("one", step), ("two", held)) == 1
    told = capsys.readouterr().out
    assert "FAILED" in told
    assert why in told
    assert "two" not in told
    assert "the logs" in told


def test_the_job_has_twelve_steps():
    assert len(check.STEPS) == 12


def test_the_table_of_versions_is_read_as_a_person_reads_it():
    page = """<table><tr><td>another</td></tr></table>
      <div aria-label="Versions"><table><thead><tr><th>Version</th><th class="n">Errors</th></tr></thead>
      <tbody><tr><td>v1 <span>live</span></td><td>0 %</td></tr><tr class="m"><td>v2</td><td><b>31 %</b></td></tr>
      </tbody></table></div>"""
    assert version_rows(page)["v2"] == {"Version": "v2", "Errors": "31 %"}
    assert version_rows("<p>Prometheus can't be reached</p>") == {}


@pytest.mark.parametrize(("told", "window"), [("10 s", "10s"), ("5 min", "5m"), ("2 h", "2h")])
def test_the_window_of_the_pages_numbers_is_read_off_the_page(told: str, window: str) -> None:
    """It is shorter while traffic moves: another window's number is another number."""
    assert page_window(f"<p>Numbers over {told}, as of 12:00</p>") == window


def test_a_page_that_does_not_say_its_window_fails_the_step() -> None:
    with pytest.raises(StepFailed, match="doesn't say over how long"):
        page_window("<p>Asked 12:00</p>")
