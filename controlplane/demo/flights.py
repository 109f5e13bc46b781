"""The demo's flights, in time order, as the model is fed them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DATA = Path(__file__).parent / "data" / "flights_2015.parquet"

MODEL = "flight-delay"
CLASSES = ("on-time", "late")
LATE_MINUTES = 15
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# The order in which the model is fed. No month: it would drift by the calendar alone.
FEATURES = ("airline", "distance", "taxi_out", "weekday")
# The airline code US ends with this day's schedule (a merger): before it the training data, from it on the drift.
DRIFT_STARTS = date(2015, 7, 1)


@dataclass(frozen=True, slots=True)
class Flight:
    """One flight: what is known when it is about to leave, and whether it left late (None: cancelled)."""

    day: date
    features: dict[str, Any]
    late: bool | None


def table(start: date = date.min, end: date = date.max) -> pa.Table:
    """The flights of [start, end) with the columns of FEATURES, `date` and `late`, oldest first."""
    rows = pq.read_table(DATA)
    day = rows["date"]
    rows = rows.filter(pc.and_(pc.greater_equal(day, pa.scalar(start)), pc.less(day, pa.scalar(end))))
    weekday = pa.array(WEEKDAYS).take(pc.day_of_week(rows["date"]))
    return pa.table(
        {
            "airline": rows["airline"].cast(pa.string()),
            "distance": rows["distance"].cast(pa.float64()),
            "taxi_out": rows["taxi_out"],
            "weekday": weekday,
            "date": rows["date"],
            "late": pc.greater(rows["departure_delay"], LATE_MINUTES),
        }
    )


def flights(start: date = date.min, end: date = date.max) -> Iterator[Flight]:
    """The flights of [start, end) one by one, oldest first. What is null is left out, as a caller would."""
    for row in table(start, end).to_pylist():
        features = {name: row[name] for name in FEATURES if row[name] is not None}
        yield Flight(row["date"], features, row["late"])
