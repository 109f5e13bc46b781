"""Writing a model's own runbook, and giving it up. Each edit is a Change that keeps the text before and after."""

from datetime import date

from django.core.exceptions import ValidationError
from django.db import transaction

from alerts.models import Runbook
from alerts.runbook_sections import sections_error
from models_registry import changes
from models_registry.actor import Actor
from models_registry.documents import Document
from models_registry.models import Change, MLModel, Team


def runbook_document(runbook: Runbook) -> Document:
    """The runbook as its Changes keep it."""
    return {
        "alert": runbook.alert,
        "owner_team": runbook.owner_team.name,
        "review_by": runbook.review_by.isoformat() if runbook.review_by else None,
        "body": runbook.body,
    }


def save_runbook(
    alert: str, model: MLModel, *, body: str, owner_team: Team, review_by: date | None, actor: Actor
) -> Change | None:
    """The model's own text for the alert from now on. None: it was so already.

    ValidationError on `body` where one of the four sections is missing or empty.
    """
    body = body.replace("\r\n", "\n").strip() + "\n"
    if error := sections_error(body):
        raise ValidationError({"body": error})
    with transaction.atomic():
        row = Runbook.objects.select_related("owner_team").filter(model=model, alert=alert).first()
        before = runbook_document(row) if row else None
        row = row or Runbook(model=model, alert=alert)
        row.body, row.owner_team, row.review_by = body, owner_team, review_by
        after = runbook_document(row)
        if after == before:
            return None
        row.save()
        return _record(row, model, actor, "edited" if before else "written", before, after)


def drop_runbook(alert: str, model: MLModel, *, actor: Actor) -> Change | None:
    """The wider text holds again. None: the model had none of its own."""
    with transaction.atomic():
        row = Runbook.objects.select_related("owner_team").filter(model=model, alert=alert).first()
        if row is None:
            return None
        before = runbook_document(row)
        change = _record(row, model, actor, "dropped, the shipped one holds again", before, None)
        row.delete()
        return change


def history(alert: str, model: MLModel, limit: int = 20) -> list[Change]:
    """Who changed the model's text for the alert, and when; the newest first."""
    name = str(Runbook(model=model, alert=alert))[:200]
    return list(Change.objects.filter(model=model, object_type="runbook", object_name=name).order_by("-at")[:limit])


def _record(
    row: Runbook, model: MLModel, actor: Actor, what: str, before: Document | None, after: Document | None
) -> Change:
    return changes.record(
        Change.Kind.REGISTRY,
        actor=actor,
        obj=row,
        model=model,
        summary=f"{model.name}: runbook {row.alert} {what}",
        before=before,
        after=after,
    )
