"""Counting good and bad events by the hour, from a real Prometheus with a past, into the database."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from alerts import hourly_counts
from alerts.error_budget import HOUR
from alerts.hourly_counts import budget_of, collect_error_budgets, is_due
from alerts.http import Unreachable
from alerts.models import ErrorBudget, HourlyCount, Objective
from alerts.policy_edits import delete_objective, save_objective
from alerts.prometheus import Prometheus
from controlplane.reconcile import STEPS
from controlplane.stack.prometheus import Prometheus as Server
from models_registry.actor import SYSTEM
from tests.alerts.tools import PROMTOOL
from tests.controlplane.addresses import free_address
from tests.fixtures.registry import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]
HOURS = 30
# The end of the last hour that is recorded; what is asked for after it is a gap.
END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
START = END - HOURS * HOUR
# Nothing was scraped in this hour.
DARK = START + 10 * HOUR
NOW = END + timedelta(minutes=5)


def past() -> Iterator[str]:
    """A request a second, one of ten invalid, one of a hundred failing, one of twenty slower than 0.35 s."""
    minutes = [n for n in range(HOURS * 60 + 1) if not DARK < START + timedelta(minutes=n) <= DARK + HOUR]
    about = 'model_name="fraud",model_version="v1",route="predict"'
    counters = {
        "ml_inference_requests": {f'{{{about},status="success"}}': 60},
        "ml_inference_errors": {f'{{{about},reason="invalid_input"}}': 6, f'{{{about},reason="timeout"}}': 0.6},
    }
    for name, series in counters.items():
        yield f"# TYPE {name} counter"
        for labels, grown in series.items():
            for n in minutes:
                yield f"{name}_total{labels} {n * grown} {(START + timedelta(minutes=n)).timestamp()}"
    yield "# TYPE ml_inference_latency_seconds histogram"
    for bound, grown in (("0.35", 57), ("5.0", 60), ("+Inf", 60)):
        for n in minutes:
            at = (START + timedelta(minutes=n)).timestamp()
            yield f'ml_inference_latency_seconds_bucket{{{about},le="{bound}"}} {n * grown} {at}'
    yield "# EOF"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """With that past in its store, and nothing that it scrapes."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "past.om").write_text("\n".join(past()) + "\n")
    subprocess.run(
        [PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", "past.om", "data"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (folder / "prometheus.yml").write_text("global: {}\n")
    with Server(folder / "prometheus.yml", folder) as server:
        yield Prometheus(server.url)


@pytest.fixture
def make() -> Callable[..., Objective]:
    model = make_model("fraud", live="v1")

    def objective(name: str = "availability", kind: str = "availability", **fields: object) -> Objective:
        given = {"target": 0.95, "period_days": 7, **fields}
        row = Objective(model=model, name=name, kind=kind, **given)
        save_objective(row, actor=SYSTEM)
        return row

    return objective


def count_all(prometheus: Prometheus, now: datetime = NOW) -> int:
    """Runs until nothing lacks; how many there were."""
    for run in range(1, 40):
        collect_error_budgets(prometheus, now)
        if not is_due(now):
            return run
    raise AssertionError("Counting does not come to an end.")


def counted(objective: Objective) -> dict[datetime, tuple[float | None, float | None]]:
    rows = HourlyCount.objects.filter(objective=objective)
    return {row.hour: (row.events and round(row.events, 3), row.bad and round(row.bad, 3)) for row in rows}


def test_each_full_hour_is_counted_from_the_counters(prometheus: Prometheus, make: Callable[..., Objective]) -> None:
    availability, fast = make(), make("fast", "latency", latency_seconds=0.35)
    count_all(prometheus)
    assert counted(availability)[END - HOUR] == (3600, 36)  # invalid input is no failure
    assert counted(fast)[END - HOUR] == (3600, 180)
    assert max(counted(availability)) == END - HOUR, "an hour that has not ended"


def test_an_hour_without_samples_is_a_gap_and_not_a_zero(
    prometheus: Prometheus, make: Callable[..., Objective]
) -> None:
    objective = make()
    count_all(prometheus)
    found = counted(objective)
    assert found[DARK] == (None, None)
    assert found[DARK - HOUR] == found[DARK + HOUR] == (3600, 36)
    assert found[START - HOUR] == (None, None), "before anything was recorded"


def test_the_budget_is_the_sum_over_the_period(prometheus: Prometheus, make: Callable[..., Objective]) -> None:
    objective = make()
    count_all(prometheus)
    budget = budget_of(Objective.objects.select_related("model", "budget").get(pk=objective.pk))
    assert budget is not None
    known = HOURS - 1
    assert (budget.hours, budget.until) == (known, END)
    assert budget.events == pytest.approx(known * 3600)
    assert budget.left == pytest.approx(1 - 0.01 / 0.05)
    assert budget.coverage == pytest.approx(known / (7 * 24))


def test_counting_again_changes_nothing(prometheus: Prometheus, make: Callable[..., Objective]) -> None:
    objective = make()
    count_all(prometheus)
    before = list(HourlyCount.objects.order_by("hour").values("pk", "hour", "events", "bad"))
    collect_error_budgets(prometheus, NOW)
    ErrorBudget.objects.filter(objective=objective).delete()  # as if a run had died before it noted how far it came
    count_all(prometheus)
    assert list(HourlyCount.objects.order_by("hour").values("pk", "hour", "events", "bad")) == before


def test_a_long_past_is_asked_for_in_pieces(prometheus: Prometheus, make: Callable[..., Objective]) -> None:
    make()
    first = collect_error_budgets(prometheus, NOW)
    assert (first.hours, first.objectives, first.behind) == (hourly_counts.HOURS_AT_ONCE, 1, 1)
    assert count_all(prometheus) == 7 * 24 // hourly_counts.HOURS_AT_ONCE - 1


def test_what_prometheus_no_longer_keeps_is_not_asked_for(
    prometheus: Prometheus, make: Callable[..., Objective]
) -> None:
    """It keeps 15 days, its default; the period is longer."""
    objective = make(period_days=90)
    collect_error_budgets(prometheus, NOW)
    earliest = min(counted(objective))
    assert NOW - timedelta(days=15) < earliest <= NOW - timedelta(days=15) + HOUR


def test_an_hour_that_has_only_just_ended_waits_for_its_last_samples(
    prometheus: Prometheus, make: Callable[..., Objective]
) -> None:
    make()
    count_all(prometheus)
    assert not is_due(END + HOUR + timedelta(seconds=60))
    assert is_due(END + HOUR + timedelta(seconds=180))


def test_while_prometheus_is_away_nothing_is_written_and_later_nothing_lacks(
    prometheus: Prometheus, make: Callable[..., Objective]
) -> None:
    objective = make()
    with pytest.raises(Unreachable):
        collect_error_budgets(Prometheus(f"http://{free_address()}"), NOW)
    assert not HourlyCount.objects.exists()
    count_all(prometheus)
    assert len(counted(objective)) == 7 * 24


def test_the_loop_counts_with_the_prometheus_that_answers_whoever_else_is_away(
    prometheus: Prometheus, make: Callable[..., Objective], settings: Settings
) -> None:
    make()
    settings.PROMETHEUS_URL, settings.FURTHER_PROMETHEUS_URLS = f"http://{free_address()}", [prometheus.url]
    settings.ALERTMANAGER_URL = f"http://{free_address()}"
    assert STEPS["error_budgets"](NOW) == "12 h counted for 1 objective, 1 still behind"
    count_all(prometheus)
    assert STEPS["error_budgets"](NOW) == "every full hour is counted"


def test_an_objective_that_counts_something_else_is_counted_anew(
    prometheus: Prometheus, make: Callable[..., Objective]
) -> None:
    objective = make("fast", "latency", latency_seconds=0.35)
    count_all(prometheus)
    objective.latency_seconds = 5.0
    save_objective(objective, actor=SYSTEM)
    assert not HourlyCount.objects.exists()
    count_all(prometheus)
    assert counted(objective)[END - HOUR] == (3600, 0)


def test_another_target_keeps_what_was_counted(prometheus: Prometheus, make: Callable[..., Objective]) -> None:
    objective = make()
    count_all(prometheus)
    objective.target = 0.9
    save_objective(objective, actor=SYSTEM)
    assert not is_due(NOW)
    budget = budget_of(Objective.objects.select_related("model", "budget").get())
    assert budget is not None and budget.left == pytest.approx(1 - 0.01 / 0.1)


def test_another_period_takes_in_more_of_the_past(prometheus: Prometheus, make: Callable[..., Objective]) -> None:
    objective = make()
    count_all(prometheus)
    objective.period_days = 8
    save_objective(objective, actor=SYSTEM)
    count_all(prometheus)
    assert len(counted(objective)) == 8 * 24


def test_what_was_asked_for_an_objective_that_was_edited_meanwhile_is_dropped(
    prometheus: Prometheus, make: Callable[..., Objective], monkeypatch: pytest.MonkeyPatch
) -> None:
    objective, other = make("fast", "latency", latency_seconds=0.35), make("gone")
    stays = make()
    ask = hourly_counts._counts

    def edited_meanwhile(*arguments: object) -> object:
        answer = ask(*arguments)  # type: ignore[arg-type]
        objective.latency_seconds = 5.0
        save_objective(objective, actor=SYSTEM)
        delete_objective(other, actor=SYSTEM)
        return answer

    monkeypatch.setattr(hourly_counts, "_counts", edited_meanwhile)
    collect_error_budgets(prometheus, NOW)
    assert set(HourlyCount.objects.values_list("objective__name", flat=True)) == {stays.name}


def test_a_histogram_without_the_limits_bucket_is_a_gap(prometheus: Prometheus, make: Callable[..., Objective]) -> None:
    objective = make("fast", "latency", latency_seconds=1.0)
    count_all(prometheus)
    assert set(counted(objective).values()) == {(None, None)}


def test_a_run_costs_as_many_queries_for_ten_objectives_as_for_one(
    prometheus: Prometheus, make: Callable[..., Objective]
) -> None:
    make()
    with CaptureQueriesContext(connection) as few:
        collect_error_budgets(prometheus, NOW)
    for n in range(9):
        make(f"availability-{n}")
    with CaptureQueriesContext(connection) as many:
        collect_error_budgets(prometheus, NOW)
    assert len(many) <= len(few)
