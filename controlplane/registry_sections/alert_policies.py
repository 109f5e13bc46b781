"""`alert_policies`: where everybody (neither team nor model), a team or a model differs from the catalogue."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from alerts.documents import policy_document
from alerts.models import AlertPolicy
from alerts.models.policy import Severity
from alerts.policy_edits import delete_policy, set_policy
from controlplane import registry_shape as shape
from controlplane.registry_sections.section import Applying, Exported, Section, Stored, model_named, team_named

POLICY = shape.Document(
    {
        "alert": shape.TEXT,
        "team": shape.TEXT,
        "model": shape.TEXT,
        "thresholds": shape.Named(shape.NUMBER),
        "window": shape.DURATION,
        "for": shape.DURATION,
        "severity": shape.one_of(*Severity.values),
        "notify": shape.TEXT,
        "enabled": shape.TRUTH,
    },
    frozenset({"alert"}),
)


def _apply(document: dict[str, Any], applying: Applying) -> None:
    with applying.at():
        applying.wrote(
            set_policy(
                document["alert"],
                team=team_named(document["team"], "team") if "team" in document else None,
                model=model_named(document["model"]) if "model" in document else None,
                thresholds=document.get("thresholds"),
                window_seconds=document.get("window"),
                for_seconds=document.get("for"),
                severity=document.get("severity", ""),
                notify=team_named(document["notify"], "notify") if "notify" in document else None,
                enabled=document.get("enabled", True),
                actor=applying.actor,
            )
        )


def _export(model: str | None) -> Exported:
    rows = AlertPolicy.objects.select_related("team", "model", "notify")
    if model is not None:
        rows = rows.filter(model__name=model)
    return [policy_document(row) for row in sorted(rows, key=lambda row: (row.alert, row.policy_id))]


def _stored() -> Iterator[Stored]:
    for row in AlertPolicy.objects.select_related("team", "model"):
        team, model = row.team.name if row.team else "", row.model.name if row.model else ""
        yield Stored((row.alert, team, model), partial(delete_policy, row), model, team)


ALERT_POLICIES = Section(
    "alert_policies", shape.Documents(POLICY, ("alert", "team", "model")), _apply, _export, _stored
)
