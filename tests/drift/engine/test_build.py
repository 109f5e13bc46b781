"""Baseline profiles: bins that follow the data, and the same profile from the same rows."""

from pathlib import Path

import numpy as np
import pytest

from drift.engine.build import Recipe, bin_edges, build_profile, choose_features
from drift.engine.errors import SchemaMismatch
from drift.engine.profile import CATEGORICAL, NUMERIC, CategoricalCounts, NumericCounts
from drift.engine.psi import psi
from drift.engine.scan import Columns, Question, scan
from tests.drift.engine.rows import write_rows


def number(file: Path, **recipe: int) -> NumericCounts:
    counts = build_profile([file], Recipe({"x": NUMERIC}, **recipe)).features["x"]
    assert isinstance(counts, NumericCounts)
    return counts


def test_numbers_get_ten_quantile_bins_of_equal_size_whatever_the_outliers(tmp_path: Path) -> None:
    values = np.append(np.random.default_rng(1).lognormal(size=9_999), 1e12)
    counts = number(write_rows(tmp_path / "x.parquet", {"x": values}))
    assert counts.counts == (1_000,) * 10
    assert counts.maximum == 1e12
    assert np.allclose(counts.edges, np.quantile(values, np.arange(1, 10) / 10, method="inverted_cdf"))


def test_ties_share_a_bin(tmp_path: Path) -> None:
    counts = number(write_rows(tmp_path / "x.parquet", {"x": [0] * 70 + [1] * 30}))
    assert (counts.edges, counts.counts) == ((0.0,), (70, 30))


def test_a_constant_has_empty_bins_on_both_sides_so_that_any_move_shows(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "x.parquet", {"x": [3.5] * 1_000})
    baseline = build_profile([file], Recipe({"x": NUMERIC}))
    assert baseline.features["x"].bins == (0, 1_000, 0)
    for value in (3.4, 3.6):
        moved = scan([write_rows(tmp_path / "y.parquet", {"x": [value] * 1_000})], Question(baseline))
        result = psi(baseline.features["x"].bins, moved.features["x"].bins)
        assert result is not None and result.score > 1


def test_what_nearly_always_has_its_largest_value_is_watched_as_a_constant_is(tmp_path: Path) -> None:
    """A flag that one row in a hundred lacks: its quantiles are all the maximum, and one bin would tell nothing."""
    file = write_rows(tmp_path / "x.parquet", {"x": [0] * 10 + [1] * 990})
    baseline = build_profile([file], Recipe({"x": NUMERIC}))
    assert baseline.features["x"].bins == (10, 990, 0)
    moved = scan([write_rows(tmp_path / "y.parquet", {"x": [0] * 500 + [1] * 500})], Question(baseline))
    result = psi(baseline.features["x"].bins, moved.features["x"].bins)
    assert result is not None and result.score > 1


def test_a_column_without_values_has_one_bin_and_all_missing(tmp_path: Path) -> None:
    counts = number(write_rows(tmp_path / "x.parquet", {"x": np.full(5, np.nan)}))
    assert (counts.edges, counts.counts, counts.missing) == ((), (0,), 5)


def test_infinities_make_no_edge() -> None:
    assert bin_edges([float("-inf"), 1.0, 1.0, 2.0, float("inf")], 3.0) == (1.0, 2.0)


def test_the_rarest_categories_are_counted_as_other(tmp_path: Path) -> None:
    values = ["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d"]
    file = write_rows(tmp_path / "x.parquet", {"x": values})
    counts = build_profile([file], Recipe({"x": CATEGORICAL}, max_categories=2)).features["x"]
    assert counts == CategoricalCounts(("a", "b"), (5, 4), other=4)


def test_the_score_keeps_its_median(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "x.parquet", {"p": [0.1, 0.2, 0.9, None], "c": ["n", "n", "y", None]})
    profile = build_profile([file], Recipe({}, Columns(score="p", predicted_class="c")))
    assert profile.score_median == 0.2
    assert profile.score is not None and profile.score.missing == 1
    assert profile.classes == CategoricalCounts(("n", "y"), (2, 1), other=0, missing=1)


def test_equal_rows_in_another_order_and_in_other_files_give_an_equal_hash(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    x, y = random.normal(size=2_000), random.choice(list("abc"), size=2_000)
    one = write_rows(tmp_path / "one.parquet", {"x": x, "y": y})
    parts = [
        write_rows(tmp_path / "b.parquet", {"x": x[::-1][:500], "y": y[::-1][:500]}),
        write_rows(tmp_path / "a.parquet", {"x": x[:1_500], "y": y[:1_500]}),
    ]
    recipe = Recipe({"x": NUMERIC, "y": CATEGORICAL})
    assert build_profile([one], recipe).content_hash() == build_profile(parts, recipe).content_hash()


TYPES = {"n": "BIGINT", "c": "VARCHAR", "flag": "BOOLEAN", "at": "TIMESTAMP", "d": "DATE", "tags": "VARCHAR[]"}


def test_features_are_the_numbers_and_categories_and_the_rest_is_said_to_be_left_out() -> None:
    choice = choose_features(TYPES, Columns(timestamp="at"))
    assert choice.kinds == {"n": NUMERIC, "c": CATEGORICAL, "flag": CATEGORICAL}
    assert choice.skipped.keys() == {"d", "tags"}


def test_columns_are_chosen_left_out_and_turned_into_categories_by_name() -> None:
    assert choose_features(TYPES, Columns(), include=["n", "c"], categorical=["n"]).kinds == {
        "n": CATEGORICAL,
        "c": CATEGORICAL,
    }
    assert choose_features(TYPES, Columns(), exclude=["n", "flag"]).kinds == {"c": CATEGORICAL}


def test_a_feature_that_is_not_there_is_named() -> None:
    with pytest.raises(SchemaMismatch, match="no feature 'm'; it has"):
        choose_features(TYPES, Columns(), include=["m"])


def test_no_file_is_no_profile() -> None:
    with pytest.raises(SchemaMismatch, match="no Parquet file"):
        build_profile([], Recipe({}))
