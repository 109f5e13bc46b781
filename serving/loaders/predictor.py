"""What every loader gives back, and how class probabilities become scores and classes, the same for all of them."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from telemetry.snapshot import SnapshotModel

# Values in the registered order of features: float (NaN where missing) or str (None where missing).
Row = Sequence[float | str | None]
Scores = list[float]
Classes = list[str | None]

BINARY = "binary_classification"
REGRESSION = "regression"


class LoadError(Exception):
    """The artifact can't be served as this model; the message says what is wrong with it."""


class Predictor(Protocol):
    """A loaded artifact. Must be callable from several threads at once."""

    def predict(self, rows: Sequence[Row]) -> tuple[Scores, Classes]:
        """One score and one class (None for regressions) per row. Raises whatever the framework raises."""


def column_order(model: SnapshotModel, artifact_classes: Sequence[Any]) -> list[int]:
    """For each registered class, its column in the artifact's probabilities; LoadError when they don't fit.

    Classes match by name. An artifact that knows only numbers 0..n-1 (or False, True) matches by position, since
    that is how labels are encoded; anything else is a mismatch, and guessing would swap the classes unnoticed.
    """
    registered = list(model.classes)
    found = [str(c) for c in artifact_classes]
    if sorted(found) == sorted(registered):
        return [found.index(c) for c in registered]
    numbers = all(isinstance(c, (int, float, np.number, np.bool_)) for c in artifact_classes)
    if numbers and [float(c) for c in artifact_classes] == [float(i) for i in range(len(registered))]:
        return list(range(len(registered)))
    raise LoadError(f"The artifact's classes are {found}, registered are {registered}.")


def scores_and_classes(model: SnapshotModel, probabilities: npt.NDArray[Any]) -> tuple[Scores, Classes]:
    """From probabilities [rows, classes] in the registered order.

    Binary: the score is the probability of the second, positive class, which wins from 0.5 on. Otherwise the score
    is the probability of the class that wins.
    """
    if model.task == BINARY:
        scores: Scores = probabilities[:, 1].tolist()
        negative, positive = model.classes
        return scores, [positive if score >= 0.5 else negative for score in scores]
    winners = probabilities.argmax(axis=1)
    return probabilities.max(axis=1).tolist(), [model.classes[i] for i in winners.tolist()]


def values_only(values: npt.NDArray[Any]) -> tuple[Scores, Classes]:
    """A regression's output as scores, without classes."""
    scores: Scores = np.asarray(values, dtype=float).reshape(-1).tolist()
    return scores, [None] * len(scores)
