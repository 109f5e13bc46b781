"""`drift_checks`: how often a model's traffic is compared with its baselines, and what is tolerated."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from controlplane import registry_shape as shape
from controlplane.registry_sections.section import Applying, Exported, Section, Stored, fill, model_named
from drift.edits import check_document, check_of, delete_check, save_check
from drift.models import DriftCheck
from models_registry.actor import Actor
from models_registry.models import Change, Traffic

DRIFT_CHECK = shape.Document(
    {
        "model": shape.TEXT,
        "source": shape.one_of(*DriftCheck.Source.values),
        "population": shape.TEXT,
        "interval_seconds": shape.WHOLE,
        "window_seconds": shape.WHOLE,
        "min_rows": shape.WHOLE,
        "min_baseline_rows": shape.WHOLE,
        "psi_threshold": shape.NUMBER,
        "feature_psi_thresholds": shape.Named(shape.NUMBER),
        "prediction_psi_threshold": shape.NUMBER,
        "missing_limit": shape.NUMBER,
        "defaulted_limit": shape.NUMBER,
        "out_of_range_limit": shape.NUMBER,
        "ratio_margin": shape.NUMBER,
        "timeout_seconds": shape.WHOLE,
        "paused": shape.TRUTH,
    },
    frozenset({"model"}),
)


def _apply(document: dict[str, Any], applying: Applying) -> None:
    with applying.at():
        check = check_of(model_named(document["model"]))
        fill(check, document, DRIFT_CHECK.fields.keys() - {"model"})
        applying.wrote(save_check(check, actor=applying.actor))


def _export(model: str | None) -> Exported:
    rows = DriftCheck.objects.select_related("model")
    if model is not None:
        rows = rows.filter(model__name=model)
    return [{"model": row.model.name, **check_document(row)} for row in sorted(rows, key=lambda row: row.model.name)]


def _stored() -> Iterator[Stored]:
    for row in DriftCheck.objects.select_related("model"):
        name = row.model.name
        yield Stored((name,), partial(_remove, row), name)


def _remove(check: DriftCheck, *, actor: Actor) -> Change | None:
    """A model that serves always has a check: without one of its own, the loop's, with the defaults."""
    if not Traffic.objects.filter(model=check.model_id, live__isnull=False).exists():
        return delete_check(check, actor=actor)
    fill(check, {}, DRIFT_CHECK.fields.keys() - {"model"})
    return save_check(check, actor=actor)


DRIFT_CHECKS = Section("drift_checks", shape.Documents(DRIFT_CHECK, ("model",)), _apply, _export, _stored)
