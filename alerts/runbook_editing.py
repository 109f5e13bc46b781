"""Writing a runbook for a model or for all models of a team, and giving it up.

Each edit is a Change that keeps the text before and after.
"""

from datetime import date

from django.core.exceptions import ValidationError
from django.db import transaction

from alerts.catalogue import KINDS
from alerts.models import Runbook
from alerts.runbook_sections import sections_error
from models_registry import changes
from models_registry.actor import Actor
from models_registry.documents import Document
from models_registry.models import Change, MLModel, Team

About = MLModel | Team


def runbook_document(runbook: Runbook) -> Document:
    """The runbook as its Changes keep it."""
    return {
        "alert": runbook.alert,
        "owner_team": runbook.owner_team.name,
        "review_by": runbook.review_by.isoformat() if runbook.review_by else None,
        "body": runbook.body,
    }


def save_runbook(
    alert: str, about: About, *, body: str, owner_team: Team, review_by: date | None, actor: Actor
) -> Change | None:
    """The text for the alert of this model, or of this team's models, from now on. None: it was so already.

    ValidationError on `body` where one of the four sections is missing or empty, on `alert` where a team has no such.
    """
    body = body.replace("\r\n", "\n").strip() + "\n"
    if error := sections_error(body):
        raise ValidationError({"body": error})
    if isinstance(about, Team) and not is_a_teams(alert):
        raise ValidationError(
            {"alert": f"Teams have texts for the catalogue's alerts about models, not for {alert!r}."}
        )
    with transaction.atomic():
        row = stored_runbook(alert, about)
        before = runbook_document(row) if row else None
        row = row or _new(alert, about)
        row.body, row.owner_team, row.review_by = body, owner_team, review_by
        after = runbook_document(row)
        if after == before:
            return None
        row.save()
        return _record(row, about, actor, "edited" if before else "written", before, after)


def drop_runbook(alert: str, about: About, *, actor: Actor) -> Change | None:
    """The wider text holds again. None: there was none of its own."""
    with transaction.atomic():
        row = stored_runbook(alert, about)
        if row is None:
            return None
        before = runbook_document(row)
        change = _record(row, about, actor, "dropped, the wider text holds again", before, None)
        row.delete()
        return change


def is_a_teams(alert: str) -> bool:
    """Whether teams can have a text for the alert: one of the catalogue's, about models."""
    return alert in KINDS and KINDS[alert].on_models


def history(alert: str, about: About, limit: int = 20) -> list[Change]:
    """Who changed the text for the alert, and when; the newest first."""
    changed = Change.objects.filter(object_type="runbook", object_name=str(_new(alert, about))[:200])
    if isinstance(about, MLModel):
        changed = changed.filter(model=about)
    return list(changed.order_by("-at")[:limit])


def stored_runbook(alert: str, about: About) -> Runbook | None:
    """The text of that model's or team's own."""
    rows = Runbook.objects.select_related("owner_team", "model", "team").filter(alert=alert)
    return (rows.filter(model=about) if isinstance(about, MLModel) else rows.filter(team=about)).first()


def _new(alert: str, about: About) -> Runbook:
    return Runbook(alert=alert, **({"model": about} if isinstance(about, MLModel) else {"team": about}))


def _record(
    row: Runbook, about: About, actor: Actor, what: str, before: Document | None, after: Document | None
) -> Change:
    return changes.record(
        Change.Kind.REGISTRY,
        actor=actor,
        obj=row,
        model=row.model,
        summary=f"{row.about}: runbook {row.alert} {what}",
        before=before,
        after=after,
    )
