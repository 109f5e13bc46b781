"""Counting a window: every row once, whatever people call their features and whatever values arrive."""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drift.engine.build import Recipe, build_profile
from drift.engine.duck import Limits, open_table
from drift.engine.errors import ScanError, ScanTimeout, SchemaMismatch
from drift.engine.profile import CATEGORICAL, NUMERIC, CategoricalCounts, NumericCounts, Profile, merge
from drift.engine.scan import Bounds, Columns, Question, Window, scan
from tests.drift.engine.rows import write_rows

NAN, INF = float("nan"), float("inf")
NUMBER = Profile(0, {"x": NumericCounts((0.0, 1.0), (0, 0, 0))})
CATEGORY = Profile(0, {"x": CategoricalCounts(("a", "b"), (0, 0))})


def test_each_row_falls_into_one_bin_and_edges_belong_to_the_lower_one(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "x.parquet", {"x": [-5.0, 0.0, 0.5, 1.0, 1.5, 2.0, None]})
    counted = scan([file], Question(NUMBER))
    assert counted.rows == 7
    assert counted.features["x"] == NumericCounts((0.0, 1.0), (2, 2, 2), missing=1, minimum=-5.0, maximum=2.0)


def test_nan_is_missing_and_infinities_are_outermost(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "x.parquet", {"x": [NAN, None, -INF, 0.5, INF, INF]})
    x = scan([file], Question(NUMBER, bounds={"x": Bounds(minimum=0, maximum=1)})).features["x"]
    assert x == NumericCounts((0.0, 1.0), (1, 1, 2), missing=2, out_of_range=3, minimum=None, maximum=None)


def test_bounds_belong_to_the_range(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "x.parquet", {"x": [0.1, 0.3, 0.30000000000000004, 0.09999999999999999]})
    question = Question(NUMBER, bounds={"x": Bounds(minimum=0.1, maximum=0.3)})
    assert scan([file], question).features["x"].out_of_range == 2


def test_unseen_categories_are_other_and_out_of_range_unless_registered(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "x.parquet", {"x": ["a", "a", "b", "new", "newer", None]})
    plain = scan([file], Question(CATEGORY)).features["x"]
    assert plain == CategoricalCounts(("a", "b"), (2, 1), other=2, missing=1)
    registered = scan([file], Question(CATEGORY, bounds={"x": Bounds(categories=("a", "new"))})).features["x"]
    assert registered == CategoricalCounts(("a", "b"), (2, 1), other=2, missing=1, out_of_range=2)


def test_numbers_in_any_width_are_counted_alike(tmp_path: Path) -> None:
    types = (pa.int8(), pa.int64(), pa.uint32(), pa.float32(), pa.float64(), pa.decimal128(21, 2))
    for position, kind in enumerate(types):
        file = write_rows(tmp_path / f"{position}.parquet", {"x": pa.array([0, 1, 2, None]).cast(kind)})
        assert scan([file], Question(NUMBER)).features["x"].bins == (1, 1, 1), kind


def test_only_the_windows_rows_count_its_start_included_and_its_end_not(tmp_path: Path) -> None:
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    times = [start + timedelta(minutes=minute) for minute in (-1, 0, 4, 5)]
    for position, kind in enumerate((pa.timestamp("us", tz="UTC"), pa.timestamp("ms"))):
        naive = [at if kind.tz else at.replace(tzinfo=None) for at in times]
        columns = {"at": pa.array(naive, type=kind), "x": [1.0, 2.0, 3.0, 4.0]}
        file = write_rows(tmp_path / f"{position}.parquet", columns)
        window = Window(start, start + timedelta(minutes=5))
        counted = scan([file], Question(NUMBER, Columns(timestamp="at"), window=window))
        assert (counted.rows, counted.features["x"].minimum) == (2, 2.0)


def test_a_prediction_log_yields_scores_classes_and_defaults_beside_features(tmp_path: Path) -> None:
    like = Profile(
        0,
        {"x": NumericCounts((0.0,), (0, 0)), "y": CategoricalCounts(("a",), (0,))},
        score=NumericCounts((0.5,), (0, 0)),
        classes=CategoricalCounts(("late", "on time"), (0, 0)),
    )
    rows = {
        "feature:x": [1.0, -1.0, 2.0],
        "feature:y": ["a", "a", "a"],
        "score": [0.1, 0.9, None],
        "predicted_class": ["on time", "late", None],
        "defaulted": pa.array([["x"], [], ["x", "y"]], type=pa.list_(pa.string())),
    }
    log = Columns(feature_prefix="feature:", score="score", predicted_class="predicted_class", defaulted="defaulted")
    counted = scan([write_rows(tmp_path / "log.parquet", rows)], Question(like, log))
    assert [counted.features[name].defaulted for name in ("x", "y")] == [2, 1]
    assert counted.score is not None and (counted.score.bins, counted.score.missing) == ((1, 1), 1)
    assert counted.classes is not None and counted.classes.bins == (1, 1, 0)


def test_an_empty_window_counts_nothing(tmp_path: Path) -> None:
    empty = write_rows(tmp_path / "x.parquet", {"x": pa.array([], type=pa.float64())})
    for files in ([], [empty]):
        counted = scan(files, Question(NUMBER))
        assert (counted.rows, counted.features["x"].bins) == (0, (0, 0, 0))


