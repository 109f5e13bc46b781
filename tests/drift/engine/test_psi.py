"""The population stability index, against an independent formula and against samples that don't drift."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from drift.engine.psi import chi_square_quantile, noise_floor, psi, threshold_in_force

COUNTS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=1, max_size=30)
FULL_BINS = st.lists(st.tuples(st.integers(100, 10_000), st.integers(100, 10_000)), min_size=2, max_size=30)


@given(FULL_BINS)
def test_equals_the_textbook_formula_where_no_bin_is_empty(pairs: list[tuple[int, int]]) -> None:
    baseline, current = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    p, q = baseline / baseline.sum(), current / current.sum()
    result = psi([a for a, _ in pairs], [b for _, b in pairs])
    floor = max(0.0001, 0.5 / min(baseline.sum(), current.sum()))
    assert result is not None
    if min(p.min(), q.min()) >= floor:
        assert result.score == pytest.approx(float(np.sum((q - p) * np.log(q / p))), rel=1e-9, abs=1e-12)


@given(COUNTS)
def test_is_never_negative_and_the_same_both_ways(pairs: list[tuple[int, int]]) -> None:
    baseline, current = [a for a, _ in pairs], [b for _, b in pairs]
    there, back = psi(baseline, current), psi(current, baseline)
    if there is None:
        assert sum(baseline) == 0 or sum(current) == 0
        assert back is None
    else:
        assert there.score >= 0
        assert back is not None and back.score == pytest.approx(there.score)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30).filter(sum))
def test_is_zero_on_itself_and_on_any_multiple_of_itself_without_empty_bins(counts: list[int]) -> None:
    assert psi(counts, counts).score == 0  # type: ignore[union-attr]
    full = [count + 10 for count in counts]
    assert psi(full, [count * 7 for count in full]).score == pytest.approx(0, abs=1e-12)  # type: ignore[union-attr]


def test_an_emptied_bin_counts_as_a_ten_thousandth_in_large_samples() -> None:
    result = psi([50_000, 50_000], [100_000, 0])
    assert result is not None
    expected = (1 - 0.5) * np.log(1 / 0.5) + (0.0001 - 0.5) * np.log(0.0001 / 0.5)
    assert result.score == pytest.approx(expected)


def test_an_emptied_bin_counts_as_half_a_row_in_small_samples() -> None:
    result = psi([98_000, 2_000], [200, 0])
    assert result is not None
    expected = (1 - 0.98) * np.log(1 / 0.98) + (0.0025 - 0.02) * np.log(0.0025 / 0.02)
    assert result.score == pytest.approx(expected)


def test_there_is_no_score_without_rows_on_both_sides() -> None:
    assert psi([0, 0], [1, 2]) is None
    assert psi([1, 2], [0, 0]) is None


@pytest.mark.parametrize("degrees", [1, 2, 3, 5, 9, 13, 20, 50])
def test_the_chi_square_quantile_is_within_four_percent_and_errs_towards_silence(degrees: int) -> None:
    exact = stats.chi2.ppf(0.999, degrees)
    assert exact <= chi_square_quantile(degrees, 0.999) <= exact * 1.04


def test_the_noise_floor_is_the_chi_square_quantile_over_the_harmonic_sample_size() -> None:
    assert noise_floor(10_000, 500, 10, 0.999) == pytest.approx(
        stats.chi2.ppf(0.999, 9) * (10_500 / (10_000 * 500)), rel=0.01
    )


@pytest.mark.parametrize("rows", [200, 500, 2_000])
def test_samples_of_one_population_almost_never_pass_the_noise_floor(rows: int) -> None:
    random = np.random.default_rng(7)
    shares = np.array([0.25, 0.2, 0.15, 0.1, 0.1, 0.08, 0.05, 0.04, 0.02, 0.01])
    trials, alarms = 2_000, 0
    for _ in range(trials):
        result = psi(random.multinomial(20_000, shares).tolist(), random.multinomial(rows, shares).tolist())
        assert result is not None
        alarms += result.score > threshold_in_force(result, 0.0, 0.999)
    assert alarms / trials <= 0.005


def test_the_threshold_in_force_is_the_policys_in_large_samples_and_the_noise_in_small_ones() -> None:
    large, small = psi([5_000] * 10, [800] * 10), psi([5_000] * 10, [4] * 10)
    assert large is not None and small is not None
    assert threshold_in_force(large, 0.2, 0.999) == 0.2
    assert threshold_in_force(small, 0.2, 0.999) == noise_floor(50_000, 40, 10, 0.999) > 0.2
