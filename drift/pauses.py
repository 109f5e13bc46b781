"""Since when a check is paused, by whom and why: as its Changes tell."""

from dataclasses import dataclass
from datetime import datetime

from drift.models import DriftCheck
from models_registry.models import Change

# So many edits of a paused check are looked through for the one that paused it.
_MOST_LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause that holds until somebody resumes the check."""

    since: datetime
    by: str
    reason: str


def pause_of(check: DriftCheck) -> Pause | None:
    """The pause that holds; None for a check that runs, or where no Change tells of it."""
    if not check.paused:
        return None
    edits = Change.objects.filter(
        model=check.model_id, object_type=str(check._meta.verbose_name), kind=Change.Kind.THRESHOLD
    ).order_by("-at")[:_MOST_LOOKED_AT]
    for change in edits:
        was, became = ((document or {}).get("paused", False) for document in (change.before, change.after))
        if became and not was:
            return Pause(change.at, change.author, change.reason)
    return None
