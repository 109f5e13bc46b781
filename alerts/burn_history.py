"""What a past of good and bad answers makes of an objective's tiers: which of them fire at its end. Pure.

It does the recording rules' arithmetic a second time, in plain numbers, so that a proof knows what to expect of all
tiers at once: they read the same series, and what makes one fire may make others fire as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from alerts.burn_rate import Tier, base_window
from alerts.objectives import ObjectiveRow
from alerts.options import RenderOptions

# A ratio this near to its limit, relatively, proves nothing: rates are extrapolated.
_MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class Stretch:
    """So many steps in which this share of the events was bad."""

    steps: int
    bad: float


@dataclass(frozen=True)
class History:
    """Stretches one after the other, with `per_second` events throughout and a sample every `step` seconds."""

    stretches: tuple[Stretch, ...]
    per_second: float
    step: int

    @property
    def steps(self) -> int:
        return sum(stretch.steps for stretch in self.stretches)

    @property
    def shares(self) -> list[float]:
        """Of each step, how much was bad."""
        return [stretch.bad for stretch in self.stretches for _ in range(stretch.steps)]


def firing(
    history: History, objective: ObjectiveRow, tiers: Sequence[Tier], options: RenderOptions
) -> tuple[Tier, ...] | None:
    """The tiers that fire at the history's end; None where it is too near to one's limit to say."""
    days = objective.period_days
    found = []
    for tier in tiers:
        limit = float(tier.threshold(objective))
        windows = (tier.long_window(days), tier.short_window(days, options))
        ratios = [bad_ratio(history, window, base_window(days, options)) for window in windows]
        # Where one window is clearly good, the other one does not matter.
        if min(ratios) >= limit * (1 + _MARGIN):
            found.append(tier)
        elif min(ratios) > limit * (1 - _MARGIN):
            return None
    return tuple(found)


def bad_ratio(history: History, window: int, base: int) -> float:
    """The recorded ratio over the last `window` seconds: a mean of rates over `base`, as far as there are any."""
    counted = [0.0, *accumulate(history.shares)]
    reach = base // history.step
    # The first rate takes two samples.
    rates = [(counted[n] - counted[max(0, n - reach)]) / min(n, reach) for n in range(1, len(counted))]
    kept = 1 if window == base else window // history.step + 1
    return sum(rates[-kept:]) / len(rates[-kept:])
