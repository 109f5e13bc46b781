"""One run of a check, end to end: claim, judge the baseline, scan, compare, store.

1. The row of (check, version, window end) is made, or found.
2. It is claimed. Nobody else may take it until the check's time limit is over; a worker that was killed leaves it
   claimed, and the loop tells another one after that.
3. Nothing is locked while the window is scanned.
4. The verdict is stored if the claim is still ours, in one transaction with the status that the exporter reads.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from drift import claims
from drift.checks import Check, as_check, feature_limits
from drift.engine.baseline import BaselineFacts, Expected, baseline_problem
from drift.engine.compare import compare
from drift.engine.duck import Limits
from drift.engine.errors import ScanError, SchemaMismatch
from drift.engine.profile import from_document
from drift.engine.scan import Bounds, Window
from drift.engine.verdict import BASELINE_MISMATCH, SOURCE_FAILED, Verdict
from drift.models import CheckRun, DriftCheck
from drift.sources import Rows, source
from models_registry.models import Baseline, Feature, ModelVersion, Traffic

log = logging.getLogger(__name__)

# A scan shares its machine with serving or with other workers: memory is bounded and flat, threads are few.
SCAN_THREADS = 2
SCAN_MEMORY_MEGABYTES = 512


@dataclass(frozen=True, slots=True)
class Target:
    """Everything that a run needs to know, read once."""

    check: Check
    version: str
    baseline: BaselineFacts | None
    expected: Expected
    bounds: Mapping[str, Bounds]


def run_window(check: DriftCheck, version: ModelVersion, window_end: datetime) -> CheckRun:
    """Run that window unless it is finished or somebody is at it; the run as it stands afterwards.

    An unexpected error is stored as a failed source, so that it is seen, and raised.
    """
    run = claims.planned_run(check, version, window_end)
    if not claims.claim(run, check.timeout_seconds):
        run.refresh_from_db()
        return run
    try:
        target = load_target(check, version, timezone.now())
        verdict = evaluate(target, Window(run.window_start, run.window_end))
    except Exception as error:
        claims.finish(run, Verdict(SOURCE_FAILED, f"The check itself failed: {type(error).__name__}: {error}"))
        raise
    if not claims.finish(run, verdict):
        log.warning("%s: the verdict came after the claim was lost, and is dropped", run)
    return run


def evaluate(target: Target, window: Window) -> Verdict:
    """The verdict on the window's rows. The baseline is judged before anything is scanned."""
    check = target.check
    problem = baseline_problem(target.baseline, target.expected, check.policy)
    if problem is not None or target.baseline is None:
        return Verdict(problem.state, problem.reason) if problem else Verdict(BASELINE_MISMATCH, "No baseline.")
    baseline = from_document(target.baseline.document)
    limits = Limits(SCAN_THREADS, SCAN_MEMORY_MEGABYTES, check.timeout_seconds)
    rows = Rows(check.model, target.version, window)
    try:
        current = source(check.source).count(rows, baseline, target.bounds, limits)
    except SchemaMismatch as error:
        return Verdict(BASELINE_MISMATCH, str(error))
    except ScanError as error:
        return Verdict(SOURCE_FAILED, str(error))
    return compare(baseline, current, check.policy)


def load_target(check: DriftCheck, version: ModelVersion, now: datetime) -> Target:
    """What a run of `version` needs, as of `now`."""
    features = list(Feature.objects.filter(model=check.model_id))
    baseline = Baseline.objects.filter(versions=version).first()
    return Target(
        check=as_check(check, feature_limits(features)),
        version=version.version,
        baseline=_facts(baseline, now) if baseline else None,
        expected=Expected(_population(check, baseline), {feature.name: feature.kind for feature in features}),
        bounds={
            feature.name: Bounds(feature.minimum, feature.maximum, tuple(feature.categories)) for feature in features
        },
    )


def baseline_age_seconds(data_until: datetime | None, frozen_at: datetime | None, now: datetime) -> float | None:
    """How old a baseline is: since the end of its data, else since it was frozen; None before that."""
    begun = data_until or frozen_at
    return max(0.0, (now - begun).total_seconds()) if begun else None


def _facts(baseline: Baseline, now: datetime) -> BaselineFacts:
    return BaselineFacts(
        document=baseline.profile,
        sha256=baseline.sha256,
        frozen=baseline.frozen_at is not None,
        population=baseline.population,
        age_seconds=baseline_age_seconds(baseline.data_until, baseline.frozen_at, now) or 0.0,
        max_age_seconds=baseline.max_age_days * 86400.0,
    )


def _population(check: DriftCheck, own: Baseline | None) -> str:
    """Whom the traffic is of: what the check says, else what the live version's baseline says."""
    if check.population:
        return check.population
    live = Traffic.objects.filter(model=check.model_id).values_list("live__baseline__population", flat=True).first()
    return live or (own.population if own else "")
