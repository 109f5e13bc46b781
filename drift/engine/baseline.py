"""May this baseline be compared with this traffic? Asked before any scan, answered from facts alone.

A score against a baseline that someone still edits, that is old, small, or made of other rows is worse than none: it
wakes people, or lets them sleep, for no reason. Each refusal is a state that the exporter shows in place of scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drift.engine.policy import Policy
from drift.engine.profile import Profile, ProfileError, document_hash, from_document
from drift.engine.verdict import BASELINE_MISMATCH, BASELINE_STALE, INSUFFICIENT_DATA

DAY = 86400


@dataclass(frozen=True, slots=True)
class BaselineFacts:
    """What the registry knows of a baseline. `sha256` is what was recorded when it was frozen."""

    document: Any
    sha256: str
    frozen: bool
    population: str
    age_seconds: float
    max_age_seconds: float | None = None  # None: never stale


@dataclass(frozen=True, slots=True)
class Expected:
    """What the traffic is: its population, and the features that its model has now (name -> kind)."""

    population: str
    features: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    """The state that a check ends in because of its baseline, and why in words."""

    state: str
    reason: str


def baseline_problem(baseline: BaselineFacts | None, expected: Expected, policy: Policy) -> Problem | None:
    """Why `baseline` can't be used for traffic of `expected`, or None where it can."""
    if baseline is None:
        return Problem(BASELINE_MISMATCH, "The version has no baseline: make one, freeze it and set it on the version.")
    if not baseline.frozen:
        return Problem(BASELINE_MISMATCH, "The baseline isn't frozen: freeze it, so that scores stay comparable.")
    try:
        profile = from_document(baseline.document)
    except ProfileError as error:
        return Problem(BASELINE_MISMATCH, str(error))
    # As it was written, or as this engine writes it: a database may return 1e16 as an integer.
    if baseline.sha256 not in (document_hash(baseline.document), profile.content_hash()):
        return Problem(
            BASELINE_MISMATCH,
            f"The baseline's content has changed since it was frozen: its SHA-256 is {profile.content_hash()[:12]}..., "
            f"recorded was {baseline.sha256[:12]}...: make and freeze another one.",
        )
    if baseline.population != expected.population:
        return Problem(
            BASELINE_MISMATCH,
            f"The baseline is of the population {baseline.population!r}, the traffic of {expected.population!r}.",
        )
    return _schema_problem(profile, expected) or _size_or_age_problem(profile, baseline, policy)


def _schema_problem(profile: Profile, expected: Expected) -> Problem | None:
    kinds = profile.kinds()
    parts = []
    if lacking := sorted(expected.features.keys() - kinds.keys()):
        parts.append(f"it lacks {', '.join(lacking)}")
    if surplus := sorted(kinds.keys() - expected.features.keys()):
        parts.append(f"it has {', '.join(surplus)}, which the model has not")
    parts += [
        f"{name} is {kinds[name]} in it and {kind} in the model"
        for name, kind in sorted(expected.features.items())
        if name in kinds and kinds[name] != kind
    ]
    return Problem(BASELINE_MISMATCH, f"The baseline is of another schema: {'; '.join(parts)}.") if parts else None


def _size_or_age_problem(profile: Profile, baseline: BaselineFacts, policy: Policy) -> Problem | None:
    if profile.rows < policy.min_baseline_rows:
        return Problem(
            INSUFFICIENT_DATA,
            f"The baseline has {profile.rows} rows and a comparison needs {policy.min_baseline_rows}.",
        )
    if baseline.max_age_seconds is not None and baseline.age_seconds > baseline.max_age_seconds:
        return Problem(
            BASELINE_STALE,
            f"The baseline is {baseline.age_seconds / DAY:.1f} days old and may be "
            f"{baseline.max_age_seconds / DAY:.1f}: make a new one of recent rows.",
        )
    return None
