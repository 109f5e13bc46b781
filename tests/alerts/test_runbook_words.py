"""The guide's incident questions, answered in words: each answer is told by the numbers, and never by their lack."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.live.asking import Answers
from alerts.live.charts import Drawing, draw
from alerts.live.numbers import UNKNOWN, Unit, show
from alerts.live.rows import FeatureRow, Limits, RouteRow, VersionRow
from alerts.live.words import ToldChange, one_route, one_version, path_or_input, score_moved, with_release

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def version(name: str, errors: float | None = 0.001, p95: float | None = 0.04, **fields: object) -> VersionRow:
    values = {
        "role": "live",
        "desired": 0.9,
        "applied": 0.9,
        "observed": 0.9,
        "rps": 10.0,
        "score": 0.5,
        "replicas": 1.0,
        "replicas_disagree": False,
        "registered": True,
        "errors_over": (errors or 0) > 0.03,
        "p95_over": (p95 or 0) > 0.35,
        **fields,
    }
    return VersionRow(version=name, errors=errors, p95=p95, **values)  # type: ignore[arg-type]


def feature(name: str, **fields: object) -> FeatureRow:
    values = {
        "team": "data",
        "critical": False,
        "score": 0.1,
        "threshold": 0.2,
        "drifted": False,
        "missing": 0.0,
        "missing_limit": 0.05,
        "missing_before": 0.0,
        **fields,
    }
    return FeatureRow(version="v1", feature=name, **values)  # type: ignore[arg-type]


@dataclass
class Sample:
    labels: dict[str, str]
    value: float


class TestIsItOneVersion:
    def test_the_canary_alone(self) -> None:
        reply = one_version([version("v1"), version("v2", errors=0.21, role="canary")], True, 300)
        assert (reply.level, reply.verdict) == ("bad", "Yes: v2, the canary")
        assert reply.text == "v2 has 21 % errors, p95 40 ms; v1 has 0.1 % errors, p95 40 ms."

    def test_slow_counts_as_bad(self) -> None:
        reply = one_version([version("v1"), version("v2", p95=0.7, role="canary")], True, 300)
        assert reply.verdict == "Yes: v2, the canary"

    def test_all_versions(self) -> None:
        assert one_version([version("v1", 0.2), version("v2", 0.2)], True, 300).verdict == "No: all 2 versions"

    def test_the_only_version_tells_nothing(self) -> None:
        assert "can't be told" in one_version([version("v1", 0.2)], True, 300).verdict

    def test_none(self) -> None:
        assert one_version([version("v1"), version("v2")], True, 300).level == "good"

    def test_versions_without_requests_are_left_out(self) -> None:
        reply = one_version([version("v1", 0.2), version("v2", None, None, rps=0.0)], True, 300)
        assert "v2" not in reply.text

    def test_no_traffic_is_not_healthy(self) -> None:
        reply = one_version([version("v1", None, None, rps=0.0)], True, 300)
        assert (reply.level, reply.text) == ("notice", "No version got a request in the last 5m.")

    def test_no_answer_is_unknown(self) -> None:
        assert one_version([], False, 300).level == "unknown"


class TestIsItOneRoute:
    def test_one(self) -> None:
        rows = [RouteRow("v1", "predict", 9, 0.0, 0.04, False), RouteRow("v1", "predict_batch", 1, 0.5, 0.9, True)]
        assert one_route(rows, True, 300).verdict == "Yes: predict_batch"

    def test_the_only_route_with_traffic_tells_nothing(self) -> None:
        assert "can't be told" in one_route([RouteRow("v1", "predict", 9, 0.5, 0.04, True)], True, 300).verdict

    def test_no_answer_is_unknown(self) -> None:
        assert one_route([], False, 300).level == "unknown"


class TestIsItThePathOrTheInput:
    ANSWERED = Answers(samples={"rps_by_version": (Sample({"model_version": "v1"}, 1.0),)})

    def test_the_path(self) -> None:
        reply = path_or_input(self.ANSWERED, [version("v1", 0.2)], [feature("amount")], Limits())
        assert reply.verdict == "The request path"

    def test_the_input(self) -> None:
        features = [feature("amount", drifted=True), feature("country", missing=0.2)]
        reply = path_or_input(self.ANSWERED, [version("v1")], features, Limits())
        assert (reply.verdict, reply.text) == ("The input data", "Feature amount drifts; feature country goes missing.")

    def test_requests_refused_as_invalid_are_input(self) -> None:
        answers = Answers(
            samples={**self.ANSWERED.samples, "invalid_by_version": (Sample({"model_version": "v1"}, 0.5),)}
        )
        assert path_or_input(answers, [version("v1")], [feature("amount")], Limits()).verdict == "The input data"

    def test_without_a_drift_check_fine_data_is_not_claimed(self) -> None:
        reply = path_or_input(self.ANSWERED, [version("v1")], [], Limits())
        assert reply.level == "unknown"
        assert "drift is unknown" in reply.text

    def test_no_answer_is_unknown(self) -> None:
        assert path_or_input(Answers(unreachable="down"), [], [], Limits()).level == "unknown"


class TestDidItStartWithARelease:
    CHANGE = ToldChange(NOW - timedelta(minutes=3), "fraud v2: canary 10%", "dana")

    def test_a_change_shortly_before_is_suspect(self) -> None:
        reply = with_release([self.CHANGE], NOW, True)
        assert (reply.level, reply.text) == ("bad", "fraud v2: canary 10%, by dana, 3 min before it began.")

    def test_a_change_after_it_began_is_not(self) -> None:
        assert with_release([self.CHANGE], NOW - timedelta(hours=1), True).verdict == "No"

    def test_an_old_change_is_named_but_not_blamed(self) -> None:
        reply = with_release([self.CHANGE], NOW + timedelta(days=3), True)
        assert reply.level == "good"
        assert "3 d before it began" in reply.text


class TestDidTheScoresMove:
    def answers(self, **medians: float) -> Answers:
        return Answers(samples={name: (Sample({"model_version": "v1"}, value),) for name, value in medians.items()})

    def test_against_yesterday(self) -> None:
        assert score_moved(self.answers(score=0.8, score_yesterday=0.5), Limits()).verdict == "Yes: v1"

    def test_against_the_baseline_where_there_was_no_yesterday(self) -> None:
        reply = score_moved(self.answers(score=0.5, score_baseline=0.48), Limits())
        assert (reply.level, reply.text) == ("good", "v1 has median 0.5, 0.48 in its baseline.")

    def test_nothing_to_compare_to_is_said(self) -> None:
        assert "nothing to compare" in score_moved(self.answers(score=0.5), Limits()).text


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "unit", "text"),
        [
            (None, Unit.RATIO, UNKNOWN),
            (float("nan"), Unit.PLAIN, UNKNOWN),
            (float("inf"), Unit.PLAIN, "∞"),
            (0.0, Unit.RATIO, "0 %"),
            (0.2134, Unit.RATIO, "21.3 %"),
            (0.0999999, Unit.SHARE, "10 %"),
            (0.042, Unit.SECONDS, "42 ms"),
            (2.5, Unit.SECONDS, "2.5 s"),
            (1234.5, Unit.RATE, "1,234/s"),
            (0.184, Unit.PLAIN, "0.184"),
        ],
    )
    def test_are_written_for_people(self, value: float | None, unit: Unit, text: str) -> None:
        assert show(value, unit) == text

    @given(st.floats())
    def test_every_number_has_a_text(self, value: float) -> None:
        assert all(show(value, unit) for unit in Unit)


class TestCharts:
    def draw(self, points: list[tuple[float, float]], limit: float | None = None):  # type: ignore[no-untyped-def]
        return draw(Drawing("errors", "Errors", Unit.RATIO, limit), [("v1", points)], 0, 600, 15)

    def test_a_gap_is_not_bridged(self) -> None:
        [line] = self.draw([(0, 0.1), (15, 0.1), (300, 0.1), (315, 0.1)]).lines
        assert line.path.count("M") == 2

    def test_a_lone_sample_is_a_dot(self) -> None:
        [line] = self.draw([(0, 0.1)]).lines
        assert (line.path, len(line.dots)) == ("", 1)

    def test_the_limit_lies_inside_even_where_no_sample_comes_near(self) -> None:
        chart = self.draw([(0, 0.001), (15, 0.001)], limit=0.03)
        assert chart.top < float(chart.limit_at) < chart.bottom
        assert chart.limit_text == "limit 3 %"

    def test_no_samples_are_said_to_be_none(self) -> None:
        chart = self.draw([(0, float("nan"))])
        assert (chart.lines, chart.summary) == ((), "No samples in this time.")

    def test_many_lines_are_cut_to_the_largest_and_the_rest_counted(self) -> None:
        named = [(f"f{i:02}", [(0.0, i / 10), (15.0, i / 10)]) for i in range(10)]
        chart = draw(Drawing("drift", "Drift", Unit.SCORE), named, 0, 600, 15)
        assert [line.label for line in chart.lines] == ["f04", "f05", "f06", "f07", "f08", "f09"]
        assert chart.left_out == 4

    @given(st.lists(st.tuples(st.floats(0, 600), st.floats(allow_nan=True)), max_size=30))
    def test_every_coordinate_lies_inside(self, points: list[tuple[float, float]]) -> None:
        chart = self.draw(sorted(points))
        for line in chart.lines:
            numbers = line.path.replace("M", " ").replace("L", " ").split()
            for pair in [*numbers, *(f"{x},{y}" for x, y in line.dots)]:
                x, y = map(float, pair.split(","))
                assert 0 <= x <= chart.width
                assert chart.top <= y <= chart.bottom
