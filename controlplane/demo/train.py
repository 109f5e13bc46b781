"""Trains the demo's two versions on the months before July. Both are real classifiers; v2 has a real mistake in it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skops import io as skops_io

from controlplane.demo.flights import CLASSES, DRIFT_STARTS, FEATURES, table

AIRLINE, DISTANCE, TAXI_OUT, WEEKDAY = range(len(FEATURES))
# v2's authors took their training data from an extract of the large carriers, and let the encoder refuse the rest:
# three in ten requests of the real traffic end as errors.
EXTRACT = frozenset({"AA", "AS", "B6", "DL", "UA", "US", "WN"})


@dataclass(frozen=True, slots=True)
class Artifact:
    """A trained version on disk."""

    version: str
    path: Path
    sha256: str


def train(folder: Path) -> tuple[Artifact, ...]:
    """Write `v1.skops` and `v2.skops` to `folder` (a few seconds); the same data give the same coefficients."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, late = training_rows()
    in_extract = np.isin(rows[:, AIRLINE].astype(str), sorted(EXTRACT))
    models = {
        "v1": pipeline(unknown_airlines="ignore").fit(rows, late),
        "v2": pipeline(unknown_airlines="error").fit(rows[in_extract], late[in_extract]),
    }
    return tuple(_write(model, folder / f"{version}.skops", version) for version, model in models.items())


def training_rows() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(rows of FEATURES as objects, classes as strings) of the flights before July that were not cancelled."""
    flights = table(end=DRIFT_STARTS)
    columns = [np.array(flights[name].to_pylist(), dtype=object) for name in FEATURES]
    rows = np.column_stack(columns)
    departed = np.array([late is not None for late in flights["late"].to_pylist()])
    late = np.array([CLASSES[bool(value)] for value in flights["late"].to_pylist()], dtype=object)
    return _with_nan(rows[departed]), late[departed].astype(str)


def pipeline(unknown_airlines: str) -> Pipeline:
    """Columns by position, since serving hands over plain arrays; balanced, since one flight in five is late."""
    numbers = Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    columns = ColumnTransformer(
        [
            ("airline", OneHotEncoder(handle_unknown=unknown_airlines), [AIRLINE]),
            ("weekday", OneHotEncoder(handle_unknown="ignore"), [WEEKDAY]),
            ("numbers", numbers, [DISTANCE, TAXI_OUT]),
        ]
    )
    return Pipeline([("columns", columns), ("classify", LogisticRegression(class_weight="balanced", max_iter=500))])


def _with_nan(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What is missing, as scikit-learn expects it."""
    for column in (DISTANCE, TAXI_OUT):
        rows[:, column] = np.array([np.nan if v is None else v for v in rows[:, column]], dtype=float)
    return rows


def _write(model: Pipeline, path: Path, version: str) -> Artifact:
    draft = path.with_name(f".{path.name}.draft")
    skops_io.dump(model, draft)
    draft.replace(path)
    return Artifact(version, path, hashlib.sha256(path.read_bytes()).hexdigest())
