"""What is left of an error budget, and which days spent it. Pure.

Summed up from counts: good and bad events of each hour, however long Prometheus keeps its samples, and never a mean of
ratios. An hour about which nothing is known is a gap: it spends nothing, and is shown.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from alerts.objectives import ObjectiveRow

HOUR = timedelta(hours=1)
# What is older than this is no present state: it is not exported any more, and told to be old.
STALE_AFTER = 3 * HOUR


@dataclass(frozen=True, slots=True)
class Budget:
    """The counts over an objective's period up to `until`; `hours` of it are known."""

    objective: ObjectiveRow
    events: float
    bad: float
    hours: int
    until: datetime

    @property
    def left(self) -> float | None:
        """The share of the budget that is left: 1 is untouched, 0 spent, below 0 missed. None without events."""
        if not self.events:
            return None
        return 1 - self.bad / (self.events * float(self.objective.budget))

    @property
    def good_ratio(self) -> float | None:
        """The share of good answers so far; None without events."""
        return 1 - self.bad / self.events if self.events else None

    @property
    def coverage(self) -> float:
        """Which share of the period's hours is known."""
        return min(1.0, self.hours / (self.objective.period_days * 24))

    def is_stale(self, now: datetime) -> bool:
        """Whether it is not the present state: the past is still being read, or counting has stopped."""
        return now - self.until > STALE_AFTER


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour's counts, from `start` on; None where Prometheus had nothing."""

    start: datetime
    events: float | None
    bad: float | None


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the period: which share of the whole budget it spent, and how many of its hours are known."""

    day: date
    spent: float
    hours: int
    events: float

    @property
    def is_gap(self) -> bool:
        """Whether nothing is known of it."""
        return self.hours == 0


def days(budget: Budget, hours: Iterable[Hour]) -> list[Day]:
    """Every day (UTC) of the period, the oldest first; what the days spent adds up to what is spent."""
    first = (budget.until - timedelta(days=budget.objective.period_days)).date()
    last = (budget.until - HOUR).date()
    affordable = budget.events * float(budget.objective.budget)
    bad: dict[date, float] = {}
    known: dict[date, int] = {}
    events: dict[date, float] = {}
    for hour in hours:
        if hour.events is not None and hour.bad is not None:
            day = hour.start.date()
            known[day] = known.get(day, 0) + 1
            bad[day] = bad.get(day, 0) + hour.bad
            events[day] = events.get(day, 0) + hour.events
    every = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [
        Day(d, bad.get(d, 0) / affordable if affordable else 0.0, known.get(d, 0), events.get(d, 0.0)) for d in every
    ]
