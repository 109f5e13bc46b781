"""`custom_alerts`: conditions of a team's own, with the two cases that prove each."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from alerts.documents import custom_alert_document
from alerts.models import CustomAlert
from alerts.models.policy import Severity
from alerts.policy_edits import delete_custom_alert, save_custom_alert
from controlplane import registry_shape as shape
from controlplane.registry_sections.section import Applying, Exported, Section, Stored, fill, model_named

CUSTOM_ALERT = shape.Document(
    {
        "name": shape.TEXT,
        "model": shape.TEXT,
        "expression": shape.TEXT,
        "for": shape.DURATION,
        "severity": shape.one_of(*Severity.values),
        "owner": shape.one_of(*CustomAlert.Owner.values),
        "description": shape.TEXT,
        "runbook": shape.TEXT,
        "fires_case": shape.ANYTHING,
        "silent_case": shape.ANYTHING,
        "enabled": shape.TRUTH,
    },
    frozenset({"name", "model", "expression", "description", "runbook", "fires_case", "silent_case"}),
)


def _apply(document: dict[str, Any], applying: Applying) -> None:
    with applying.at():
        stated = {**document, "model": model_named(document["model"])}
        if "for" in stated:
            stated["for_seconds"] = stated.pop("for")
        alert = CustomAlert.objects.filter(name=document["name"]).first() or CustomAlert()
        fill(alert, stated, (CUSTOM_ALERT.fields.keys() - {"for"}) | {"for_seconds"})
        applying.wrote(save_custom_alert(alert, actor=applying.actor))


def _export(model: str | None) -> Exported:
    rows = CustomAlert.objects.select_related("model")
    if model is not None:
        rows = rows.filter(model__name=model)
    return [custom_alert_document(row) for row in sorted(rows, key=lambda row: row.name)]


def _stored() -> Iterator[Stored]:
    for row in CustomAlert.objects.select_related("model"):
        yield Stored((row.name,), partial(delete_custom_alert, row), row.model.name)


CUSTOM_ALERTS = Section("custom_alerts", shape.Documents(CUSTOM_ALERT, ("name",)), _apply, _export, _stored)
