"""`runbooks`: texts that a team wrote for a model's alert, in place of the shipped ones."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError

from alerts.models import Runbook
from alerts.runbook_editing import drop_runbook, runbook_document, save_runbook
from alerts.subject import concerns_models, is_known
from alerts.views.runbook_edit import RunbookForm
from controlplane import registry_shape as shape
from controlplane.registry_sections.section import Applying, Exported, Section, Stored, model_named, team_named

RUNBOOK = shape.Document(
    {
        "model": shape.TEXT,
        "alert": shape.TEXT,
        "owner_team": shape.TEXT,
        "review_by": shape.DATE,
        "body": shape.TEXT,
    },
    frozenset({"model", "alert", "owner_team", "body"}),
)


def _apply(document: dict[str, Any], applying: Applying) -> None:
    with applying.at():
        alert = document["alert"]
        if not is_known(alert) or not concerns_models(alert):
            raise ValidationError({"alert": f"There is no alert {alert!r} about a model: see the catalogue."})
        owner = team_named(document["owner_team"], "owner_team")
        form = RunbookForm({**document, "owner_team": owner.pk})
        if not form.is_valid():
            raise ValidationError(form.errors.as_data())
        model = model_named(document["model"])
        applying.wrote(save_runbook(alert, model, actor=applying.actor, **form.cleaned_data))


def _export(model: str | None) -> Exported:
    rows = Runbook.objects.select_related("model", "owner_team")
    if model is not None:
        rows = rows.filter(model__name=model)
    documents = [{"model": row.model.name, **runbook_document(row)} for row in rows]
    stated = [{name: value for name, value in d.items() if value is not None} for d in documents]
    return sorted(stated, key=lambda d: (str(d["model"]), str(d["alert"])))


def _stored() -> Iterator[Stored]:
    for row in Runbook.objects.select_related("model"):
        model = row.model
        yield Stored((model.name, row.alert), partial(drop_runbook, row.alert, model), model.name)


RUNBOOKS = Section("runbooks", shape.Documents(RUNBOOK, ("model", "alert")), _apply, _export, _stored)
