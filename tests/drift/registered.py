"""A registered model with traffic, a real baseline and a real prediction log: plain factories."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from drift.edits import save_check
from drift.engine.build import Recipe, build_profile
from drift.engine.profile import CATEGORICAL, NUMERIC, Profile
from drift.engine.scan import Bounds, Columns
from drift.models import DriftCheck
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import MLModel, ModelVersion, Traffic
from telemetry import predictions
from tests.drift.engine.rows import write_rows
from tests.fixtures.registry import make_baseline, make_feature, make_model

# The end of a window, on a multiple of every interval that tests use.
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
COUNTRIES = ("de", "fr", "it")
BOUNDS = {"amount": Bounds(0.0, 1000.0), "country": Bounds(categories=COUNTRIES)}


def rows(count: int, *, seed: int = 0, shift: float = 0.0, without: str = "") -> dict[str, Any]:
    """`count` rows of a prediction log without times. `shift` moves amounts, `without` is a country that is gone."""
    random = np.random.default_rng(seed)
    countries = [country for country in COUNTRIES if country != without]
    score = random.uniform(size=count)
    return {
        "feature:amount": random.uniform(100 + shift, 900 + shift, size=count),
        "feature:country": pa.array(random.choice(countries, size=count)),
        "score": score,
        "predicted_class": pa.array(np.where(score > 0.5, "bad", "good")),
        "defaulted": pa.array([[]] * count, type=pa.list_(pa.string())),
    }


@cache
def baseline_profile() -> Profile:
    """The profile of 5,000 undisturbed rows."""
    with TemporaryDirectory() as folder:
        file = write_rows(Path(folder) / "training.parquet", rows(5_000, seed=1))
        kinds = {"amount": NUMERIC, "country": CATEGORICAL}
        columns = Columns("feature:", score="score", predicted_class="predicted_class")
        return build_profile([file], Recipe(kinds, columns, BOUNDS))


def watched_model(name: str = "fraud", **check: Any) -> DriftCheck:
    """The check of a model whose version v1 is live since long before NOON, with a frozen baseline."""
    model = make_model(name, versions=("v1", "v2"))
    make_feature(model, "amount", minimum=0, maximum=1000)
    make_feature(model, "country", kind="categorical", categories=list(COUNTRIES), critical=True)
    give_baseline(model, "v1")
    serve(model, "v1")
    settings = {"interval_seconds": 600, "window_seconds": 3600, "min_rows": 200, **check}
    row = DriftCheck(model=model, first_due_at=NOON - timedelta(days=30), **settings)
    save_check(row, actor=SYSTEM)
    return row


def give_baseline(model: MLModel, version: str, **fields: Any) -> ModelVersion:
    """`version` with a baseline of its own; `fields` as of make_baseline."""
    defaults = {"name": f"of-{version}", "profile": baseline_profile().document()}
    row = model.versions.get(version=version)
    row.baseline = make_baseline(model, **{**defaults, **fields})
    row.save()
    return row


def serve(model: MLModel, live: str, canary: str | None = None) -> None:
    """Traffic, since a day before NOON."""
    traffic.deploy(model, live, percent=100, actor=SYSTEM)
    if canary:
        traffic.deploy(model, canary, percent=20, actor=SYSTEM)
    Traffic.objects.filter(model=model).update(changed_at=NOON - timedelta(days=1))


def write_log(root: Path, model: str, version: str, columns: Mapping[str, Any], end: datetime = NOON) -> Path:
    """`columns` as predictions of the ten minutes before `end`."""
    count = len(columns["score"])
    times = [end - timedelta(minutes=10) + timedelta(minutes=10) * row / count for row in range(count)]
    folder = predictions.hour_folder(root, model, version, times[0])
    folder.mkdir(parents=True, exist_ok=True)
    at = pa.array(times, type=pa.timestamp("us", tz="UTC"))
    return write_rows(folder / f"replica-{end:%H%M%S}.parquet", {"timestamp": at, **columns})
