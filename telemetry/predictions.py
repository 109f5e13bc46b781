"""The prediction log: what serving appends and drift reads. Parquet, one folder per model, version and hour (UTC).

    <root>/model=<name>/version=<version>/hour=<YYYY-MM-DDTHH>/<replica>-<sequence>.parquet

A file is written under a name starting with a dot and renamed when whole, so a reader never sees half a file.
Feature columns carry the prefix `feature:`; a free UTF-8 feature name can't collide with the log's own columns.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

TIMESTAMP = "timestamp"  # timestamp[us, tz=UTC]: when the request was answered
REQUEST_ID = "request_id"  # string
ROW = "row"  # int32: position in its batch, 0 for predict
ROUTE = "route"  # string
ROLE = "role"  # string: live, canary or shadow, as applied when the request was answered
SCORE = "score"  # double: a probability or a regression's value; null for a failed prediction
PREDICTED_CLASS = "predicted_class"  # string; null for regressions
DEFAULTED = "defaulted"  # list<string>: features that were filled with their default
FEATURE_PREFIX = "feature:"  # numeric: double, categorical: string; null where missing

OWN_COLUMNS = (TIMESTAMP, REQUEST_ID, ROW, ROUTE, ROLE, SCORE, PREDICTED_CLASS, DEFAULTED)


def feature_column(name: str) -> str:
    """The log's column for the feature `name`."""
    return f"{FEATURE_PREFIX}{name}"


def hour_folder(root: Path, model: str, version: str, at: datetime) -> Path:
    """Where a prediction answered at `at` (timezone-aware) belongs."""
    hour = at.astimezone(UTC).strftime("%Y-%m-%dT%H")
    return root / f"model={model}" / f"version={version}" / f"hour={hour}"


def hour_folders(root: Path, model: str, version: str, start: datetime, end: datetime) -> list[Path]:
    """The folders, existing or not, that can hold predictions of `[start, end)`, oldest first."""
    hour = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    folders = []
    while hour < end:
        folders.append(hour_folder(root, model, version, hour))
        hour += timedelta(hours=1)
    return folders
