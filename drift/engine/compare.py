"""Baseline and window, both counted on the same bins, to a verdict. Pure: no clock, no I/O.

Whether the baseline may be used at all is asked first, of `drift.engine.baseline.baseline_problem`.
"""

from collections import Counter

from drift.engine.policy import FeatureLimits, Policy
from drift.engine.profile import CategoricalCounts, FeatureCounts, Profile
from drift.engine.psi import METHOD, psi, threshold_in_force
from drift.engine.verdict import (
    DRIFTED,
    INSUFFICIENT_DATA,
    OK,
    ClassShare,
    Drift,
    FeatureVerdict,
    Ratio,
    Verdict,
)

OTHER = "other"
NAMED_IN_REASON = 5


def compare(baseline: Profile, current: Profile, policy: Policy) -> Verdict:
    """The verdict on `current`, which was counted on the bins of `baseline`."""
    if current.rows < policy.min_rows:
        reason = f"The window has {current.rows} rows and a verdict needs {policy.min_rows}."
        return Verdict(INSUFFICIENT_DATA, reason, rows=current.rows)
    features = tuple(
        _feature(name, baseline, counts, policy, current.rows) for name, counts in sorted(current.features.items())
    )
    prediction = _prediction(baseline, current, policy)
    drifted = [feature for feature in features if feature.drift and feature.drift.drifted]
    state = DRIFTED if drifted or (prediction and prediction.drifted) else OK
    return Verdict(
        state=state,
        reason=_reason(features, drifted, prediction),
        rows=current.rows,
        features=features,
        prediction=prediction,
        score_baseline_median=baseline.score_median,
        classes=_classes(baseline.classes, current.classes),
    )


def _feature(name: str, baseline: Profile, now: FeatureCounts, policy: Policy, rows: int) -> FeatureVerdict:
    before, own = baseline.features[name], policy.limits(name)

    def ratio(which: str) -> Ratio | None:
        share = _share(getattr(now, which), rows)
        if share is None:
            return None
        return Ratio(share, _limit(which, own, policy, _share(getattr(before, which), baseline.rows)))

    return FeatureVerdict(
        name=name,
        kind=now.kind,
        drift=_drift(before, now, policy.psi if own.psi is None else own.psi, policy),
        missing=ratio("missing"),
        defaulted=ratio("defaulted"),
        out_of_range=ratio("out_of_range"),
    )


def _drift(before: FeatureCounts, now: FeatureCounts, threshold: float, policy: Policy) -> Drift | None:
    result = psi(before.bins, now.bins)
    if result is None:
        return None
    return Drift(METHOD, result.score, threshold_in_force(result, threshold, policy.noise_quantile))


def _share(count: int | None, rows: int) -> float | None:
    return count / rows if count is not None and rows else None


def _limit(which: str, own: FeatureLimits, policy: Policy, baseline_ratio: float | None) -> float:
    limit: float | None = getattr(own, which)
    if limit is not None:
        return limit
    usual: float = getattr(policy, which)
    # Nothing was missing, or nobody counted (a training set knows no defaults): the margin is for what was there.
    return max(usual, min(1.0, baseline_ratio + policy.ratio_margin)) if baseline_ratio else usual


def _prediction(baseline: Profile, current: Profile, policy: Policy) -> Drift | None:
    """Drift of the scores, or of the predicted classes where the model gives no score."""
    if (
        baseline.score
        and current.score
        and (drift := _drift(baseline.score, current.score, policy.prediction_psi, policy))
    ):
        return drift
    if baseline.classes and current.classes:
        return _drift(baseline.classes, current.classes, policy.prediction_psi, policy)
    return None


def _classes(before: CategoricalCounts | None, now: CategoricalCounts | None) -> tuple[ClassShare, ...]:
    if not before or not now or not before.present or not now.present:
        return ()
    current: Counter[str] = Counter()
    baseline: Counter[str] = Counter()
    # Counted by name: a class that is really called "other" shares that name with the rest.
    for name, rows_now, rows_before in zip((*before.categories, OTHER), now.bins, before.bins, strict=True):
        current[name] += rows_now
        baseline[name] += rows_before
    return tuple(
        ClassShare(name, current[name] / now.present, baseline[name] / before.present)
        for name in current
        if name in before.categories or current[name] or baseline[name]
    )


def _reason(features: tuple[FeatureVerdict, ...], drifted: list[FeatureVerdict], prediction: Drift | None) -> str:
    parts = []
    if drifted:
        worst_first = sorted(drifted, key=lambda feature: -(feature.drift.score if feature.drift else 0.0))
        parts.append(f"{_names([feature.name for feature in worst_first])} drifted")
    if prediction and prediction.drifted:
        parts.append(f"the predictions drifted (PSI {prediction.score:.2f} above {prediction.threshold:.2f})")
    if not parts:
        parts.append("nothing drifted")
    if over := [f"{feature.name} ({', '.join(feature.exceeded())})" for feature in features if feature.exceeded()]:
        parts.append(f"above a limit: {_names(over)}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if not drifted else f"{text}."


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED_IN_REASON])
    rest = len(names) - NAMED_IN_REASON
    return f"{shown} and {rest} more" if rest > 0 else shown
