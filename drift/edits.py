"""Editing checks. The admin, the API and the registry file all come through here; each edit writes its Change."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from drift.models import DriftCheck
from models_registry import changes
from models_registry.actor import SYSTEM, Actor
from models_registry.models import Change, MLModel

# What a person sets, in the order in which it is shown; the export document holds exactly these.
SETTINGS = (
    "source",
    "population",
    "interval_seconds",
    "window_seconds",
    "min_rows",
    "min_baseline_rows",
    "psi_threshold",
    "feature_psi_thresholds",
    "prediction_psi_threshold",
    "missing_limit",
    "defaulted_limit",
    "out_of_range_limit",
    "ratio_margin",
    "timeout_seconds",
    "paused",
)


def check_document(check: DriftCheck) -> dict[str, Any]:
    """The check's export document."""
    document = {name: getattr(check, name) for name in SETTINGS}
    return {name: value for name, value in document.items() if value not in ("", {})}


def save_check(check: DriftCheck, *, actor: Actor, reason: str = "") -> Change | None:
    """Write `check` and its Change; ValidationError names the fields. None: nothing differs.

    Resuming counts as new: staleness is measured from then on.
    """
    with transaction.atomic():
        stored = DriftCheck.objects.filter(pk=check.pk).first() if check.pk else None
        before = check_document(stored) if stored else None
        check.full_clean()
        after = check_document(check)
        if before == after:
            return None
        if stored is not None and stored.paused and not check.paused:
            check.first_due_at = timezone.now()
            # What was found before the break is no longer said, and isn't held against the check.
            check.statuses.all().delete()
        check.save()
        return changes.record(
            Change.Kind.THRESHOLD,
            actor=actor,
            obj=check,
            model=check.model,
            summary=_summary(check, before, after),
            reason=reason,
            before=before,
            after=after,
        )


def delete_check(check: DriftCheck, *, actor: Actor, reason: str = "") -> Change:
    """Delete the check with its runs: a model that serves gets one with the defaults again."""
    with transaction.atomic():
        change = changes.record(
            Change.Kind.THRESHOLD,
            actor=actor,
            obj=check,
            model=check.model,
            summary=f"{check.model.name}: drift check deleted",
            reason=reason,
            before=check_document(check),
        )
        check.delete()
        return change


def pause_check(model: MLModel, *, paused: bool, actor: Actor, reason: str = "") -> Change | None:
    """Pause the model's check, or resume it. None: it was so already."""
    check = check_of(model)
    check.paused = paused
    return save_check(check, actor=actor, reason=reason)


def check_of(model: MLModel) -> DriftCheck:
    """The model's check, or an unsaved one with the defaults."""
    return DriftCheck.objects.select_related("model").filter(model=model).first() or DriftCheck(model=model)


def ensure_checks() -> int:
    """A check with the defaults for each model that serves and has none; how many were made."""
    made = 0
    for model in MLModel.objects.filter(traffic__live__isnull=False, drift_check__isnull=True):
        try:
            save_check(DriftCheck(model=model), actor=SYSTEM)
        except (IntegrityError, ValidationError):
            # Somebody made it, or deleted the model, in between: the next round of the loop sees.
            continue
        made += 1
    return made


def _summary(check: DriftCheck, before: dict[str, Any] | None, after: dict[str, Any]) -> str:
    name = check.model.name
    if before is None:
        return f"{name}: drift check every {check.interval_seconds} s over {check.window_seconds} s"
    changed = [key for key in SETTINGS if before.get(key) != after.get(key)]
    if changed == ["paused"]:
        return f"{name}: drift check {'paused' if check.paused else 'resumed'}"
    told = (f"{key.replace('_', ' ')} {before.get(key, 'none')} to {after.get(key, 'none')}" for key in changed)
    return f"{name}: drift check: {', '.join(told)}"
