"""The population stability index and the threshold that is in force for a sample of a given size. No I/O, no SciPy.

PSI of two binned samples with shares p (baseline) and q (current) is sum((q - p) * ln(q / p)), the symmetric
Kullback-Leibler divergence (Jeffreys 1946; in credit scoring: Siddiqi, Credit Risk Scorecards, 2006).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

METHOD = "psi"

# An empty bin would make the logarithm infinite. Its share is taken as 0.0001, the convention of Evidently and others,
# or as half a row of the smaller sample where that is more (Haldane 1956, Anscombe 1956): in a small sample an empty
# bin is weak evidence and must not weigh like a vanished population.
SMALLEST_SHARE = 0.0001
ROWS_OF_AN_EMPTY_BIN = 0.5


@dataclass(frozen=True, slots=True)
class Psi:
    """A score, and the size of what it compared: rows with a value on each side, bins that hold any row."""

    score: float
    baseline_rows: int
    current_rows: int
    bins: int


def psi(baseline: Sequence[int], current: Sequence[int]) -> Psi | None:
    """The PSI of `current` against `baseline`, rows per bin in the same order; None where either has no row."""
    baseline_rows, current_rows = sum(baseline), sum(current)
    if not baseline_rows or not current_rows:
        return None
    floor = max(SMALLEST_SHARE, ROWS_OF_AN_EMPTY_BIN / min(baseline_rows, current_rows))
    score, bins = 0.0, 0
    for before, now in zip(baseline, current, strict=True):
        if before or now:
            p, q = max(before / baseline_rows, floor), max(now / current_rows, floor)
            score += (q - p) * math.log(q / p)
            bins += 1
    return Psi(score, baseline_rows, current_rows, bins)


def noise_floor(baseline_rows: int, current_rows: int, bins: int, quantile: float) -> float:
    """The PSI that two samples of one population stay under with probability `quantile`.

    Without drift, PSI * N * M / (N + M) is close to chi-square with `bins - 1` degrees of freedom (Yurdakul,
    Statistical Properties of Population Stability Index, 2018).
    """
    if bins < 2:
        return 0.0
    return chi_square_quantile(bins - 1, quantile) * (1 / baseline_rows + 1 / current_rows)


def chi_square_quantile(degrees: int, quantile: float) -> float:
    """The chi-square quantile by Wilson and Hilferty (1931): at 0.999 it is 3 % high for one degree of freedom and
    within 1 % from six, never low."""
    spread = 2 / (9 * degrees)
    return degrees * (1 - spread + NormalDist().inv_cdf(quantile) * math.sqrt(spread)) ** 3


def threshold_in_force(result: Psi, threshold: float, quantile: float) -> float:
    """The policy's effect `threshold`, or the noise of samples of this size where that is higher."""
    return max(threshold, noise_floor(result.baseline_rows, result.current_rows, result.bins, quantile))
