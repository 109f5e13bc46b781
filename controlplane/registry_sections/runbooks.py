"""`runbooks`: texts that a team wrote for an alert of one model, or of all its models, in place of the shipped ones."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError

from alerts.models import Runbook
from alerts.runbook_editing import drop_runbook, runbook_document, save_runbook
from alerts.subject import concerns_models, is_known
from alerts.views.runbook_edit import RunbookForm
from controlplane import registry_shape as shape
from controlplane.registry_sections.section import Applying, Exported, NoSuch, Section, Stored, model_named, team_named

RUNBOOK = shape.Document(
    {
        "team": shape.TEXT,
        "model": shape.TEXT,
        "alert": shape.TEXT,
        "owner_team": shape.TEXT,
        "review_by": shape.DATE,
        "body": shape.TEXT,
    },
    frozenset({"alert", "owner_team", "body"}),
)


def _apply(document: dict[str, Any], applying: Applying) -> None:
    alert, about, owner = document["alert"], None, None
    with applying.at():
        if not is_known(alert) or not concerns_models(alert):
            told = f"There is no alert {alert!r} about a model: see the catalogue."
            raise NoSuch("custom_alerts", alert, "alert", told)
    with applying.at():
        if ("team" in document) == ("model" in document):
            raise ValidationError("A runbook is for a model or for a team's models: state one of `model` and `team`.")
        about = model_named(document["model"]) if "model" in document else team_named(document["team"], "team")
    with applying.at():
        owner = team_named(document["owner_team"], "owner_team")
    with applying.at():
        form = RunbookForm({**document, "owner_team": owner.pk if owner else ""})
        # Of an unknown owner it has been said that there is none.
        errors = {name: error for name, error in form.errors.as_data().items() if owner or name != "owner_team"}
        if errors:
            raise ValidationError(errors)
        if about is not None and not applying.failed:
            applying.wrote(save_runbook(alert, about, actor=applying.actor, **form.cleaned_data))


def _export(model: str | None) -> Exported:
    rows = Runbook.objects.select_related("model", "team", "owner_team")
    if model is not None:
        rows = rows.filter(model__name=model)
    documents = [
        {
            "team": row.team.name if row.team else None,
            "model": row.model.name if row.model else None,
            **runbook_document(row),
        }
        for row in rows
    ]
    stated = [{name: value for name, value in d.items() if value is not None} for d in documents]
    return sorted(stated, key=lambda d: (d.get("team", ""), d.get("model", ""), d["alert"]))


def _stored() -> Iterator[Stored]:
    for row in Runbook.objects.select_related("model", "team"):
        about = row.model or row.team
        if about is not None:
            team, model = row.team.name if row.team else "", row.model.name if row.model else ""
            yield Stored((row.alert, team, model), partial(drop_runbook, row.alert, about), model, team)


RUNBOOKS = Section("runbooks", shape.Documents(RUNBOOK, ("alert", "team", "model")), _apply, _export, _stored)
