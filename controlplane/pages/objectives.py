"""A model's objectives on its page: what was promised, what is left of the error budget, and which days spent it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.annotations import readable
from alerts.burn_rate import left_out
from alerts.error_budget import Budget, Day, Hour, days
from alerts.hourly_counts import budget_of
from alerts.models import HourlyCount, Objective
from alerts.objectives import PERIOD_DAYS, ObjectiveRow
from models_registry.models import MLModel

# A day that spends so many times its even share of the budget fills its bar.
_FULL = 4


@dataclass(frozen=True, slots=True)
class DayBar:
    """One day: `level` is good, notice, bad or gap; `height` 0 to 1."""

    level: str
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class ObjectiveShown:
    """One objective as the page tells it. `level` as of badges."""

    name: str
    promise: str
    level: str
    left: str
    good: str
    known: str
    until: datetime | None
    stale: bool
    bars: tuple[DayBar, ...]
    left_out: str


def objectives_shown(model: MLModel, now: datetime) -> list[ObjectiveShown]:
    """By name, in two queries."""
    objectives = Objective.objects.filter(model=model).select_related("model", "budget").order_by("name")
    hours: dict[int, list[Hour]] = defaultdict(list)
    since = now - timedelta(days=PERIOD_DAYS[1])
    for row in HourlyCount.objects.filter(objective__model=model, hour__gte=since).order_by("hour"):
        hours[row.objective_id].append(Hour(row.hour, row.events, row.bad))
    return [_shown(objective, hours[objective.pk], now) for objective in objectives]


def _shown(objective: Objective, hours: list[Hour], now: datetime) -> ObjectiveShown:
    row, budget = objective.row(), budget_of(objective)
    left = budget.left if budget is not None else None
    tiers = left_out(row)
    return ObjectiveShown(
        name=row.name,
        promise=_promise(row),
        level=_level(left),
        left="unknown" if left is None else readable(round(left, 3), "ratio"),
        good="unknown"
        if budget is None or budget.good_ratio is None
        else readable(round(budget.good_ratio, 6), "ratio"),
        known=f"{budget.hours if budget is not None else 0} of {row.period_days * 24} h",
        until=budget.until if budget is not None else None,
        stale=budget is not None and budget.is_stale(now),
        bars=tuple(_bar(day, row.period_days) for day in days(budget, _within(hours, budget))) if budget else (),
        left_out=", ".join(f"{tier.name} ({tier.factor:f} x {readable(float(row.budget), 'ratio')})" for tier in tiers),
    )


def _within(hours: list[Hour], budget: Budget) -> list[Hour]:
    begin = budget.until - timedelta(days=budget.objective.period_days)
    return [hour for hour in hours if begin <= hour.start < budget.until]


def _promise(row: ObjectiveRow) -> str:
    what = "without an error" if row.latency_seconds is None else f"within {row.latency_seconds:g} s"
    return f"{readable(row.target, 'ratio')} of {row.route} {what}, over {row.period_days} d"


def _level(left: float | None) -> str:
    if left is None:
        return "unknown"
    return "bad" if left <= 0 else "notice" if left < 0.25 else "good"


def _bar(day: Day, period_days: int) -> DayBar:
    if day.is_gap:
        return DayBar("gap", 1.0, f"{day.day}: nothing is known")
    even = day.spent * period_days
    level = "good" if even <= 1 else "notice" if even <= _FULL else "bad"
    told = f"{day.day}: {readable(round(day.spent, 4), 'ratio')} of the budget spent, {day.events:.0f} answers"
    return DayBar(level, min(1.0, even / _FULL), told + (f", {day.hours} h known" if day.hours < 24 else ""))
