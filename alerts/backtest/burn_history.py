"""What a past of good and bad answers makes of an objective's tiers: which of them fire, and when. Pure.

It does the recording rules' arithmetic a second time, in plain numbers, so that a proof knows what to expect of all
tiers at once: they read the same series, and what makes one fire may make others fire as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from alerts.burn_rate import Tier, enough_bad
from alerts.kind import Scope
from alerts.objectives import ObjectiveRow

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

    `base`: the window, in seconds, over which rates are taken. `interval`: seconds that the rules take a recorded rate
    to stand for, whatever pace a proof evaluates them at.
    """

    stretches: tuple[Stretch, ...]
    per_second: float
    step: int
    base: int
    interval: int

    @property
    def steps(self) -> int:
        return sum(stretch.steps for stretch in self.stretches)

    def bad_ratio(self, window: int, at: int) -> float:
        """The recorded ratio over `window` seconds after `at` steps: a mean of rates, as far as there are any."""
        first = self._first(window, at)
        return (self._summed[at] - self._summed[first]) / (at - first)

    def bad_count(self, window: int, at: int) -> float:
        """The recorded number of bad answers over `window` seconds after `at` steps: the rates, added up."""
        return (self._counted[at] - self._counted[self._first(window, at)]) * self.per_second * self.interval

    def _first(self, window: int, at: int) -> int:
        return max(0, at - (1 if window == self.base else window // self.step + 1))

    @cached_property
    def _summed(self) -> list[float]:
        """After each step, the sum of the rates so far."""
        return [0.0, *accumulate(self._rates)]

    @cached_property
    def _counted(self) -> list[float]:
        """The same; a counter that began at 0 within the window has grown by as much as it shows, and no more."""
        return [0.0, *accumulate(r * min(1, n * self.step / self.base) for n, r in enumerate(self._rates, start=1))]

    @cached_property
    def _rates(self) -> list[float]:
        """The share of bad answers at each step, as rates smooth it."""
        shares = [stretch.bad for stretch in self.stretches for _ in range(stretch.steps)]
        counted = [0.0, *accumulate(shares)]
        reach = self.base // self.step
        # The first rate takes two samples.
        return [(counted[n] - counted[max(0, n - reach)]) / min(n, reach) for n in range(1, len(counted))]


def firing(
    history: History, at: int, objective: ObjectiveRow, tiers: Sequence[Tier], scope: Scope
) -> tuple[Tier, ...] | None:
    """The tiers that fire after `at` steps; None where it is too near to one's limit to say."""
    days = objective.period_days
    enough = enough_bad(scope)
    found = []
    for tier in tiers:
        limit = float(tier.threshold(objective))
        windows = (tier.long_window(days), tier.short_window(days, scope.options))
        # Where one window is clearly good, or too little is bad, the other condition does not matter.
        lower = min(history.bad_ratio(window, at) for window in windows) / limit
        if enough > 0:
            lower = min(lower, history.bad_count(windows[0], at) / enough)
        if lower >= 1 + _MARGIN:
            found.append(tier)
        elif lower > 1 - _MARGIN:
            return None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Look:
    """After so many steps, these tiers fire."""

    at: int
    fires: tuple[Tier, ...]


def turns(history: History, objective: ObjectiveRow, tiers: Sequence[Tier], scope: Scope, since: int) -> list[Look]:
    """The last look before, and the first one after, each change of what fires; and the end. From `since` steps on."""
    told = [
        Look(at, found)
        for at in range(since, history.steps + 1)
        if (found := firing(history, at, objective, tiers, scope)) is not None
    ]
    kept = {look for before, after in pairwise(told) if before.fires != after.fires for look in (before, after)}
    return sorted(kept | set(told[-1:]), key=lambda look: look.at)
