"""The serving snapshot: the one document that serving runs from, and that outlives the control plane on each replica.

Its hash is over the canonical JSON (`text`), so equal desired states are equal snapshots wherever they are made.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class SnapshotFeature:
    """One input of a model. Bounds are inclusive; a value outside them is served, and counted."""

    name: str
    kind: str  # numeric or categorical
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    required: bool = False  # a missing required feature is invalid input; any other is missing, or defaulted
    default: float | str | None = None


@dataclass(frozen=True, slots=True)
class SnapshotVersion:
    """A version that a replica loads: artifact address (path or http(s) URL) and the SHA-256 it must have."""

    version: str
    framework: str  # sklearn or onnx
    artifact: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SnapshotModel:
    """A model with traffic. Weights are whole percents; live takes what the canary leaves."""

    name: str
    task: str  # binary_classification, multiclass_classification or regression
    classes: tuple[str, ...]
    features: tuple[SnapshotFeature, ...]
    versions: tuple[SnapshotVersion, ...]
    live: str | None
    canary: str | None = None
    canary_percent: int = 0
    shadows: tuple[str, ...] = ()
    in_flight_limit: int = 64
    timeout_seconds: float = 5.0

    def weights(self) -> dict[tuple[str, str], float]:
        """(version, role) -> share of answered requests, 0 to 1. A shadow answers none."""
        shares: dict[tuple[str, str], float] = {}
        canary = self.canary_percent / 100 if self.canary else 0.0
        if self.live:
            shares[(self.live, "live")] = 1.0 - canary
        if self.canary:
            shares[(self.canary, "canary")] = canary
        for shadow in self.shadows:
            shares[(shadow, "shadow")] = 0.0
        return shares


@dataclass(frozen=True)
class ServingSnapshot:
    """Everything a replica needs, and nothing it doesn't: no thresholds, no teams, no secrets."""

    models: tuple[SnapshotModel, ...]

    @cached_property
    def text(self) -> str:
        """Canonical JSON: sorted keys, no spaces, models by name."""
        document = {"schema": SCHEMA, "models": [asdict(m) for m in sorted(self.models, key=lambda m: m.name)]}
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def hash(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of `text`; also the ETag."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def parse(text: str | bytes) -> ServingSnapshot:
    """The snapshot in `text`; ValueError says what is wrong with it (schema, missing or unknown field)."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValueError(f"The serving snapshot is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"The serving snapshot's schema is not {SCHEMA}: upgrade serving or the control plane.")
    try:
        return ServingSnapshot(models=tuple(_model(m) for m in document["models"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The serving snapshot lacks or misspells a field: {error}") from error


def _model(document: Mapping[str, Any]) -> SnapshotModel:
    fields = dict(document)
    fields["features"] = tuple(
        SnapshotFeature(**{**f, "categories": tuple(f.get("categories", ()))}) for f in fields["features"]
    )
    fields["versions"] = tuple(SnapshotVersion(**v) for v in fields["versions"])
    fields["classes"] = tuple(fields["classes"])
    fields["shadows"] = tuple(fields.get("shadows", ()))
    return SnapshotModel(**fields)
