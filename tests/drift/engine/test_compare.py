"""From counts to a verdict: thresholds, limits and the reason in words."""

from dataclasses import replace

import pytest

from drift.engine.compare import compare
from drift.engine.policy import FeatureLimits, Policy
from drift.engine.profile import CategoricalCounts, NumericCounts, Profile
from drift.engine.verdict import DRIFTED, INSUFFICIENT_DATA, OK, ClassShare, from_document

BASELINE = Profile(
    10_000,
    {
        "age": NumericCounts((30.0, 60.0), (3_000, 4_000, 2_900), missing=100, defaulted=0, out_of_range=0),
        "city": CategoricalCounts(("north", "south"), (4_500, 4_500), missing=1_000),
    },
    score=NumericCounts((0.5,), (7_000, 3_000)),
    score_median=0.31,
    classes=CategoricalCounts(("late", "on time"), (3_000, 7_000)),
)
SAME = Profile(
    1_000,
    {
        "age": NumericCounts((30.0, 60.0), (300, 400, 290), missing=10, defaulted=20, out_of_range=5),
        "city": CategoricalCounts(("north", "south"), (450, 450), missing=100, defaulted=0),
    },
    score=NumericCounts((0.5,), (700, 300)),
    classes=CategoricalCounts(("late", "on time"), (300, 700)),
)
POLICY = Policy()


def with_age(**changes: object) -> Profile:
    return replace(SAME, features={**SAME.features, "age": replace(SAME.features["age"], **changes)})


def test_a_window_like_its_baseline_is_ok() -> None:
    verdict = compare(BASELINE, SAME, POLICY)
    assert (verdict.state, verdict.reason, verdict.rows) == (OK, "Nothing drifted.", 1_000)
    assert verdict.score_baseline_median == 0.31
    assert verdict.classes == (ClassShare("late", 0.3, 0.3), ClassShare("on time", 0.7, 0.7))


def test_a_feature_past_its_threshold_is_drifted_and_named() -> None:
    verdict = compare(BASELINE, with_age(counts=(900, 60, 30)), POLICY)
    assert (verdict.state, verdict.drifted_features()) == (DRIFTED, ["age"])
    assert verdict.reason == "age drifted."


def test_predictions_that_drift_alone_are_drift_too() -> None:
    verdict = compare(BASELINE, replace(SAME, score=NumericCounts((0.5,), (100, 900))), POLICY)
    assert (verdict.state, verdict.drifted_features()) == (DRIFTED, [])
    assert verdict.prediction is not None and verdict.prediction.drifted
    assert verdict.reason.startswith("The predictions drifted (PSI ")


def test_without_scores_the_predicted_classes_tell() -> None:
    baseline = replace(BASELINE, score=None)
    verdict = compare(baseline, replace(SAME, classes=CategoricalCounts(("late", "on time"), (900, 100))), POLICY)
    assert verdict.prediction is not None and verdict.prediction.drifted


def test_too_few_rows_are_no_verdict() -> None:
    verdict = compare(BASELINE, replace(SAME, rows=499), POLICY)
    assert (verdict.state, verdict.reason) == (
        INSUFFICIENT_DATA,
        "The window has 499 rows and a verdict needs 500.",
    )
    assert (verdict.features, verdict.prediction, verdict.classes, verdict.rows) == ((), None, (), 499)


def test_in_a_small_window_the_threshold_in_force_is_the_noise() -> None:
    small = Profile(60, {"age": NumericCounts((30.0, 60.0), (30, 20, 10)), "city": SAME.features["city"]})
    age = compare(BASELINE, small, Policy(min_rows=50)).features[0]
    assert age.drift is not None
    assert age.drift.threshold > POLICY.psi
    assert not age.drift.drifted


def test_a_features_own_threshold_replaces_the_policys() -> None:
    slightly = with_age(counts=(360, 370, 260))
    assert compare(BASELINE, slightly, POLICY).state == OK
    strict = Policy(features={"age": FeatureLimits(psi=0.0)}, noise_quantile=0.5)
    assert compare(BASELINE, slightly, strict).drifted_features() == ["age"]


def test_a_ratios_limit_is_the_policys_or_the_baselines_ratio_plus_a_margin() -> None:
    age, city = compare(BASELINE, SAME, POLICY).features
    assert age.missing is not None and city.missing is not None
    assert (age.missing.value, age.missing.limit) == (0.01, 0.05)  # 1 % + 2 % is less than the policy's 5 %
    assert (city.missing.value, city.missing.limit) == (0.1, pytest.approx(0.12))
    assert not city.exceeded()


def test_a_features_own_limit_is_its_limit_even_below_the_baselines_ratio() -> None:
    policy = Policy(features={"city": FeatureLimits(missing=0.01)})
    city = compare(BASELINE, SAME, policy).features[1]
    assert city.missing is not None and city.missing.limit == 0.01
    assert city.exceeded() == ["missing"]


def test_a_ratio_above_its_limit_is_in_the_reason_without_being_drift() -> None:
    verdict = compare(BASELINE, with_age(missing=200, defaulted=200), POLICY)
    assert (verdict.state, verdict.reason) == (OK, "Nothing drifted; above a limit: age (missing, defaulted).")


def test_what_nobody_counted_has_no_ratio() -> None:
    age, city = compare(BASELINE, SAME, POLICY).features
    assert age.out_of_range is not None and age.out_of_range.value == 0.005
    assert city.out_of_range is None


def test_a_feature_that_is_missing_everywhere_has_no_score_and_its_ratio_tells() -> None:
    age = compare(BASELINE, with_age(counts=(0, 0, 0), missing=1_000), POLICY).features[0]
    assert age.drift is None
    assert age.exceeded() == ["missing"]


def test_classes_beyond_the_known_ones_are_other_even_beside_a_class_of_that_name() -> None:
    now = replace(SAME, classes=CategoricalCounts(("late", "on time"), (300, 600), other=100))
    assert compare(BASELINE, now, POLICY).classes[-1] == ClassShare("other", 0.1, 0.0)
    baseline = replace(BASELINE, classes=CategoricalCounts(("other", "y"), (5_000, 5_000)))
    now = replace(SAME, classes=CategoricalCounts(("other", "y"), (300, 600), other=100))
    assert compare(baseline, now, POLICY).classes == (ClassShare("other", 0.4, 0.5), ClassShare("y", 0.6, 0.5))


def test_a_verdict_survives_its_document() -> None:
    for verdict in (compare(BASELINE, with_age(missing=300), POLICY), compare(BASELINE, replace(SAME, rows=1), POLICY)):
        assert from_document(verdict.document()) == verdict


def test_the_document_carries_the_flags() -> None:
    plain = compare(BASELINE, with_age(counts=(900, 60, 30), missing=300), POLICY).document()["features"][0]
    assert (plain["name"], plain["drifted"], plain["over_limit"]) == ("age", True, ["missing"])
