"""Where the rows of a window come from. A source counts them on a baseline's bins; the engine never sees how.

Adding one (PostgreSQL, Spark, a warehouse) is a class with `count`, a line in `source`, a choice in DriftCheck.Source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.conf import settings

from drift.engine.duck import Limits
from drift.engine.errors import ScanError
from drift.engine.profile import Profile
from drift.engine.scan import Bounds, Columns, Question, Window, scan
from telemetry import predictions

PREDICTION_LOG = Columns(
    feature_prefix=predictions.FEATURE_PREFIX,
    timestamp=predictions.TIMESTAMP,
    score=predictions.SCORE,
    predicted_class=predictions.PREDICTED_CLASS,
    defaulted=predictions.DEFAULTED,
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows: those that `version` of `model` answered in `window`."""

    model: str
    version: str
    window: Window


class Source(Protocol):
    """Counts rows; ScanError (or a subclass) says why it can't."""

    def count(self, rows: Rows, like: Profile, bounds: Mapping[str, Bounds], limits: Limits) -> Profile:
        """`rows` counted on the bins of `like` and against `bounds`; all zero where there are none."""
        ...


@dataclass(frozen=True, slots=True)
class PredictionLog:
    """The Parquet files that serving appends."""

    root: Path

    def count(self, rows: Rows, like: Profile, bounds: Mapping[str, Bounds], limits: Limits) -> Profile:
        """See Source. A log that isn't there at all is a failure; a version without rows is an empty window."""
        if not self.root.is_dir():
            raise ScanError(f"The prediction log {self.root} can't be reached: mount it, or set PREDICTIONS_DIR.")
        return scan(self._files(rows), Question(like, PREDICTION_LOG, bounds, rows.window), limits)

    def _files(self, rows: Rows) -> list[Path]:
        folders = predictions.hour_folders(self.root, rows.model, rows.version, rows.window.start, rows.window.end)
        try:
            found = [file for folder in folders if folder.is_dir() for file in folder.iterdir()]
        except OSError as error:
            raise ScanError(f"The prediction log can't be read: {error}") from error
        # A file that is still being written starts with a dot.
        return sorted(file for file in found if file.suffix == ".parquet" and not file.name.startswith("."))


def source(kind: str) -> Source:
    """The source that a check names."""
    if kind == "prediction_log":
        return PredictionLog(settings.PREDICTIONS_DIR)
    raise ScanError(f"The source {kind!r} is unknown to this version.")
