"""The versions that are watched: those with traffic, each with its model's check."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from drift.checks import Check, as_check, load_checks
from drift.claims import create_status
from drift.models import CheckStatus, DriftCheck
from models_registry.models import Traffic


@dataclass(frozen=True, slots=True)
class Watched:
    """A version that answers requests. `since` is when it was first seen doing so."""

    check: Check
    version_pk: int
    version: str
    role: str  # live or canary
    since: datetime


def load_watched() -> tuple[Watched, ...]:
    """Every version with traffic, sorted by model, live before canary; four queries.

    A model whose check isn't made yet is there with the defaults and a check without an id (0).
    """
    checks = {check.model: check for check in load_checks()}
    since = dict(CheckStatus.objects.values_list("version_id", "since"))
    watched = []
    for row in Traffic.objects.select_related("model", "live", "canary"):
        check = checks.get(row.model.name) or as_check(DriftCheck(model=row.model, first_due_at=row.changed_at), {})
        for role, version in (("live", row.live), ("canary", row.canary)):
            if version is not None:
                begun = since.get(version.pk, row.changed_at)
                watched.append(Watched(check, version.pk, version.version, role, begun))
    return tuple(sorted(watched, key=lambda each: (each.check.model, each.role != "live")))


def sync_statuses(watched: Iterable[Watched]) -> None:
    """A status for each of `watched`, and for nobody else: a version that comes back after a break starts anew, so
    that its old success doesn't look like a check that has stopped."""
    wanted = {each.version_pk: each for each in watched}
    stored = set(CheckStatus.objects.values_list("version_id", flat=True))
    if gone := stored - wanted.keys():
        CheckStatus.objects.filter(version_id__in=gone).delete()
    for each in wanted.values():
        if each.version_pk not in stored and each.check.pk:
            create_status(each.check.pk, each.version_pk, each.since)
