"""What a past of good and bad answers makes of an objective's tiers: which of them fire, and when. Pure.

It does the recording rules' arithmetic a second time, in plain numbers, so that a proof knows what to expect of all
tiers at once: they read the same series, and what makes one fire may make others fire as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from alerts.burn_rate import Tier
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
    """Stretches one after the other, with `per_second` events throughout and a sample every `step` seconds.

    `base`: the window, in seconds, over which rates are taken.
    """

    stretches: tuple[Stretch, ...]
    per_second: float
    step: int
    base: int

    @property
    def steps(self) -> int:
        return sum(stretch.steps for stretch in self.stretches)

    def bad_ratio(self, window: int, at: int) -> float:
        """The recorded ratio over `window` seconds after `at` steps: a mean of rates, as far as there are any."""
        kept = 1 if window == self.base else window // self.step + 1
        first = max(0, at - kept)
        return (self._summed[at] - self._summed[first]) / (at - first)

    @cached_property
    def _summed(self) -> list[float]:
        """After each step, the sum of the rates so far."""
        shares = [stretch.bad for stretch in self.stretches for _ in range(stretch.steps)]
        counted = [0.0, *accumulate(shares)]
        reach = self.base // self.step
        # The first rate takes two samples.
        rates = [(counted[n] - counted[max(0, n - reach)]) / min(n, reach) for n in range(1, len(counted))]
        return [0.0, *accumulate(rates)]


def firing(
    history: History, at: int, objective: ObjectiveRow, tiers: Sequence[Tier], options: RenderOptions
) -> tuple[Tier, ...] | None:
    """The tiers that fire after `at` steps; None where it is too near to one's limit to say."""
    days = objective.period_days
    found = []
    for tier in tiers:
        limit = float(tier.threshold(objective))
        windows = (tier.long_window(days), tier.short_window(days, options))
        # Where one window is clearly good, the other one does not matter.
        lower = min(history.bad_ratio(window, at) for window in windows)
        if lower >= limit * (1 + _MARGIN):
            found.append(tier)
        elif lower > limit * (1 - _MARGIN):
            return None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Look:
    """After so many steps, these tiers fire."""

    at: int
    fires: tuple[Tier, ...]


def turns(
    history: History, objective: ObjectiveRow, tiers: Sequence[Tier], options: RenderOptions, since: int
) -> list[Look]:
    """The last look before, and the first one after, each change of what fires; and the end. From `since` steps on."""
    told = [
        Look(at, found)
        for at in range(since, history.steps + 1)
        if (found := firing(history, at, objective, tiers, options)) is not None
    ]
    kept = {look for before, after in pairwise(told) if before.fires != after.fires for look in (before, after)}
    return sorted(kept | set(told[-1:]), key=lambda look: look.at)
