"""What a check tolerates. Plain numbers, so that the same policy runs in the room, on the command line and in tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FeatureLimits:
    """One feature's own limits; None leaves the policy's."""

    psi: float | None = None
    missing: float | None = None
    defaulted: float | None = None
    out_of_range: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds of PSI, limits of ratios (0 to 1), and the rows that a verdict needs.

    A ratio's limit without a feature's own is `missing`, `defaulted` or `out_of_range`, or the baseline's ratio plus
    `ratio_margin` where that is higher: a feature that was always missing in a tenth of the rows isn't news.
    """

    psi: float = 0.2
    prediction_psi: float = 0.2
    missing: float = 0.05
    defaulted: float = 0.05
    out_of_range: float = 0.01
    ratio_margin: float = 0.02
    noise_quantile: float = 0.999  # of the PSI of samples without drift: a threshold is never below it
    min_rows: int = 500
    min_baseline_rows: int = 1000
    features: Mapping[str, FeatureLimits] = field(default_factory=dict)

    def limits(self, feature: str) -> FeatureLimits:
        """The feature's own limits."""
        return self.features.get(feature, FeatureLimits())
