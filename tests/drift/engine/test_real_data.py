"""Verdicts on real data: flights that drift in one known feature, and a census that differs without drifting."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from drift.engine.build import Recipe, build_profile, choose_features
from drift.engine.compare import compare
from drift.engine.duck import Limits, open_table
from drift.engine.policy import Policy
from drift.engine.profile import CATEGORICAL, Profile
from drift.engine.scan import Columns, Question, Window, scan
from tests.drift.engine.rows import EMPLOYMENT, FLIGHTS

BY_DATE = Columns(timestamp="date")


def months(first: int, last: int) -> Window:
    end = datetime(2016, 1, 1, tzinfo=UTC) if last == 12 else datetime(2015, last + 1, 1, tzinfo=UTC)
    return Window(datetime(2015, first, 1, tzinfo=UTC), end)


@pytest.fixture(scope="module")
def before_july() -> Profile:
    with open_table([FLIGHTS], Limits()) as table:
        kinds = choose_features(table.types, BY_DATE, exclude=["source_row"]).kinds
    return build_profile([FLIGHTS], Recipe(kinds, BY_DATE, window=months(1, 6)))


@pytest.mark.parametrize("month", range(7, 13))
def test_from_july_the_airline_drifts_and_nothing_else(before_july: Profile, month: int) -> None:
    current = scan([FLIGHTS], Question(before_july, BY_DATE, window=months(month, month)))
    verdict = compare(before_july, current, Policy())
    assert verdict.drifted_features() == ["airline"]
    scores = {feature.name: feature.drift.score for feature in verdict.features if feature.drift}
    assert scores["airline"] == pytest.approx(0.49, abs=0.02)


@pytest.mark.parametrize("month", range(1, 7))
def test_before_july_no_month_drifts(before_july: Profile, month: int) -> None:
    current = scan([FLIGHTS], Question(before_july, BY_DATE, window=months(month, month)))
    assert compare(before_july, current, Policy()).drifted_features() == []


def test_the_score_of_a_real_feature_equals_an_independent_computation(before_july: Profile) -> None:
    table = pq.read_table(FLIGHTS, columns=["date", "air_time"])
    july = pa.scalar(datetime(2015, 7, 1, tzinfo=UTC).date())
    before = table.filter(pc.less(table["date"], july))["air_time"].drop_null().to_numpy()
    after = table.filter(pc.greater_equal(table["date"], july))["air_time"].drop_null().to_numpy()
    edges = [-np.inf, *np.quantile(before, np.arange(1, 10) / 10, method="inverted_cdf"), np.inf]
    p, q = (np.histogram(-side, -np.array(edges)[::-1])[0][::-1] / len(side) for side in (before, after))
    current = scan([FLIGHTS], Question(before_july, BY_DATE, window=months(7, 12)))
    scores = {f.name: f.drift.score for f in compare(before_july, current, Policy()).features if f.drift}
    assert scores["air_time"] == pytest.approx(float(np.sum((q - p) * np.log(q / p))))


@pytest.mark.parametrize("year", [2016, 2017, 2018])
def test_the_census_does_not_cry_wolf(tmp_path: Path, year: int) -> None:
    table = pq.read_table(EMPLOYMENT)
    files = {}
    for each in (2015, year):
        files[each] = tmp_path / f"{each}.parquet"
        pq.write_table(table.filter(pc.equal(table["year"], each)), files[each])
    with open_table([files[2015]], Limits()) as opened:
        kinds = choose_features(opened.types, Columns(), exclude=["id", "year"]).kinds
    baseline = build_profile([files[2015]], Recipe({**kinds, "employed": CATEGORICAL}))
    verdict = compare(baseline, scan([files[year]], Question(baseline)), Policy())
    assert (verdict.state, verdict.drifted_features()) == ("ok", [])
    assert len(verdict.features) == 17
