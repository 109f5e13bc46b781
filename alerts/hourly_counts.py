"""Counting what objectives count, hour by hour, from Prometheus into the database.

1. An objective is counted from the beginning of its period, as far as Prometheus keeps samples, to the last full hour.
2. One run asks for some hours, of all objectives that lack them, with a query for each sort of count.
3. The rows and how far they reach are written together; a row that is there already stays, so repeating is harmless.
   An objective that was edited meanwhile counts something else by now: what was asked for it is dropped.
4. The sums over the period are taken once for what was counted, so that nobody has to add up thousands of rows later.

An hour that Prometheus knows nothing of is written as a gap. While it can't be reached nothing is written: the hours
are asked for when it is back, if it still has them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum

from alerts.backtest.recorded_past import retention_seconds
from alerts.burn_rate import bucket
from alerts.error_budget import HOUR, Budget
from alerts.expressions import increase, sum_by
from alerts.models import ErrorBudget, HourlyCount, Objective
from alerts.objectives import LATENCY, PERIOD_DAYS
from alerts.prometheus import Prometheus
from alerts.recording import NOT_INVALID_INPUT
from telemetry import names, promql

# Behind the end of an hour its last samples may still be on their way.
SETTLING = timedelta(minutes=2)
# A long past is asked for in pieces, one a run: Prometheus has other things to do.
HOURS_AT_ONCE = 12
QUERY_SECONDS = 20.0
_BATCH = 500
_LABELS = (names.MODEL, names.ROUTE)

# (model, route, end of the hour in seconds since the epoch) -> how many.
Counted = dict[tuple[str, str, int], float]


@dataclass(frozen=True, slots=True)
class Counting:
    """One run: how many hours were counted, of how many objectives, and how many of them still lack some."""

    hours: int = 0
    objectives: int = 0
    behind: int = 0

    def __str__(self) -> str:
        behind = f", {self.behind} still behind" if self.behind else ""
        objectives = "1 objective" if self.objectives == 1 else f"{self.objectives} objectives"
        return f"{self.hours} h counted for {objectives}{behind}"


def collect_error_budgets(prometheus: Prometheus, now: datetime) -> Counting:
    """Count the next hours that are lacking. Raises Unreachable or Refused: then nothing was written."""
    end = _hour(now - SETTLING)
    lacking = _lacking(end)
    if not lacking:
        return Counting()
    kept = retention_seconds(prometheus.runtime().retention)
    # The first hour of which Prometheus can still have all.
    earliest = _hour(now - timedelta(seconds=kept)) + HOUR if kept is not None else None
    starts = {objective.pk: _start(objective, end, earliest) for objective in lacking}
    start = min(starts.values())
    until = min(end, start + HOURS_AT_ONCE * HOUR)
    asked = [objective for objective in lacking if starts[objective.pk] < until]
    written = _write(asked, starts, until, _counts(prometheus, asked, start, until))
    _sum_up(written, until)
    return Counting(
        hours=round((until - start) / HOUR),
        objectives=len(written),
        behind=len(lacking) if until < end else len(lacking) - len(written),
    )


def is_due(now: datetime) -> bool:
    """Whether a full hour of some objective is not counted yet: a short question, for the loop to ask often."""
    return _uncounted(_hour(now - SETTLING)).exists()


def budget_of(objective: Objective) -> Budget | None:
    """What is known of the objective's budget (its row selected along); None before anything was counted."""
    found = getattr(objective, "budget", None)
    if found is None:
        return None
    return Budget(objective.row(), found.events, found.bad, found.hours, found.counted_until)


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _lacking(end: datetime) -> list[Objective]:
    """The objectives that are not counted up to `end`, in one query."""
    return list(_uncounted(end).select_related("model", "budget").order_by("pk"))


def _uncounted(end: datetime) -> QuerySet[Objective]:
    return Objective.objects.filter(Q(budget=None) | Q(budget__counted_until__lt=end))


def _start(objective: Objective, end: datetime, earliest: datetime | None) -> datetime:
    """The first hour to ask for."""
    known = budget_of(objective)
    begin = end - timedelta(days=objective.period_days)
    if known is not None:
        begin = max(begin, known.until)
    return min(end, begin if earliest is None else max(begin, earliest))


