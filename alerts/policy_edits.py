"""Changing what wakes whom: policies, custom alerts and objectives. Each edit and its Change are one transaction.

The admin, the API and the registry file all come through here. Repeating an edit changes nothing and returns None.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from alerts.documents import Document, custom_alert_document, objective_document, policy_document
from alerts.models import AlertPolicy, CustomAlert, ErrorBudget, HourlyCount, Objective
from models_registry import changes
from models_registry.actor import Actor
from models_registry.models import Change, MLModel, Team

Row = TypeVar("Row", AlertPolicy, CustomAlert, Objective)

# What a policy is about. Another scope is another policy: its alerts start anew.
POLICY_IDENTITY = ("alert", "team_id", "model_id")
CUSTOM_IDENTITY = ("name", "model_id")
OBJECTIVE_IDENTITY = ("name", "model_id")
# What an objective counts: with another answer to one of these, what was counted is of something else.
_COUNTED = ("kind", "route", "latency_seconds")


def set_policy(
    alert: str,
    *,
    team: Team | None = None,
    model: MLModel | None = None,
    thresholds: dict[str, float] | None = None,
    window_seconds: int | None = None,
    for_seconds: int | None = None,
    severity: str = "",
    notify: Team | None = None,
    enabled: bool = True,
    actor: Actor,
    reason: str = "",
) -> Change | None:
    """Let exactly this hold for the team's models, for the model, or, with neither, for everybody.

    ValidationError names the fields. None: it was so already.
    """
    row = AlertPolicy.objects.filter(alert=alert, team=team, model=model).first()
    row = row or AlertPolicy(alert=alert, team=team, model=model)
    row.thresholds = dict(thresholds or {})
    row.window_seconds = window_seconds
    row.for_seconds = for_seconds
    row.severity = severity
    row.notify = notify
    row.enabled = enabled
    return save_policy(row, actor=actor, reason=reason)


def save_policy(policy: AlertPolicy, *, actor: Actor, reason: str = "") -> Change | None:
    """Write the policy. ValidationError names the fields. None: nothing differs."""
    return _save(policy, _policies(), policy_document, POLICY_IDENTITY, actor, reason)


def delete_policy(policy: AlertPolicy, *, actor: Actor, reason: str = "") -> Change:
    """From now on the wider policy holds."""
    return _delete(policy, policy_document(policy), actor, reason)


def save_custom_alert(alert: CustomAlert, *, actor: Actor, reason: str = "") -> Change | None:
    """Write the custom alert; publishing proves it. ValidationError names the fields. None: nothing differs."""
    return _save(alert, _custom_alerts(), custom_alert_document, CUSTOM_IDENTITY, actor, reason)


def delete_custom_alert(alert: CustomAlert, *, actor: Actor, reason: str = "") -> Change:
    """Without the alert, its rule is gone with the next release; what fires resolves."""
    return _delete(alert, custom_alert_document(alert), actor, reason)


def save_objective(objective: Objective, *, actor: Actor, reason: str = "") -> Change | None:
    """Write the objective. ValidationError names the fields. None: nothing differs.

    Where it counts something else from now on, the counts so far are forgotten and asked for anew.
    """
    with transaction.atomic():
        stored = Objective.objects.select_for_update().filter(pk=objective.pk).first()
        change = _save(objective, _objectives(), objective_document, OBJECTIVE_IDENTITY, actor, reason)
        if stored is not None and change is not None:
            if any(getattr(stored, name) != getattr(objective, name) for name in _COUNTED):
                HourlyCount.objects.filter(objective=stored).delete()
            # Of another period, too, the sums are others.
            if any(getattr(stored, name) != getattr(objective, name) for name in (*_COUNTED, "period_days")):
                ErrorBudget.objects.filter(objective=stored).delete()
        return change


def delete_objective(objective: Objective, *, actor: Actor, reason: str = "") -> Change:
    """Without the objective, its counts are gone; its rules with the next release."""
    return _delete(objective, objective_document(objective), actor, reason)


def _objectives() -> QuerySet[Objective]:
    return Objective.objects.select_related("model")


def _policies() -> QuerySet[AlertPolicy]:
    return AlertPolicy.objects.select_related("team", "model", "notify")


def _custom_alerts() -> QuerySet[CustomAlert]:
    return CustomAlert.objects.select_related("model")


def _save(
    row: Row,
    rows: QuerySet[Row],
    document: Callable[[Row], Document],
    identity: tuple[str, ...],
    actor: Actor,
    reason: str,
) -> Change | None:
    with transaction.atomic():
        stored = rows.filter(pk=row.pk).first() if row.pk is not None else None
        if stored is not None:
            _refuse_another_identity(stored, row, identity)
        row.full_clean()
        before = document(stored) if stored is not None else None
        row.save()
        after = document(rows.get(pk=row.pk))
        if before == after:
            return None
        return changes.record(
            Change.Kind.THRESHOLD,
            actor=actor,
            obj=row,
            model=row.model,
            summary=_told(row, before, after),
            reason=reason,
            before=before,
            after=after,
        )


def _refuse_another_identity(stored: Any, row: Any, identity: tuple[str, ...]) -> None:
    moved = [field for field in identity if getattr(stored, field) != getattr(row, field)]
    if moved:
        raise ValidationError(
            {field.removesuffix("_id"): "This can't be changed: delete it and make another." for field in moved}
        )


def _told(row: AlertPolicy | CustomAlert | Objective, before: Document | None, after: Document) -> str:
    what = f"{row._meta.verbose_name} {row}"
    if before is None:
        return f"{what} made"
    fields = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return f"{what}: {', '.join(fields)} changed"


def _delete(row: AlertPolicy | CustomAlert | Objective, document: Document, actor: Actor, reason: str) -> Change:
    with transaction.atomic():
        # Written first, while the row still has an id.
        change = changes.record(
            Change.Kind.THRESHOLD,
            actor=actor,
            obj=row,
            model=row.model,
            summary=f"{row._meta.verbose_name} {row} deleted",
            reason=reason,
            before=document,
        )
        row.delete()
        return change
