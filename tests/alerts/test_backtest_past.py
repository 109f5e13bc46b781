"""Looking back on a real Prometheus whose past is known to the sample; and how much it is asked, whatever happens."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from alerts.backtest import recorded_past
from alerts.backtest.outcome import MOST_POINTS, Interval
from alerts.backtest.recorded_past import retention_seconds
from alerts.backtest.terms import Edits, Terms, edit
from alerts.backtest.trial import Backtest, backtest
from alerts.backtest.words import lasted, notes, verdict
from alerts.catalogue import KINDS
from alerts.http import Unreachable
from alerts.policies import Policies, Policy
from alerts.prometheus import Prometheus, Series
from alerts.rule import catalogue_rule
from controlplane.stack.prometheus import Prometheus as Server
from tests.alerts import tools
from tests.alerts.fleets import OPTIONS, feature, model
from tests.alerts.watched_past import (
    BREACHES,
    GAP,
    GONE_MISSING,
    HOUR,
    P95,
    RPS,
    STEP,
    WEIGHT,
    p95_at,
)

LATENCY = KINDS["MLInferenceHighLatencyP95"]
FRAUD = model("fraud", features=(feature("amount", critical=True),))
PRESENT = Terms(Policies().limits(LATENCY))
DAY = 24 * HOUR


class Counting(Prometheus):
    """The client, which notes what it asks."""

    def __init__(self, url: str, timeout: float = 5.0, before: Callable[[int], None] = lambda _: None) -> None:
        super().__init__(url, timeout)
        self.asked: list[tuple[float, float, float]] = []
        self.before = before

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        self.before(len(self.asked))
        self.asked.append((start, end, step))
        return super().query_range(expr, start, end, step)


@pytest.fixture
def look(watched: Server, end: int) -> Callable[..., Backtest]:
    def look(
        thresholds: dict[str, float] | None = None,
        for_: int | None = None,
        *,
        days: int = 1,
        window: int | None = None,
        present: Terms = PRESENT,
        client: Prometheus | None = None,
    ) -> Backtest:
        edited = edit(present, Edits(thresholds or {}, for_, window))
        return backtest(client or Prometheus(watched.url), LATENCY, FRAUD, present, edited, OPTIONS, days=days, now=end)

    return look


Look = Callable[..., Backtest]


def test_the_policy_in_force_fires_where_the_breach_outlasts_its_for(look: Look, end: int) -> None:
    replay = look().present.replay
    assert replay is not None
    long, _, short = BREACHES
    assert replay.episodes == [
        Interval(end - breach.age + 600, end - breach.age + breach.lasts) for breach in (long, short)
    ]
    assert (replay.count, replay.total, replay.longest) == (2, 900, 600)
    assert replay.firings[0].labels == {"model_version": "v1", "route": "predict"}


def test_edited_limits_stand_beside_those_in_force(look: Look) -> None:
    found = look({"seconds": 0.25}, 300)
    assert found.edited.replay and found.present.replay
    assert (found.edited.replay.count, found.edited.replay.total) == (3, 900 + 1500 + 600)
    assert (found.present.replay.count, found.present.replay.total) == (2, 900)
    assert verdict(found) == (
        "With these limits it would have fired 3 times, for 50 min in total (the longest 25 min). "
        "The present policy would have fired 2 times, for 15 min in total (the longest 10 min); "
        "2 h of the 24 hours have no data."
    )


def test_the_guards_of_the_rule_hold_in_the_past_too(look: Look) -> None:
    """20 requests a second are below a floor of 2,000 a minute."""
    found = look({"seconds": 0.25, "requests_per_minute": 2000})
    assert found.edited.replay and found.edited.replay.count == 0
    assert "would not have fired where there is data" in verdict(found)


def test_what_is_missing_is_a_gap_and_is_said(look: Look, end: int) -> None:
    found = look()
    assert found.edited.gaps == (Interval(end - GAP[0], end - GAP[1]),)
    assert "2 h of the 24 hours have no data" in verdict(found)


def test_a_month_reaches_as_far_as_the_server_keeps_and_says_so(look: Look, end: int) -> None:
    found = look(days=30)
    assert found.kept == 10 * DAY
    assert found.grid.span.seconds == 10 * DAY
    assert found.grid.step == 90
    # All but the day that has samples, and the two hours within it.
    assert found.edited.unseen_seconds == 29 * DAY + 2 * HOUR
    assert "29 d 2 h of the 30 days have no data" in verdict(found)
    assert any("keeps 10 d" in note for note in notes(found))
    assert any("every 1 min 30 s, while the rule is evaluated every 30 s" in note for note in notes(found))


def test_a_policy_that_is_off_is_said_to_be_off(look: Look) -> None:
    found = look({"seconds": 0.4}, present=Terms(replace(PRESENT.limits, enabled=False)))
    assert found.present.replay is None
    assert "The present policy is off" in verdict(found)


def test_a_quality_alert_goes_on_firing_until_the_next_check(watched: Server, end: int) -> None:
    """Its rule has keep_firing_for: a check's interval and five minutes."""
    kind = KINDS["MLFeatureMissingRatioHigh"]
    terms = Terms(Policies().limits(kind))
    found = backtest(Prometheus(watched.url), kind, FRAUD, terms, terms, OPTIONS, days=1, now=end)
    began = end - GONE_MISSING.age
    assert found.present.replay is not None
    (firing,) = found.present.replay.firings
    assert firing.at == Interval(began + 900, began + GONE_MISSING.lasts + OPTIONS.check_interval + 300)
    assert firing.labels == {"model_version": "v1", "feature_name": "amount"}


