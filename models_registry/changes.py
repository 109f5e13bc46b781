"""Recording changes. Every change of state ends here, in its own transaction; on commit the loop is nudged."""

from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils.module_loading import import_string

from models_registry.actor import Actor
from models_registry.models import Change, MLModel


def wake() -> None:
    """Nudge the reconcile loop (settings.PLUMBLINE_WAKE). A nudge may be lost: the loop runs by the clock anyway."""
    import_string(settings.PLUMBLINE_WAKE)()


def record(
    kind: str,
    *,
    actor: Actor,
    obj: models.Model,
    summary: str,
    model: MLModel | None = None,
    version: str = "",
    reason: str = "",
    before: Any = None,
    after: Any = None,
) -> Change:
    """Write the Change of `obj` (its export document `before` and `after`) and nudge the loop after the commit.

    Raises RuntimeError outside a transaction: a change without its Change, or the reverse, must not be possible.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("A Change is written in the transaction of the change itself: open transaction.atomic().")
    change = Change.objects.create(
        kind=kind,
        model=model if model is not None and model.pk else None,
        model_name=model.name if model is not None else "",
        version=version,
        object_type=str(obj._meta.verbose_name),
        object_name=str(obj)[:200],
        summary=summary[:300],
        reason=reason[:300],
        user=actor.user,
        author=actor.name,
        before=before,
        after=after,
    )
    # robust: a broker that is down must not turn a saved change into an error page.
    transaction.on_commit(wake, robust=True)
    return change
