"""Proves that a freshly loaded artifact answers, before it gets traffic, and measures how fast."""

import math
import time

from serving.loaders.predictor import LoadError, Predictor, Row
from telemetry.snapshot import SnapshotFeature, SnapshotModel

ROUNDS = 7
ENOUGH_SECONDS = 0.2


def warm(predictor: Predictor, model: SnapshotModel) -> float:
    """Seconds for one row, the least of some rounds: a busy machine must not make a version look slow.

    LoadError when no plausible row gets a finite score. One row is enough: a version that fails on some registered
    values is for a canary to find out. The first calls allocate and compile; made here, no request pays for them.
    """
    row = _answered_row(predictor, model)
    _check(predictor, [row, row], model)
    times: list[float] = []
    while len(times) < ROUNDS and sum(times) < ENOUGH_SECONDS:
        started = time.perf_counter()
        _check(predictor, [row], model)
        times.append(time.perf_counter() - started)
    return min(times)


def _answered_row(predictor: Predictor, model: SnapshotModel) -> Row:
    failures = []
    for row in synthetic_rows(model):
        try:
            _check(predictor, [row], model)
        except LoadError as error:
            failures.append(error)
        else:
            return row
    raise failures[0]


def synthetic_rows(model: SnapshotModel) -> list[Row]:
    """Rows of registered values only: typical ones, then lows, then highs."""
    return [[_values(feature)[at] for feature in model.features] for at in range(3)]


def _values(feature: SnapshotFeature) -> tuple[float | str, float | str, float | str]:
    """A typical, a low and a high value."""
    if feature.kind == "categorical":
        known = feature.categories or ("",)
        typical = feature.default if isinstance(feature.default, str) else known[0]
        return typical, known[0], known[-1]
    low = feature.minimum if feature.minimum is not None else (feature.maximum or 0.0)
    high = feature.maximum if feature.maximum is not None else low
    # Halved first: the middle of two huge bounds must not overflow.
    middle = float(feature.default) if feature.default is not None else low / 2 + high / 2
    return middle, float(low), float(high)


def _check(predictor: Predictor, rows: list[Row], model: SnapshotModel) -> None:
    try:
        scores, classes = predictor.predict(rows)
    except LoadError:
        raise
    except Exception as error:  # whatever the framework raises means the same: it can't serve this model
        raise LoadError(f"The artifact fails on plausible input {_described(rows, model)}: {error!r}") from error
    if len(scores) != len(rows) or len(classes) != len(rows):
        raise LoadError(f"The artifact gave {len(scores)} scores for {len(rows)} rows.")
    for score in scores:
        if not math.isfinite(score):
            raise LoadError(f"The artifact gave the score {score} for plausible input {_described(rows, model)}.")


def _described(rows: list[Row], model: SnapshotModel) -> dict[str, object]:
    """The first row, made from the registry and not from a request, so it may be shown."""
    return dict(zip((feature.name for feature in model.features), rows[0], strict=True))
