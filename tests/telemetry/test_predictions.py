"""Where the prediction log lies: one folder an hour of UTC, whatever clock the caller reads."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from telemetry.predictions import OWN_COLUMNS, feature_column, hour_folder, hour_folders

ROOT = Path("/p")
BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")


def hours(start: datetime, end: datetime) -> list[str]:
    return [folder.name.removeprefix("hour=") for folder in hour_folders(ROOT, "fraud", "v1", start, end)]


def test_a_folder_is_named_by_model_version_and_hour() -> None:
    at = datetime(2026, 7, 1, 9, 59, 59, 999999, tzinfo=UTC)
    assert hour_folder(ROOT, "fraud", "v1", at) == Path("/p/model=fraud/version=v1/hour=2026-07-01T09")


@pytest.mark.parametrize(
    ("at", "hour"),
    [
        (datetime(2026, 1, 1, 0, 30, tzinfo=BERLIN), "2025-12-31T23"),  # another day, and another year
        (datetime(2026, 7, 1, 1, 30, tzinfo=BERLIN), "2026-06-30T23"),
        (datetime(2026, 7, 1, 5, 29, tzinfo=KOLKATA), "2026-06-30T23"),  # half an hour off the hour
        (datetime(2026, 7, 1, 5, 30, tzinfo=KOLKATA), "2026-07-01T00"),
        # The hour that the clock shows twice in autumn is two folders.
        (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=0), "2026-10-25T00"),
        (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1), "2026-10-25T01"),
    ],
)
def test_the_hour_is_of_utc_whatever_the_time_zone(at: datetime, hour: str) -> None:
    assert hour_folder(ROOT, "fraud", "v1", at).name == f"hour={hour}"


def test_a_window_over_midnight_reads_both_days() -> None:
    start = datetime(2026, 6, 30, 22, 15, tzinfo=UTC)
    expected = ["2026-06-30T22", "2026-06-30T23", "2026-07-01T00"]
    assert hours(start, start + timedelta(hours=2)) == expected


def test_the_end_of_a_window_is_not_in_it() -> None:
    start = datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert hours(start, start + timedelta(hours=1)) == ["2026-07-01T10"]
    assert hours(start, start + timedelta(hours=1, microseconds=1)) == ["2026-07-01T10", "2026-07-01T11"]
    assert hours(start, start) == []


def test_an_hour_that_the_clock_shows_twice_or_never_is_read_once() -> None:
    autumn = datetime(2026, 10, 25, 0, 0, tzinfo=BERLIN), datetime(2026, 10, 25, 4, 0, tzinfo=BERLIN)
    assert hours(*autumn) == ["2026-10-24T22", "2026-10-24T23", "2026-10-25T00", "2026-10-25T01", "2026-10-25T02"]
    spring = datetime(2026, 3, 29, 1, 0, tzinfo=BERLIN), datetime(2026, 3, 29, 4, 0, tzinfo=BERLIN)
    assert hours(*spring) == ["2026-03-29T00", "2026-03-29T01"]


def test_a_window_on_a_clock_half_an_hour_off_reads_the_hours_that_it_touches() -> None:
    start = datetime(2026, 7, 1, 12, 0, tzinfo=KOLKATA)
    assert hours(start, start + timedelta(hours=1)) == ["2026-07-01T06", "2026-07-01T07"]


@pytest.mark.parametrize("name", [*OWN_COLUMNS, "feature:x", ""])
def test_a_feature_that_is_called_like_a_column_has_one_of_its_own(name: str) -> None:
    assert feature_column(name) not in OWN_COLUMNS
    assert feature_column(name) == f"feature:{name}"
