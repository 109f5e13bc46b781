"""How fast an error budget burns: windows, factors and the recorded series that alerts compare. Pure.

A burn rate of 1 spends the budget exactly within the period. Each tier looks at a long window, so that it is worth
waking somebody, and at a short one, so that it ends soon after the burning does (Google's SRE Workbook, chapter 5,
"Multiwindow, Multi-Burn-Rate Alerts": 14.4x over 1h and 5m, 6x over 6h and 30m, 3x over 1d and 2h, 1x over 3d and 6h).
The windows scale with the period, so that a tier always stands for the same share of the budget; the factors stay.

Where few ask, a single bad answer is a large share: of 60 an hour it burns a budget of 0.1 % 17 times too fast. The
same chapter ("Low-Traffic Services and Error Budget Alerting") leaves that to artificial traffic or a milder objective.
Here a tier also takes a number of bad answers in its long window, so that one or two of them tell nothing, while an
outage is told however few ask.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Any

from alerts.expressions import Expr, call, over_window, rate, series, sum_by
from alerts.guards import REQUESTS_PER_MINUTE
from alerts.kind import Parameter, Scope
from alerts.objectives import LATENCY, ObjectiveRow
from alerts.options import RenderOptions
from alerts.recording import NOT_INVALID_INPUT
from telemetry import names, promql

FILE = "prometheus/rules/objectives.yml"
NOMINAL_DAYS = 30
PAGE_FAST, PAGE_SLOW, TICKET_FAST, TICKET_SLOW = "page-fast", "page-slow", "ticket-fast", "ticket-slow"
# A rate needs so many scrapes in its window to survive one that fails.
_SCRAPES_IN_A_WINDOW = 4
# Windows of hours and days change slowly: they are evaluated every so many times that the others are.
_SLOW_PACE = 2
_LABELS = (names.MODEL, names.ROUTE)
BAD_ANSWERS = Parameter(
    "bad_answers",
    3,
    "Fewer bad answers than this in a tier's long window are chance, whatever share they are.",
    maximum=1e6,
)


@dataclass(frozen=True, slots=True)
class Tier:
    """One urgency. The windows are seconds for a period of 30 days."""

    name: str
    severity: str
    factor: Decimal
    long: int
    short: int

    def threshold(self, objective: ObjectiveRow) -> Decimal:
        """The share of bad answers above which the budget burns at the factor; from 1 on it can't be passed."""
        return self.factor * objective.budget

    def can_fire(self, objective: ObjectiveRow) -> bool:
        """Whether more than the threshold can be bad."""
        return self.threshold(objective) < 1

    def long_window(self, days: int) -> int:
        """Seconds, for a period of `days`."""
        return self.long * days // NOMINAL_DAYS

    def short_window(self, days: int, options: RenderOptions) -> int:
        """Seconds; never too short for the scrape interval."""
        return max(self.short * days // NOMINAL_DAYS, shortest_window(options))


TIERS = (
    Tier(PAGE_FAST, "page", Decimal("14.4"), 3600, 300),
    Tier(PAGE_SLOW, "page", Decimal(6), 6 * 3600, 1800),
    Tier(TICKET_FAST, "ticket", Decimal(3), 86400, 7200),
    Tier(TICKET_SLOW, "ticket", Decimal(1), 3 * 86400, 6 * 3600),
)


def left_out(objective: ObjectiveRow) -> tuple[Tier, ...]:
    """The tiers that no share of bad answers could reach: so lenient is the target."""
    return tuple(tier for tier in TIERS if not tier.can_fire(objective))


def shortest_window(options: RenderOptions) -> int:
    """Seconds."""
    return _SCRAPES_IN_A_WINDOW * options.scrape_interval


def base_window(days: int, options: RenderOptions) -> int:
    """Seconds over which the counters' rates are taken: the other windows are averages of those."""
    return TIERS[0].short_window(days, options)


def windows(days: int, options: RenderOptions) -> list[int]:
    """Every window of a period of `days`, in seconds, each once."""
    return sorted({w for tier in TIERS for w in (tier.long_window(days), tier.short_window(days, options))})


def burning(tier: Tier, objectives: Iterable[ObjectiveRow], days: int, scope: Scope) -> Expr | None:
    """Where the budgets of `objectives`, all of that period, burn at the tier's factor in both of its windows.

    Too few answers, or bad ones, over the long window are too few to judge by. None where no one can fire.
    """
    # One branch for each target and name, however many models share them.
    alike: dict[tuple[Decimal, str], list[str]] = defaultdict(list)
    for objective in objectives:
        if tier.can_fire(objective):
            alike[tier.threshold(objective), objective.name].append(objective.model)
    long = promql.duration(tier.long_window(days))
    short = promql.duration(tier.short_window(days, scope.options))
    on = (names.MODEL, names.OBJECTIVE)
    found: Expr | None = None
    for (limit, name), models in sorted(alike.items()):
        which = (promql.one_of(names.MODEL, models), promql.equals(names.OBJECTIVE, name), of_period(days))
        over_long = series(names.recorded(names.OBJECTIVE_BAD_RATIO, long), *which).above(float(limit))
        over_short = series(names.recorded(names.OBJECTIVE_BAD_RATIO, short), *which).above(float(limit))
        events = series(names.recorded(names.OBJECTIVE_EVENTS, long), *which)
        asked = events.times(60).at_least(scope.limit(REQUESTS_PER_MINUTE.name))
        # Whole answers: rates reckon beyond the first and the last sample.
        bad = call("round", series(names.recorded(names.OBJECTIVE_BAD_COUNT, long), *which))
        enough = bad.at_least(scope.limit(BAD_ANSWERS.name))
        branch = over_long.and_on(on, over_short).and_on(on, asked).and_on(on, enough)
        found = branch if found is None else found.otherwise(branch)
    return found


def enough_bad(scope: Scope) -> float:
    """From how many bad answers on there are enough, before they are rounded to whole ones."""
    return ceil(scope.limit(BAD_ANSWERS.name)) - 0.5


def bad_share(tier: Tier, objectives: Sequence[ObjectiveRow], days: int) -> Expr:
    """Which share of the answers was bad over the tier's long window, objective by objective."""
    return _over_long(names.OBJECTIVE_BAD_RATIO, tier, objectives, days)


def bad_count(tier: Tier, objectives: Sequence[ObjectiveRow], days: int) -> Expr:
    """How many answers were bad over the tier's long window, objective by objective."""
    return _over_long(names.OBJECTIVE_BAD_COUNT, tier, objectives, days)


def _over_long(prefix: str, tier: Tier, objectives: Sequence[ObjectiveRow], days: int) -> Expr:
    named = promql.one_of(names.OBJECTIVE, sorted({objective.name for objective in objectives}))
    models = promql.one_of(names.MODEL, sorted({objective.model for objective in objectives}))
    record = names.recorded(prefix, promql.duration(tier.long_window(days)))
    return series(record, models, named, of_period(days))


def tolerated(tier: Tier, objectives: Sequence[ObjectiveRow], days: int) -> Expr:
    """The share above which the tier's alert is due, objective by objective, where anything was measured."""
    found: Expr | None = None
    for objective in objectives:
        limit = bad_share(tier, [objective], days).times(0).plus(float(tier.threshold(objective)))
        found = limit if found is None else found.otherwise(limit)
    if found is None:
        raise ValueError("There is no objective to look at.")
    return found


def of_period(days: int) -> str:
    """Matches the recorded series of objectives with that period."""
    return promql.equals(names.PERIOD, f"{days}d")


def groups_of(days: int) -> tuple[str, str]:
    """The recording groups of a period, in the order in which they read each other."""
    return f"ml-objectives:{days}d", f"ml-objectives-slow:{days}d"


def recording_groups(objectives: Sequence[ObjectiveRow], options: RenderOptions) -> list[dict[str, Any]]:
    """The groups of every period, as Prometheus' rule files hold them."""
    by_period: dict[int, list[ObjectiveRow]] = defaultdict(list)
    for objective in objectives:
        by_period[objective.period_days].append(objective)
    found = []
    for days, held in sorted(by_period.items()):
        base = base_window(days, options)
        paging = {w for t in TIERS[:2] for w in (t.long_window(days), t.short_window(days, options))}
        quick = [rule for window in sorted(paging - {base}) for rule in _over(window, days, options)]
        slow = [rule for w in windows(days, options) if w not in paging for rule in _over(w, days, options)]
        rules = [*_base_rules(held, days, base), _ratio(base, days), *quick]
        interval = options.evaluation_interval
        for name, rules_, pace in zip(groups_of(days), (rules, slow), (interval, _SLOW_PACE * interval), strict=True):
            found.append({"name": name, "interval": promql.duration(pace), "rules": rules_})
    return found


def _base_rules(objectives: list[ObjectiveRow], days: int, base: int) -> list[dict[str, Any]]:
    """Events and bad events a second, from the counters: a pair of rules for each name of an objective."""
    by_name: dict[str, list[ObjectiveRow]] = defaultdict(list)
    for objective in objectives:
        by_name[objective.name].append(objective)
    window, found = promql.duration(base), []
    for name, held in sorted(by_name.items()):
        alike: dict[tuple[str, float, str], list[str]] = defaultdict(list)
        for objective in held:
            alike[objective.kind, objective.latency_seconds or 0, objective.route].append(objective.model)
        events, bad = [], []
        for (kind, limit, route), models in sorted(alike.items()):
            which = (promql.one_of(names.MODEL, models), promql.equals(names.ROUTE, route))
            events.append(_events(kind, window, which))
            bad.append(_bad(kind, limit, window, which))
        labels = {names.OBJECTIVE: name, names.PERIOD: f"{days}d"}
        for prefix, parts in ((names.OBJECTIVE_EVENTS, events), (names.OBJECTIVE_BAD, bad)):
            record = names.recorded(prefix, window)
            found.append({"record": record, "expr": _union(parts).text, "labels": labels})
    return found


def _union(parts: list[Expr]) -> Expr:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.otherwise(part)
    return whole


def _events(kind: str, window: str, which: tuple[str, ...]) -> Expr:
    if kind == LATENCY:
        return sum_by(_LABELS, rate(f"{names.LATENCY}_bucket", window, *which, promql.equals("le", "+Inf")))
    return sum_by(_LABELS, rate(names.REQUESTS, window, *which))


def _bad(kind: str, limit: float, window: str, which: tuple[str, ...]) -> Expr:
    """Slower than the limit; or failed, invalid input not counted, and 0 where nothing has ever failed."""
    events = _events(kind, window, which)
    if kind == LATENCY:
        fast = sum_by(_LABELS, rate(f"{names.LATENCY}_bucket", window, *which, bucket(limit)))
        return events.minus(fast)
    return sum_by(_LABELS, rate(names.ERRORS, window, *which, NOT_INVALID_INPUT)).otherwise(events.times(0))


def bucket(bound: float) -> str:
    """Matches the bucket of `bound` seconds: some clients write a whole number without its `.0`."""
    return promql.one_of("le", {f"{bound:g}", repr(float(bound))})


def _over(window: int, days: int, options: RenderOptions) -> list[dict[str, Any]]:
    """Events a second over `window`, and which share of them is bad: counts by counts, never a mean of ratios.

    Where a tier has it as its long window, also how many are bad: each recorded rate stands for one interval. A mean
    times the window would make one of a young series many.
    """
    base = base_window(days, options)
    text, labels = promql.duration(window), {names.PERIOD: f"{days}d"}
    events, bad = (
        names.recorded(each, promql.duration(base)) for each in (names.OBJECTIVE_EVENTS, names.OBJECTIVE_BAD)
    )
    mean = over_window("avg_over_time", events, text, of_period(days))
    rules = [
        {"record": names.recorded(names.OBJECTIVE_EVENTS, text), "expr": mean.text, "labels": labels},
        _ratio(window, days, base),
    ]
    if any(window == tier.long_window(days) for tier in TIERS):
        count = over_window("sum_over_time", bad, text, of_period(days)).times(options.evaluation_interval)
        record = names.recorded(names.OBJECTIVE_BAD_COUNT, text)
        rules.append({"record": record, "expr": count.text, "labels": labels})
    return rules


def _ratio(window: int, days: int, base: int | None = None) -> dict[str, Any]:
    """Nothing where there are no events."""
    text, which = promql.duration(window), of_period(days)
    if base is None:
        bad = series(names.recorded(names.OBJECTIVE_BAD, text), which)
    else:
        recorded = names.recorded(names.OBJECTIVE_BAD, promql.duration(base))
        bad = over_window("avg_over_time", recorded, text, which)
    ratio = bad.over(series(names.recorded(names.OBJECTIVE_EVENTS, text), which).above(0))
    record = names.recorded(names.OBJECTIVE_BAD_RATIO, text)
    return {"record": record, "expr": ratio.text, "labels": {names.PERIOD: f"{days}d"}}