def test_no_data_at_all_is_not_called_never(watched: Server, end: int) -> None:
    nobody = model("nobody")
    found = backtest(Prometheus(watched.url), LATENCY, nobody, PRESENT, PRESENT, OPTIONS, days=7, now=end)
    assert found.knows_nothing
    assert verdict(found).startswith("Nothing can be said")


def test_the_chart_keeps_the_peaks(look: Look, end: int) -> None:
    found = look(days=7)
    (drawn,) = found.drawn
    (series,) = drawn.series
    assert max(value for _, value in series.points) == 0.5
    assert len(series.points) <= recorded_past.CHART_POINTS + 1


# --- The same rule, by promtool's word --------------------------------------------------------------------------------


def test_the_rendered_rule_fires_at_the_same_evaluations(look: Look, end: int, tmp_path: Path) -> None:
    """The day in promtool, with the rule as it is published: at each edge, both agree to the evaluation."""
    limits = edit(PRESENT, Edits({"seconds": 0.25}, 600)).limits
    replay = look({"seconds": 0.25}, 600).edited.replay
    assert replay is not None
    rule = catalogue_rule(LATENCY, Policy(limits, (FRAUD,)), OPTIONS)
    body = {"alert": rule.alert, "expr": rule.expression, "for": f"{rule.for_}s", "labels": dict(rule.labels)}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [body]}]}))
    begins = BREACHES[0].age + 600  # seconds before the end
    ages = range(begins, 0, -STEP)
    edges = [end - at for episode in replay.episodes for at in (episode.start, episode.end)] + [*GAP]
    looks = [age for age in ages if any(abs(age - edge) <= 3 * STEP for edge in edges)]
    firing = f'count(ALERTS{{alertname="{rule.alert}",alertstate="firing"}}) or vector(0)'
    expected = {age: int(any(e.start <= end - age < e.end for e in replay.episodes)) for age in looks}
    assert set(expected.values()) == {0, 1}
    test = {
        "interval": f"{STEP}s",
        "input_series": [
            {"series": series, "values": " ".join(_written(age, value) for age in ages)}
            for series, value in ((P95, None), (RPS, 20.0), (WEIGHT, 1.0))
        ],
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": f"{begins - age}s",
                "exp_samples": [{"labels": "{}", "value": value}],
            }
            for age, value in expected.items()
        ],
    }
    (tmp_path / "test.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP}s", "tests": [test]})
    )
    outcome = tools.run(tools.PROMTOOL, "test", "rules", "test.yml", folder=tmp_path)
    assert outcome.accepted, outcome.text


def _written(age: int, value: float | None) -> str:
    p95 = p95_at(age)
    return "stale" if p95 is None else str(p95 if value is None else value)


# --- How much is asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, 7, 30])
def test_the_load_is_bounded_whatever_the_span(look: Look, watched: Server, end: int, days: int) -> None:
    client = Counting(watched.url)
    look({"seconds": 0.25}, days=days, client=client)
    assert all((to - start) / step + 1 <= MOST_POINTS for start, to, step in client.asked)
    assert len(client.asked) <= 3 * 3 + 1
    assert min(start for start, _, _ in client.asked) >= end - 10 * DAY


def test_equal_policies_are_asked_for_once(look: Look, watched: Server) -> None:
    client = Counting(watched.url)
    look(client=client)
    assert len(client.asked) == 1 + 1 + 1  # what is known, the condition, the chart


def test_a_server_that_stops_answering_leaves_what_was_read(look: Look, watched: Server, end: int) -> None:
    """Of a week, in two parts, the newer one was read; the older one is not known."""
    pid = watched.process.pid

    def stop(asked: int) -> None:
        if asked == 3:
            os.kill(pid, signal.SIGSTOP)

    try:
        found = look({"seconds": 0.25}, days=7, client=Counting(watched.url, 2.0, before=stop))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert found.grid.end == end
    assert found.grid.count == MOST_POINTS
    assert "no answer in time" in found.cut_short
    assert any(note.startswith("Only the last 3 d 19 h were looked at") for note in notes(found))
    assert found.edited.unseen_seconds == 6 * DAY + 2 * HOUR
    assert all(drawn.problem for drawn in found.drawn)


def test_when_the_time_is_up_no_more_is_asked(look: Look, watched: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third query, the last one of the week's newer part, takes until the deadline has passed."""
    clock = iter([0.0, 1.0, 2.0, 3.0, 10.5])
    monkeypatch.setattr(recorded_past, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    client = Counting(watched.url)
    found = look({"seconds": 0.25}, days=7, client=client)
    assert len(client.asked) == 3
    assert "reading took 10 seconds" in found.cut_short
    assert [drawn.problem.startswith("Not drawn") for drawn in found.drawn] == [True]


def test_a_server_that_is_down_is_unreachable(look: Look) -> None:
    with pytest.raises(Unreachable):
        look(client=Prometheus("http://127.0.0.1:9", timeout=0.5))


# --- What it says -----------------------------------------------------------------------------------------------------


def test_another_window_is_judged_only_where_it_was_recorded(look: Look) -> None:
    found = look(window=120)
    assert found.edited.knows_nothing and not found.present.knows_nothing
    assert verdict(found).startswith("With these limits nothing can be said")
    assert "The present policy would have fired 2 times" in verdict(found)
    assert any(note.startswith("Series over 2 min are recorded only while a policy asks") for note in notes(found))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15d", 15 * DAY), ("1h30m", 5400), ("15d or 10GiB", 15 * DAY), ("1y", 365 * DAY), ("10GiB", None), ("", None)],
)
def test_retention_is_read_as_prometheus_writes_it(text: str, seconds: int | None) -> None:
    assert retention_seconds(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (42, "42 s"), (600, "10 min"), (11520, "3 h 12 min"), (86430, "1 d")]
)
def test_times_are_told_in_their_two_largest_units(seconds: int, text: str) -> None:
    assert lasted(seconds) == text
