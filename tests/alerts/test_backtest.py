"""When an alert would have fired: equal to Prometheus' own pending and firing, evaluation by evaluation."""

from itertools import pairwise
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.backtest.outcome import (
    MOST_EVALUATIONS,
    MOST_POINTS,
    Grid,
    Interval,
    fired,
    gaps,
    grid_of,
    merged,
    replay,
)
from tests.alerts import tools

STEP = 30
GRID = Grid(3000, STEP, 40)
TIMES = [3000 + STEP * n for n in range(40)]

held = st.sets(st.sampled_from(TIMES))
durations = st.integers(0, 300)


def firing_at(condition: set[int], for_: int, keep: int) -> list[int]:
    """Prometheus' own rule, one evaluation after the other: those at which the alert is firing."""
    active_since, is_firing, keeping_since, found = None, False, None, []
    for now in TIMES:
        if now in condition:
            keeping_since = None
            active_since = now if active_since is None else active_since
            is_firing = is_firing or now - active_since >= for_
        elif is_firing and keep:
            keeping_since = now if keeping_since is None else keeping_since
            if now - keeping_since >= keep:
                active_since, is_firing, keeping_since = None, False, None
        else:
            active_since, is_firing = None, False
        if is_firing:
            found.append(now)
    return found


@settings(max_examples=300, deadline=None)
@given(condition=held, for_=durations, keep=durations)
def test_it_fires_exactly_when_prometheus_would(condition: set[int], for_: int, keep: int) -> None:
    intervals = fired(condition, GRID, for_, keep)
    assert [t for t in TIMES if any(i.start <= t < i.end for i in intervals)] == firing_at(condition, for_, keep)
    assert all(i.seconds > 0 and i.end <= GRID.end for i in intervals)


@settings(max_examples=100, deadline=None)
@given(known=held)
def test_what_is_not_known_is_a_gap_and_nothing_else_is(known: set[int]) -> None:
    found = gaps(known, GRID)
    assert {t for t in TIMES if any(g.start <= t < g.end for g in found)} == set(TIMES) - known
    assert sum(g.seconds for g in found) == STEP * (len(TIMES) - len(known))


@settings(max_examples=100, deadline=None)
@given(conditions=st.lists(held, max_size=3), for_=durations)
def test_series_that_fire_together_are_one_episode(conditions: list[set[int]], for_: int) -> None:
    found = replay([({"n": str(n)}, c) for n, c in enumerate(conditions)], GRID, for_)
    expected = set().union(*(firing_at(c, for_, 0) for c in conditions))
    assert {t for t in TIMES if any(e.start <= t < e.end for e in found.episodes)} == expected
    assert found.total == STEP * len(expected)
    assert found.longest <= found.total and found.count <= len(found.firings)


def test_an_evaluation_without_a_series_sets_the_pending_alert_back() -> None:
    unbroken, broken = set(TIMES[:12]), set(TIMES[:12]) - {TIMES[6]}
    assert fired(unbroken, GRID, 300) == [Interval(TIMES[10], TIMES[12])]
    assert fired(broken, GRID, 300) == []


def test_an_alert_that_fires_at_the_end_is_said_to_fire_still() -> None:
    found = replay([({}, set(TIMES[20:])), ({}, set(TIMES[:5]))], GRID, 60)
    assert [(f.at, f.still) for f in found.firings] == [
        (Interval(TIMES[2], TIMES[5]), False),
        (Interval(TIMES[22], GRID.end), True),
    ]


@given(count=st.integers(1, 50_000))
def test_chunks_are_the_whole_grid_newest_first_and_none_is_too_large(count: int) -> None:
    grid = Grid(600, STEP, count)
    chunks = grid.chunks()
    assert all(0 < chunk.count <= MOST_POINTS for chunk in chunks)
    assert chunks[0].end == grid.end and chunks[-1].start == grid.start
    assert all(newer.start == older.end for newer, older in pairwise(chunks))


@given(now=st.floats(1e9, 2e9), days=st.sampled_from([1, 7, 30]), interval=st.integers(1, 300))
def test_a_span_of_any_length_has_a_bounded_number_of_evaluations(now: float, days: int, interval: int) -> None:
    grid = grid_of(now, days * 86400, interval)
    assert grid.count <= MOST_EVALUATIONS
    assert grid.step % interval == 0 and grid.start % grid.step == 0
    assert now - grid.step < grid.end <= now
    assert days * 86400 - grid.step < grid.span.seconds <= days * 86400


def test_a_week_is_looked_at_as_often_as_the_rules_are_evaluated() -> None:
    assert grid_of(1e9, 7 * 86400, 30).step == 30
    assert grid_of(1e9, 30 * 86400, 30).step == 90


def test_merged_intervals_cover_the_same_time_once() -> None:
    assert merged([Interval(5, 9), Interval(1, 3), Interval(2, 4), Interval(9, 10)]) == [
        Interval(1, 4),
        Interval(5, 10),
    ]


# --- promtool's word for it ------------------------------------------------------------------------------------------

VALUES = [1, 6, 7, 8, None, 9, 9, 9, 9, 2, 9, 9, 9, 9, 9, 1, 1, 9, 9, 9, 9, 9, 9, 5, 9]
LIMIT, FOR = 5, 60


def test_promtool_sees_the_same_alert_fire_at_the_same_evaluations(tmp_path: Path) -> None:
    times = [STEP * n for n in range(len(VALUES))]
    above = {t for t, value in zip(times, VALUES, strict=True) if value is not None and value > LIMIT}
    intervals = fired(above, Grid(0, STEP, len(VALUES)), FOR)
    rule = {"alert": "Above", "expr": f"x > {LIMIT}", "for": f"{FOR}s"}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [rule]}]}))
    looks = [
        {
            "eval_time": f"{t}s",
            "alertname": "Above",
            "exp_alerts": [{"exp_labels": {}}] if any(i.start <= t < i.end for i in intervals) else [],
        }
        for t in times
    ]
    # `stale` is the marker that a scrape leaves when a series is gone.
    series = {"series": "x", "values": " ".join("stale" if v is None else str(v) for v in VALUES)}
    test = {"interval": f"{STEP}s", "input_series": [series], "alert_rule_test": looks}
    body = {"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP}s", "tests": [test]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(body))
    outcome = tools.run(tools.PROMTOOL, "test", "rules", "test.yml", folder=tmp_path)
    assert outcome.accepted, outcome.text
    assert [i.seconds for i in intervals] == [30, 60, 90, 120]
