"""The demo's baseline: the flights before July with v1's own answers, as a frozen profile."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import skops.io

from controlplane.demo.flights import CLASSES, DRIFT_STARTS, FEATURES, table
from controlplane.demo.train import Artifact, as_rows
from drift.engine.build import Recipe, build_profile
from drift.engine.profile import CATEGORICAL, NUMERIC
from drift.engine.scan import Bounds, Columns

NAME = "2015-before-july"
POPULATION = "us-domestic"
KINDS = {"airline": CATEGORICAL, "distance": NUMERIC, "taxi_out": NUMERIC, "weekday": CATEGORICAL}


def profile(live: Artifact, bounds: dict[str, Bounds]) -> dict[str, Any]:
    """The document of the profile. `bounds` are the registered features' own, so that both count alike."""
    flights = table(end=DRIFT_STARTS).select(FEATURES)
    # Our own file of a moment ago: what it may construct is no question here.
    model = skops.io.load(live.path, trusted=skops.io.get_untrusted_types(file=live.path))
    late = list(model.classes_).index(CLASSES[1])
    scores = model.predict_proba(as_rows(flights))[:, late]
    flights = flights.append_column("score", pa.array(scores))
    flights = flights.append_column("predicted_class", pa.array([CLASSES[int(score >= 0.5)] for score in scores]))
    recipe = Recipe(KINDS, Columns(score="score", predicted_class="predicted_class"), bounds)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "training.parquet"
        pq.write_table(flights, file)
        return build_profile([file], recipe).document()
