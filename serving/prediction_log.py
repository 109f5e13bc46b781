"""Appends answered predictions with their features to the Parquet log, without a request ever waiting for the disk.

Rows wait in memory for a thread that writes them every few seconds. When the disk is slower than the traffic, or full,
the oldest rows are kept up to a bound and newer ones are dropped and counted: requests go on either way.
"""

import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from serving.files import write_whole
from serving.loaders.predictor import Row
from telemetry import predictions
from telemetry.snapshot import SnapshotModel

log = logging.getLogger(__name__)

FLUSH_SECONDS = 2.0
FLUSH_ROWS = 5_000  # this many rows are written without waiting for the clock
CAPACITY_ROWS = 50_000
COMPLAIN_SECONDS = 30.0
STOP_SECONDS = 5.0
REPLICA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # part of file names; the registry takes no longer one


class LogSchema:
    """The columns of one version's log. Rows are grouped by this object, so a file never mixes two."""

    def __init__(self, model: SnapshotModel, version: str) -> None:
        self.model = model.name
        self.version = version
        self.features = [
            pa.field(predictions.feature_column(f.name), pa.float64() if f.kind == "numeric" else pa.string())
            for f in model.features
        ]
        self.arrow = pa.schema(
            [
                pa.field(predictions.TIMESTAMP, pa.timestamp("us", tz="UTC")),
                pa.field(predictions.REQUEST_ID, pa.string()),
                pa.field(predictions.ROW, pa.int32()),
                pa.field(predictions.ROUTE, pa.string()),
                pa.field(predictions.ROLE, pa.string()),
                pa.field(predictions.SCORE, pa.float64()),
                pa.field(predictions.PREDICTED_CLASS, pa.string()),
                pa.field(predictions.DEFAULTED, pa.list_(pa.string())),
                *self.features,
            ]
        )


@dataclass(frozen=True, slots=True)
class Logged:
    """One answered request: as many rows as `rows`. Scores and classes are None for a prediction that failed."""

    schema: LogSchema
    at: float  # seconds since the epoch
    request_id: str
    route: str
    role: str
    rows: Sequence[Row]
    defaulted: Sequence[list[str]]
    scores: Sequence[float | None]
    classes: Sequence[str | None]


class PredictionLog:
    """The log under `root`. Files carry replica and start in their names: none is ever overwritten."""

    def __init__(
        self, root: Path, replica: str, flush_seconds: float = FLUSH_SECONDS, capacity: int = CAPACITY_ROWS
    ) -> None:
        if not REPLICA.fullmatch(replica):
            raise ValueError(f"{replica!r} can't name a replica: use letters, digits, dots, underscores and hyphens.")
        self._root = root
        self._replica = replica
        self._flush_seconds = flush_seconds
        self._capacity = capacity
        self._name = f"{replica}-{time.time_ns() // 1_000_000}"
        self._sequence = 0
        self._waiting: list[Logged] = []
        self._rows = 0
        self._dropped = 0
        self._complained = -COMPLAIN_SECONDS
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Begin writing."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits and end; gives up after some seconds, when the disk hangs."""
        self._stopping = True
        self._wake.set()
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            log.error("The prediction log could not be written before the end: %d rows are lost", self._rows)

    def append(self, logged: Logged) -> None:
        """Take one request's rows. Never blocks on the disk; drops them when too many wait already."""
        count = len(logged.rows)
        with self._lock:
            if self._rows + count > self._capacity:
                self._dropped += count
                return
            self._waiting.append(logged)
            self._rows += count
            enough = self._rows >= FLUSH_ROWS
        if enough:
            self._wake.set()

    @property
    def dropped(self) -> int:
        """Rows dropped since the start because too many waited."""
        return self._dropped

    def _run(self) -> None:
        self._remove_left_overs()
        while not self._stopping:
            self._wake.wait(self._flush_seconds)
            if not self._stopping:
                self._wake.clear()
            failed = self.flush()
            if failed and not self._stopping:  # a full buffer would wake a failing disk again at once
                time.sleep(self._flush_seconds)
        self.flush()

    def flush(self) -> bool:
        """Write all that waits, one file per version and hour; what the disk refuses goes on waiting.

        Returns whether the disk refused anything.
        """
        with self._lock:
            taken, self._waiting = self._waiting, []
        groups: defaultdict[tuple[LogSchema, Path], list[Logged]] = defaultdict(list)
        for logged in taken:
            at = datetime.fromtimestamp(logged.at, UTC)
            folder = predictions.hour_folder(self._root, logged.schema.model, logged.schema.version, at)
            groups[logged.schema, folder].append(logged)
        refused: list[Logged] = []
        for (schema, folder), part in groups.items():
            try:
                self._write(schema, folder, part)
            except OSError as error:
                refused += part
                self._complain(f"The prediction log can't be written: {error}; requests go on")
            except Exception:  # rows that can't be converted never will be: keeping them would block the log for ever
                with self._lock:
                    self._dropped += sum(len(logged.rows) for logged in part)
                log.exception("Rows of the prediction log were dropped")
        with self._lock:
            self._waiting = refused + self._waiting
            self._rows = sum(len(logged.rows) for logged in self._waiting)
        if self._dropped:
            self._complain(f"The prediction log has dropped {self._dropped} rows since the start")
        return bool(refused)

    def _write(self, schema: LogSchema, folder: Path, part: list[Logged]) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(_table(schema, part), sink, compression="zstd")
        self._sequence += 1
        target = folder / f"{self._name}-{self._sequence:06d}.parquet"
        write_whole(target, [sink.getvalue()], prefix=f".{self._replica}-")

    def _complain(self, message: str) -> None:
        """Log at most every half minute: a full disk must not fill the log too."""
        if time.monotonic() - self._complained > COMPLAIN_SECONDS:
            self._complained = time.monotonic()
            log.error("%s", message)

    def _remove_left_overs(self) -> None:
        """Hidden files that this replica's killed predecessor left; readers never look at them."""
        own = re.compile(rf"\.{re.escape(self._replica)}-[a-z0-9_]+\.tmp")  # not those of a replica named `<ours>-2`
        try:
            for path in self._root.glob("model=*/version=*/hour=*/.*.tmp"):
                if own.fullmatch(path.name):
                    path.unlink(missing_ok=True)
        except OSError as error:
            log.error("Left-overs in the prediction log can't be removed: %s", error)


def _table(schema: LogSchema, part: list[Logged]) -> pa.Table:
    columns: list[list[object]] = [[] for _ in schema.arrow]
    for logged in part:
        at = round(logged.at * 1_000_000)
        for index, row in enumerate(logged.rows):
            own = (
                at,
                logged.request_id,
                index,
                logged.route,
                logged.role,
                logged.scores[index],
                logged.classes[index],
                logged.defaulted[index],
            )
            for column, value in zip(columns, (*own, *row), strict=True):
                column.append(value)
    # from_pandas: a NaN that stood for a missing number becomes null. Registered input is never NaN itself.
    arrays = [pa.array(c, type=f.type, from_pandas=True) for c, f in zip(columns, schema.arrow, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema.arrow)