def test_files_of_one_window_may_lack_a_column_that_others_have(tmp_path: Path) -> None:
    old = write_rows(tmp_path / "old.parquet", {"y": ["a"]})
    new = write_rows(tmp_path / "new.parquet", {"x": [0.5], "y": ["a"]})
    counted = scan([old, new], Question(NUMBER))
    assert (counted.rows, counted.features["x"].missing) == (2, 1)


def test_a_column_that_no_file_has_is_named(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "x.parquet", {"X": [1.0]})
    with pytest.raises(SchemaMismatch, match="no column 'x'"):
        scan([file], Question(NUMBER))


def test_a_column_of_another_kind_is_named_with_both(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "x.parquet", {"x": ["1.0"]})
    with pytest.raises(SchemaMismatch, match="'x' is numeric in the baseline and VARCHAR in the data"):
        scan([file], Question(NUMBER))


def test_a_damaged_file_fails_the_scan_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    file.write_bytes(b"PAR1 but not for long")
    with pytest.raises(ScanError, match="can't be read"):
        scan([file], Question(NUMBER))
    with pytest.raises(ScanError, match="can't be read"):
        scan([tmp_path / "absent.parquet"], Question(NUMBER))


def test_a_scan_past_its_time_is_interrupted(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "x.parquet", {"x": np.arange(1_000.0)})
    with open_table([file], Limits(timeout_seconds=0.3)) as table:
        began = time.monotonic()
        with pytest.raises(ScanTimeout, match=r"longer than its 0.3 s"):
            table.rows(
                "SELECT count_if(a.x + b.x > c.x * d.x) FROM "  # noqa: S608
                + ", ".join(f"{table.source} {alias}" for alias in "abcd")
            )
        assert time.monotonic() - began < 5
        with pytest.raises(ScanTimeout):  # the time is the whole table's, not each statement's
            table.rows("SELECT 1")


def test_a_scan_past_its_memory_fails_instead_of_filling_the_disk(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "x.parquet", {"x": np.random.default_rng(1).normal(size=2_000_000)})
    with (
        open_table([file], Limits(memory_megabytes=20)) as table,
        pytest.raises(ScanError, match=r"(?i)memory"),
    ):
        table.rows(f"SELECT max(n) FROM (SELECT count(*) AS n FROM {table.source} GROUP BY x)")  # noqa: S608


def test_folders_that_look_like_columns_or_patterns_are_only_folders(tmp_path: Path) -> None:
    meant, matching = tmp_path / "model=a[1]*/x=9/it's?.parquet", tmp_path / "model=a1b/x=9/it'sx.parquet"
    for file, values in ((meant, [0.5]), (matching, [7.0, 8.0])):
        file.parent.mkdir(parents=True)
        write_rows(file, {"x": values})
    assert scan([meant], Question(NUMBER)).features["x"].bins == (0, 1, 0)


FEATURE_NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
NASTY = ('"', "'", '"; DROP TABLE x; --', "a.b", "v0", "defaulted", "{}", "%s", "\\", "ключ", "🚀", "select", "a b")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(NASTY) | FEATURE_NAMES, st.lists(st.sampled_from(NASTY) | FEATURE_NAMES, min_size=1, max_size=5))
def test_any_feature_name_and_any_category_is_counted_as_itself(name: str, values: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        defaulted = pa.array([[name]] * len(values), type=pa.list_(pa.string()))
        rows = {f"feature:{name}": values, f"feature:{name}#": [1.0] * len(values), "defaulted": defaulted}
        file = write_rows(Path(folder) / "x.parquet", rows)
        columns = Columns(feature_prefix="feature:", defaulted="defaulted")
        profile = build_profile([file], Recipe({name: CATEGORICAL, f"{name}#": NUMERIC}, columns))
    counts = profile.features[name]
    assert isinstance(counts, CategoricalCounts)
    assert dict(zip(counts.categories, counts.counts, strict=True)) == {v: values.count(v) for v in set(values)}
    assert (counts.other, counts.missing, counts.defaulted) == (0, 0, len(values))
    assert profile.features[f"{name}#"].present == len(values)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(allow_subnormal=True) | st.none(), max_size=60), st.integers(0, 60))
def test_windows_counted_apart_add_up_to_the_window_counted_whole(values: list[float | None], cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for position, part in enumerate((values[:cut], values[cut:])):
            column = {"x": pa.array(part, type=pa.float64())}
            parts.append(write_rows(Path(folder) / f"{position}.parquet", column))
        whole = scan(parts, Question(NUMBER))
        one, two = (scan([part], Question(NUMBER)) for part in parts)
    # An infinite extreme is unknown, and unknown extremes are not added.
    assert merge(one, two).features["x"].bins == whole.features["x"].bins
    assert merge(two, one).features["x"].missing == whole.features["x"].missing
    present = [value for value in values if value is not None and value == value]
    assert whole.features["x"].bins == (
        sum(value <= 0 for value in present),
        sum(0 < value <= 1 for value in present),
        sum(value > 1 for value in present),
    )
