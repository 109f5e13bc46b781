"""Freezing baselines."""

import hashlib
import json
from typing import Any

from django.db import transaction
from django.utils import timezone

from models_registry import changes
from models_registry.actor import Actor
from models_registry.documents import baseline_document
from models_registry.models import Baseline, Change


def profile_hash(profile: dict[str, Any]) -> str:
    """SHA-256 (hexadecimal) of the profile's canonical JSON: sorted keys, no spaces, UTF-8."""
    canonical = json.dumps(profile, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def freeze_baseline(baseline: Baseline, *, actor: Actor) -> Change | None:
    """From now on the profile can't change, and checks may use it. None: it was frozen already.

    Raises ValueError where the profile has no rows.
    """
    rows = baseline.profile.get("rows") if isinstance(baseline.profile, dict) else None
    if not isinstance(rows, int) or rows < 1:
        raise ValueError("The profile states no rows: make it with `python -m drift profile`.")
    with transaction.atomic():
        before = baseline_document(baseline)
        claimed = Baseline.objects.filter(pk=baseline.pk, frozen_at__isnull=True).update(
            frozen_at=timezone.now(), sha256=profile_hash(baseline.profile), rows=rows
        )
        baseline.refresh_from_db()
        if not claimed:
            return None
        return changes.record(
            Change.Kind.BASELINE,
            actor=actor,
            obj=baseline,
            model=baseline.model,
            summary=f"{baseline.model.name}: baseline {baseline.name} frozen, {rows:,} rows",
            before=before,
            after=baseline_document(baseline),
        )
