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


def check_profile(profile: Any) -> int:
    """How many rows the profile is of. ValueError where drift can't be measured against it, with the remedy."""
    rows = profile.get("rows") if isinstance(profile, dict) else None
    if not isinstance(rows, int) or rows < 1:
        raise ValueError("The profile states no rows: make it with `python -m drift profile`.")
    features = profile.get("features")
    counted = [*features.items()] if isinstance(features, dict) else []
    blind = [name for name, counts in [*counted, ("the score", profile.get("score"))] if _in_one_bin(counts)]
    if blind:
        raise ValueError(
            f"{', '.join(blind)}: all values lie in one bin, where no drift would ever show. Make the profile with "
            "`python -m drift profile`, of rows with finite values: it gives a constant a bin between two others."
        )
    return rows


def _in_one_bin(counts: Any) -> bool:
    """Whether there are values and one bin for them all; where there are no values, there is nothing to compare."""
    if not isinstance(counts, dict) or not isinstance(counts.get("counts"), list):
        return False
    bins = [*counts["counts"], *([counts["other"]] if "other" in counts else [])]
    return len(bins) == 1 and bins[0] != 0


def freeze_baseline(baseline: Baseline, *, actor: Actor) -> Change | None:
    """From now on the profile can't change, and checks may use it. None: it was frozen already.

    Raises ValueError where the profile has no rows, or can't tell drift.
    """
    rows = check_profile(baseline.profile)
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
