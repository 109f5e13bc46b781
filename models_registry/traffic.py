"""Changing who answers requests. Each function writes the traffic row and its Change in one transaction.

All are safe to retry: what is so already is left alone, and no second Change is written.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from models_registry import changes, split
from models_registry.actor import Actor
from models_registry.documents import traffic_document
from models_registry.models import Change, MLModel, ModelVersion, Traffic
from models_registry.split import Split, TrafficError

RETRIES = 5

__all__ = [
    "TrafficError",
    "deploy",
    "promote",
    "read_split",
    "roll_back",
    "set_shadows",
    "set_split",
    "shift_traffic",
    "withdraw",
]


@dataclass(frozen=True, slots=True)
class _Move:
    """What is to be done, and how it is told."""

    kind: str
    apply: Callable[[Split], Split]
    tell: Callable[[Split, Split], str]
    version: Callable[[Split, Split], str | None]


def read_split(traffic: Traffic, shadows: list[str] | None = None) -> Split:
    """The row as a pure value. `shadows` saves the query where the caller has them."""
    if shadows is None:
        shadows = [v.version for v in traffic.shadows.all()]
    return Split(
        live=traffic.live.version if traffic.live else None,
        canary=traffic.canary.version if traffic.canary else None,
        canary_percent=traffic.canary_percent,
        shadows=frozenset(shadows),
        previous_live=traffic.previous_live.version if traffic.previous_live else None,
    )


def deploy(model: MLModel, version: str, *, percent: int, actor: Actor, reason: str = "") -> Change | None:
    """Give `version` `percent` of the traffic as a canary, or all of it with 100. None: it was so already."""
    return _change(
        model,
        _Move(
            Change.Kind.DEPLOY,
            lambda before: split.deploy(before, version, percent),
            lambda _, after: (
                f"{model.name} {version}: live"
                if after.live == version
                else f"{model.name} {version}: canary {percent}%"
            ),
            lambda _before, _after: version,
        ),
        actor,
        reason,
    )


def shift_traffic(model: MLModel, *, percent: int, actor: Actor, reason: str = "") -> Change | None:
    """Give the present canary `percent` of the traffic. None: it has it already."""
    return _change(
        model,
        _Move(
            Change.Kind.TRAFFIC,
            lambda before: split.shift(before, percent),
            lambda before, _: f"{model.name} {before.canary}: canary {before.canary_percent}% to {percent}%",
            lambda before, _: before.canary,
        ),
        actor,
        reason,
    )


def promote(model: MLModel, *, actor: Actor, version: str | None = None, reason: str = "") -> Change | None:
    """Make the canary live. None: `version` is live already."""
    return _change(
        model,
        _Move(
            Change.Kind.DEPLOY,
            lambda before: split.promote(before, version),
            lambda before, after: f"{model.name} {after.live}: promoted from canary, {before.live} was live",
            lambda _, after: after.live,
        ),
        actor,
        reason,
    )


def roll_back(model: MLModel, *, actor: Actor, version: str | None = None, reason: str = "") -> Change | None:
    """Empty the canary, or, where there is none, put the previous live version back.

    With `version`, take that one out of traffic; None: it answers nothing already. Only so it is safe to retry.
    """
    return _change(
        model,
        _Move(
            Change.Kind.ROLLBACK,
            lambda before: split.roll_back(before, version),
            lambda before, after: (
                f"{model.name}: canary {before.canary} rolled back, {after.live} answers all"
                if before.live == after.live
                else f"{model.name}: {before.live or 'withdrawal'} rolled back to {after.live}"
            ),
            lambda before, after: before.canary if before.live == after.live else before.live,
        ),
        actor,
        reason,
    )


def withdraw(model: MLModel, *, actor: Actor, reason: str = "") -> Change | None:
    """Stop serving the model: the step before deleting it. None: nothing answers for it."""
    return _change(
        model,
        _Move(
            Change.Kind.TRAFFIC,
            split.withdraw,
            lambda before, _: f"{model.name}: withdrawn, {before.live} was live",
            lambda before, _: before.live,
        ),
        actor,
        reason,
    )


def set_shadows(model: MLModel, versions: set[str], *, actor: Actor, reason: str = "") -> Change | None:
    """Let exactly `versions` see a copy of the traffic."""
    return _change(
        model,
        _Move(
            Change.Kind.TRAFFIC,
            lambda before: split.shadow(before, frozenset(versions)),
            lambda _, after: f"{model.name}: shadows {', '.join(sorted(after.shadows)) or 'none'}",
            lambda _before, _after: None,
        ),
        actor,
        reason,
    )


def set_split(model: MLModel, wanted: Split, *, actor: Actor, reason: str = "") -> Change | None:
    """Let exactly `wanted` hold, as a registry file states it. None: it holds already.

    Where `wanted` names no previous live version, it is the one that was live before.
    """
    return _change(
        model,
        _Move(
            Change.Kind.TRAFFIC,
            lambda before: split.settle(before, wanted),
            lambda _, after: f"{model.name}: {split.told(after)}",
            lambda before, after: after.canary if after.canary != before.canary else after.live,
        ),
        actor,
        reason,
    )


def _change(model: MLModel, move: _Move, actor: Actor, reason: str) -> Change | None:
    for _ in range(RETRIES):
        with transaction.atomic():
            written, change = _attempt(model, move, actor, reason)
        if written:
            return change
    raise TrafficError(f"The traffic of {model.name} is being changed by others: look at it again and retry.")


def _attempt(model: MLModel, move: _Move, actor: Actor, reason: str) -> tuple[bool, Change | None]:
    """Whether the move stood against other writers, and its Change (None: nothing was to be changed)."""
    # By id: handing the object over would leave the new, empty row cached on it.
    Traffic.objects.get_or_create(model_id=model.pk)
    row = Traffic.objects.select_related("live", "canary", "previous_live").get(model=model)
    before = read_split(row)
    after = move.apply(before)
    if after == before:
        return True, None
    ids = _version_ids(model, after)
    # The claim: whoever finds the revision moved on starts again from what the other wrote.
    claimed = Traffic.objects.filter(pk=row.pk, revision=row.revision).update(
        live_id=ids.get(after.live),
        canary_id=ids.get(after.canary),
        canary_percent=after.canary_percent,
        previous_live_id=ids.get(after.previous_live),
        revision=row.revision + 1,
        changed_at=timezone.now(),
    )
    if not claimed:
        return False, None
    written = Traffic.objects.select_related("live", "canary", "previous_live").get(pk=row.pk)
    model.traffic = written
    written.shadows.set([ids[v] for v in after.shadows])
    serving = [ids[v] for v in (after.live, after.canary) if v is not None]
    ModelVersion.objects.filter(pk__in=serving, served_at__isnull=True).update(served_at=timezone.now())
    change = changes.record(
        move.kind,
        actor=actor,
        obj=written,
        model=model,
        version=move.version(before, after) or "",
        summary=move.tell(before, after),
        reason=reason,
        before=traffic_document(row, sorted(before.shadows)),
        after=traffic_document(written, sorted(after.shadows)),
    )
    return True, change


def _version_ids(model: MLModel, after: Split) -> dict[str | None, int]:
    wanted = {v for v in (after.live, after.canary, after.previous_live, *after.shadows) if v is not None}
    ids: dict[str | None, int] = dict(
        ModelVersion.objects.filter(model=model, version__in=wanted).values_list("version", "pk")
    )
    missing = wanted - {v for v in ids if v is not None}
    if missing:
        raise TrafficError(f"{model.name} has no version {sorted(missing)[0]!r}: register it first.")
    return ids
