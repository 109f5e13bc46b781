"""`objectives`: what share of a model's answers has to be good, over how many days."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from alerts.documents import objective_document
from alerts.models import Objective
from alerts.policy_edits import delete_objective, save_objective
from controlplane import registry_shape as shape
from controlplane.registry_sections.section import Applying, Exported, Section, Stored, fill, model_named

OBJECTIVE = shape.Document(
    {
        "model": shape.TEXT,
        "name": shape.TEXT,
        "kind": shape.one_of(*Objective.Kind.values),
        "route": shape.one_of(*Objective.Route.values),
        "target": shape.NUMBER,
        "period_days": shape.WHOLE,
        "latency_seconds": shape.NUMBER,
    },
    frozenset({"model", "name", "kind", "target"}),
)


def _apply(document: dict[str, Any], applying: Applying) -> None:
    with applying.at():
        model = model_named(document["model"])
        objective = Objective.objects.filter(model=model, name=document["name"]).first() or Objective(model=model)
        fill(objective, document, OBJECTIVE.fields.keys() - {"model"})
        applying.wrote(save_objective(objective, actor=applying.actor))


def _export(model: str | None) -> Exported:
    rows = Objective.objects.select_related("model")
    if model is not None:
        rows = rows.filter(model__name=model)
    return [objective_document(row) for row in sorted(rows, key=lambda row: (row.model.name, row.name))]


def _stored() -> Iterator[Stored]:
    for row in Objective.objects.select_related("model"):
        model = row.model.name
        yield Stored((model, row.name), partial(delete_objective, row), model)


OBJECTIVES = Section("objectives", shape.Documents(OBJECTIVE, ("model", "name")), _apply, _export, _stored)