def _counts(
    prometheus: Prometheus, objectives: Sequence[Objective], start: datetime, until: datetime
) -> dict[tuple[str, float | None], tuple[Counted, Counted]]:
    """(kind, latency limit) -> events and bad events, by model, route and hour."""
    alike: dict[tuple[str, float | None], list[Objective]] = defaultdict(list)
    for objective in objectives:
        alike[objective.kind, objective.latency_seconds].append(objective)

    def asked(metric: str, *matchers: str) -> Counted:
        expression = sum_by(_LABELS, increase(metric, "1h", *matchers)).text
        found = prometheus.query_range(expression, (start + HOUR).timestamp(), until.timestamp(), HOUR.total_seconds())
        return {
            (series.labels[names.MODEL], series.labels[names.ROUTE], round(at)): count
            for series in found
            for at, count in series.points
        }

    counts = {}
    for (kind, limit), held in alike.items():
        which = promql.one_of(names.MODEL, (objective.model.name for objective in held))
        if kind == LATENCY and limit is not None:
            buckets = f"{names.LATENCY}_bucket"
            events, fast = asked(buckets, which, promql.equals("le", "+Inf")), asked(buckets, which, bucket(limit))
            # Without the limit's bucket nothing is known.
            bad = {key: max(0.0, count - fast[key]) for key, count in events.items() if key in fast}
        else:
            events, failed = asked(names.REQUESTS, which), asked(names.ERRORS, which, NOT_INVALID_INPUT)
            bad = {key: failed.get(key, 0.0) for key in events}
        counts[kind, limit] = (events, bad)
    return counts


def _write(
    asked: Sequence[Objective],
    starts: dict[int, datetime],
    until: datetime,
    counts: dict[tuple[str, float | None], tuple[Counted, Counted]],
) -> list[Objective]:
    """The rows, and how far they reach; the objectives for which they were written."""
    with transaction.atomic():
        now_stored = {o.pk: o for o in Objective.objects.select_for_update().filter(pk__in=[o.pk for o in asked])}
        written = [o for o in asked if o.pk in now_stored and _counts_the_same(o, now_stored[o.pk])]
        rows = [row for objective in written for row in _rows(objective, starts[objective.pk], until, counts)]
        HourlyCount.objects.bulk_create(rows, batch_size=_BATCH, ignore_conflicts=True)
        ErrorBudget.objects.bulk_create(
            [ErrorBudget(objective=objective, counted_until=until) for objective in written],
            batch_size=_BATCH,
            update_conflicts=True,
            unique_fields=["objective"],
            update_fields=["counted_until"],
        )
        HourlyCount.objects.filter(hour__lt=until - timedelta(days=PERIOD_DAYS[1])).delete()
    return written


def _counts_the_same(one: Objective, other: Objective) -> bool:
    fields = ("kind", "route", "latency_seconds", "period_days")
    return all(getattr(one, name) == getattr(other, name) for name in fields)


def _rows(
    objective: Objective,
    start: datetime,
    until: datetime,
    counts: dict[tuple[str, float | None], tuple[Counted, Counted]],
) -> Iterable[HourlyCount]:
    events, bad = counts[objective.kind, objective.latency_seconds]
    for n in range(round((until - start) / HOUR)):
        hour = start + n * HOUR
        key = (objective.model.name, objective.route, round((hour + HOUR).timestamp()))
        known = key in events and key in bad
        yield HourlyCount(
            objective=objective, hour=hour, events=events[key] if known else None, bad=bad[key] if known else None
        )


def _sum_up(objectives: Sequence[Objective], until: datetime) -> None:
    """The sums over each one's own period."""
    by_period: dict[int, list[int]] = defaultdict(list)
    for objective in objectives:
        by_period[objective.period_days].append(objective.pk)
    for days, ids in by_period.items():
        hours = HourlyCount.objects.filter(
            objective__period_days=days, hour__gte=until - timedelta(days=days), hour__lt=until
        )
        sums = hours.values("objective_id").annotate(all=Sum("events"), bad=Sum("bad"), known=Count("events"))
        found = {row["objective_id"]: row for row in sums}
        budgets = [
            ErrorBudget(
                objective_id=pk, events=found[pk]["all"] or 0, bad=found[pk]["bad"] or 0, hours=found[pk]["known"]
            )
            for pk in ids
            if pk in found
        ]
        ErrorBudget.objects.bulk_update(budgets, ["events", "bad", "hours"], batch_size=_BATCH)
