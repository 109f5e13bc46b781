"""Invariant 6: drift is never computed against a baseline that can't be trusted, and the refusal says why."""

from dataclasses import replace

import pytest

from drift.engine.baseline import DAY, BaselineFacts, Expected, baseline_problem
from drift.engine.policy import Policy
from drift.engine.profile import CategoricalCounts, NumericCounts, Profile
from drift.engine.verdict import BASELINE_MISMATCH, BASELINE_STALE, INSUFFICIENT_DATA

PROFILE = Profile(5_000, {"age": NumericCounts((30.0,), (2_500, 2_500)), "city": CategoricalCounts(("n",), (5_000,))})
GOOD = BaselineFacts(
    document=PROFILE.document(),
    sha256=PROFILE.content_hash(),
    frozen=True,
    population="adults",
    age_seconds=3 * DAY,
    max_age_seconds=30 * DAY,
)
EXPECTED = Expected("adults", {"age": "numeric", "city": "categorical"})


def test_a_frozen_fresh_large_baseline_of_the_same_population_and_schema_is_used() -> None:
    assert baseline_problem(GOOD, EXPECTED, Policy()) is None
    assert baseline_problem(replace(GOOD, age_seconds=9e9, max_age_seconds=None), EXPECTED, Policy()) is None


@pytest.mark.parametrize(
    ("baseline", "expected", "state", "reason"),
    [
        (None, EXPECTED, BASELINE_MISMATCH, "has no baseline"),
        (replace(GOOD, frozen=False), EXPECTED, BASELINE_MISMATCH, "isn't frozen"),
        (replace(GOOD, age_seconds=31 * DAY), EXPECTED, BASELINE_STALE, "31.0 days old and may be 30.0"),
        (GOOD, replace(EXPECTED, population="children"), BASELINE_MISMATCH, "population 'adults', the traffic of 'chi"),
        (replace(GOOD, document={"schema": 9}), EXPECTED, BASELINE_MISMATCH, "schema is 9"),
        (replace(GOOD, sha256="0" * 64), EXPECTED, BASELINE_MISMATCH, "content has changed since it was frozen"),
        (GOOD, replace(EXPECTED, features={"age": "numeric"}), BASELINE_MISMATCH, "it has city, which the model has"),
        (GOOD, replace(EXPECTED, features={**EXPECTED.features, "x": "numeric"}), BASELINE_MISMATCH, "it lacks x"),
        (
            GOOD,
            replace(EXPECTED, features={**EXPECTED.features, "age": "categorical"}),
            BASELINE_MISMATCH,
            "age is numeric in it and categorical in the model",
        ),
    ],
)
def test_any_other_is_refused_with_a_state_and_a_reason(
    baseline: BaselineFacts | None, expected: Expected, state: str, reason: str
) -> None:
    problem = baseline_problem(baseline, expected, Policy())
    assert problem is not None
    assert problem.state == state
    assert reason in problem.reason


def test_a_baseline_that_is_too_small_is_insufficient_data() -> None:
    problem = baseline_problem(GOOD, EXPECTED, Policy(min_baseline_rows=5_001))
    assert problem is not None and problem.state == INSUFFICIENT_DATA
    assert problem.reason == "The baseline has 5000 rows and a comparison needs 5001."
