"""Trains the demo's two versions on the months before July. Both are real classifiers; v2 has a real mistake in it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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


Rows = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A trained version on disk."""

    version: str
    path: Path
    sha256: str


def train(folder: Path) -> tuple[Artifact, ...]:
    """`v1.skops` and `v2.skops` in `folder`, made there in a second where they are not yet.

    skops writes the time into its files: a version that is trained again would be another artifact.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {version: folder / f"{version}.skops" for version in ("v1", "v2")}
    if not all(file.exists() for file in files.values()):
        _train(files)
    return tuple(Artifact(version, file, _sha256(file)) for version, file in files.items())


def _train(files: dict[str, Path]) -> None:
    rows, late = training_rows()
    in_extract = np.isin(rows[:, AIRLINE].astype(str), sorted(EXTRACT))
    models = {
        "v1": pipeline(unknown_airlines="ignore").fit(rows, late),
        "v2": pipeline(unknown_airlines="error").fit(rows[in_extract], late[in_extract]),
    }
    for version, file in files.items():
        draft = file.with_name(f".{file.name}.draft")
        skops_io.dump(models[version], draft)
        draft.replace(file)


def training_rows() -> tuple[Rows, Rows]:
    """(rows of FEATURES as objects, classes as strings) of the flights before July that were not cancelled."""
    flights = table(end=DRIFT_STARTS)
    flights = flights.filter(pc.is_valid(flights["late"]))
    late = np.array([CLASSES[value] for value in flights["late"].to_pylist()])
    return as_rows(flights), late


def as_rows(flights: pa.Table) -> Rows:
    """(rows, FEATURES) as objects, what is missing as NaN: how serving hands them to an estimator."""
    columns = [flights[name].to_pylist() for name in FEATURES]
    return np.array([[np.nan if v is None else v for v in column] for column in columns], dtype=object).T


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


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
