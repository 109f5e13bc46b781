"""Checks as other code sees them: frozen values, read with a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from drift.engine.policy import FeatureLimits, Policy
from drift.models import DriftCheck
from models_registry.models import Feature


@dataclass(frozen=True, slots=True)
class Check:
    """A model's drift check with its thresholds and limits; `policy` holds the features' own ones too."""

    pk: int  # 0: not stored yet
    model: str
    source: str
    population: str  # empty: that of the live version's baseline
    interval_seconds: int
    window_seconds: int
    timeout_seconds: int
    paused: bool
    first_due_at: datetime
    policy: Policy = field(default_factory=Policy)


def load_checks() -> tuple[Check, ...]:
    """Every model's check, sorted by model, in two queries."""
    features: dict[int, list[Feature]] = defaultdict(list)
    for feature in Feature.objects.all():
        features[feature.model_id].append(feature)
    rows = DriftCheck.objects.select_related("model")
    checks = (as_check(row, feature_limits(features[row.model_id])) for row in rows)
    return tuple(sorted(checks, key=lambda check: check.model))


def feature_limits(features: Iterable[Feature]) -> dict[str, FeatureLimits]:
    """The registered features' own ratio limits, by name."""
    return {
        feature.name: FeatureLimits(
            missing=feature.missing_limit,
            defaulted=feature.defaulted_limit,
            out_of_range=feature.out_of_range_limit,
        )
        for feature in features
    }


def as_check(row: DriftCheck, limits: Mapping[str, FeatureLimits]) -> Check:
    """`row` as a value; `limits` as from `feature_limits`."""
    own = row.feature_psi_thresholds
    features = {name: replace(each, psi=own.get(name)) for name, each in limits.items()}
    return Check(
        pk=row.pk or 0,
        model=row.model.name,
        source=row.source,
        population=row.population,
        interval_seconds=row.interval_seconds,
        window_seconds=row.window_seconds,
        timeout_seconds=row.timeout_seconds,
        paused=row.paused,
        first_due_at=row.first_due_at,
        policy=Policy(
            psi=row.psi_threshold,
            prediction_psi=row.prediction_psi_threshold,
            missing=row.missing_limit,
            defaulted=row.defaulted_limit,
            out_of_range=row.out_of_range_limit,
            ratio_margin=row.ratio_margin,
            min_rows=row.min_rows,
            min_baseline_rows=row.min_baseline_rows,
            features=features,
        ),
    )
