"""Names and places that others rely on to the letter."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from telemetry import buckets, identifiers, names, predictions

STRINGS = {key: value for key, value in vars(names).items() if isinstance(value, str)}
METRICS = {key: value for key, value in STRINGS.items() if value.startswith(("ml_", "plumbline_"))}


def test_metric_names_are_distinct_and_legal():
    assert len(set(METRICS.values())) == len(METRICS)
    assert all(re.fullmatch(r"[a-z_]+", name) for name in METRICS.values())


def test_buckets_rise_and_hold_the_default_limit():
    for bounds in (buckets.LATENCY_SECONDS, buckets.SCORE, buckets.BATCH_ROWS, buckets.SCORE_DIFFERENCE):
        assert list(bounds) == sorted(set(bounds))
    # The guide's eleven; 0.35 s is the default limit, so that a quantile at the limit is read off a bound.
    assert buckets.LATENCY_SECONDS == (0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0)


@given(st.text(st.characters(codec="utf-8"), max_size=70))
def test_what_passes_as_a_name_needs_no_quoting_anywhere(value: str):
    for check in (identifiers.check_name, identifiers.check_version):
        try:
            check(value)
        except ValueError as error:
            assert repr(value) in str(error)
        else:
            assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value)
            assert value[0].isalnum()


def test_an_hour_of_predictions_lies_in_a_folder_of_its_own():
    berlin = timezone(timedelta(hours=2))
    at = datetime(2026, 4, 1, 1, 59, tzinfo=berlin)
    folder = predictions.hour_folder(Path("/p"), "fraud", "v1", at)
    assert folder == Path("/p/model=fraud/version=v1/hour=2026-03-31T23")


@given(
    st.timedeltas(timedelta(0), timedelta(days=4000)).map(datetime(2020, 1, 1, tzinfo=UTC).__add__),
    st.timedeltas(timedelta(0), timedelta(days=2)),
    st.floats(0, 0.999),
)
def test_a_window_reads_each_folder_that_can_hold_its_predictions(start: datetime, length: timedelta, share: float):
    folders = predictions.hour_folders(Path("/p"), "m", "v", start, start + length)
    inside = start + length * share
    if inside < start + length:
        assert predictions.hour_folder(Path("/p"), "m", "v", inside) in folders
    assert folders == sorted(set(folders))


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_a_features_column_is_none_of_the_logs_own(name: str):
    assert predictions.feature_column(name) not in predictions.OWN_COLUMNS
