"""Trying other limits on the recorded past: the rule that is rendered now and the one that would be, side by side."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from alerts.backtest import Firing, Grid, Interval, Replay, gaps, merged, replay
from alerts.http import Refused, Unreachable
from alerts.kind import AlertKind, Comparison, Scope
from alerts.options import RenderOptions
from alerts.policies import Limits, Policy
from alerts.prometheus import Series
from alerts.recorded_past import Held, Recorder, read_chart, read_past
from alerts.rule import AlertRule, catalogue_rule
from models_registry.fleet import FleetModel
from telemetry.names import MODEL

DAYS = (1, 7, 30)
DAY = 86_400


class NotComparable(ValueError):
    """The alert's condition is more than one series held against one limit."""


@dataclass(frozen=True)
class Trial:
    """Limits, and what an alert under them would have done; no replay where the policy is off."""

    limits: Limits
    replay: Replay | None


@dataclass(frozen=True)
class Backtest:
    """`edited` limits beside those in force, over what was looked at: `grid`, of the whole time `asked`.

    `gaps`: when nothing was measured, within the grid. `kept`: seconds that Prometheus keeps samples. `cut_short`: why
    not all that it keeps was looked at. `charted`: what was measured, in steps of `chart_step` seconds.
    """

    kind: AlertKind
    model: FleetModel
    days: int
    asked: Interval
    grid: Grid
    interval: int
    edited: Trial
    present: Trial
    gaps: tuple[Interval, ...]
    kept: int | None
    cut_short: str
    charted: tuple[Series, ...] = ()
    chart_step: int = 0
    chart_problem: str = ""

    @property
    def comparison(self) -> Comparison:
        return comparison_of(self.kind)

    @property
    def charted_grid(self) -> Grid:
        """Since the first data: a chart of a month is not for the hour that has any."""
        begins = self.gaps[0].end if self.gaps and self.gaps[0].start == self.grid.start else self.grid.start
        return Grid(begins, self.grid.step, (self.grid.end - begins) // self.grid.step)

    @property
    def unseen(self) -> tuple[Interval, ...]:
        """When nothing is known, of the whole time that was asked for."""
        before = [Interval(self.asked.start, self.grid.start)] if self.grid.start > self.asked.start else []
        return tuple(merged([*before, *self.gaps]))

    @property
    def unseen_seconds(self) -> int:
        return sum(gap.seconds for gap in self.unseen)

    @property
    def knows_nothing(self) -> bool:
        return self.unseen_seconds >= self.asked.seconds


def comparison_of(kind: AlertKind) -> Comparison:
    """What the kind compares; NotComparable where it can't be backtested."""
    if kind.comparison is None:
        raise NotComparable(f"{kind.name} can't be backtested: its condition is more than one series and one limit.")
    return kind.comparison


def edit(limits: Limits, thresholds: Mapping[str, float], for_: int | None) -> Limits:
    """The limits in force with what a person would change, as if switched on."""
    return replace(
        limits,
        thresholds={**limits.thresholds, **thresholds},
        for_=limits.for_ if for_ is None else for_,
        enabled=True,
    )


def backtest(
    prometheus: Recorder,
    kind: AlertKind,
    model: FleetModel,
    present: Limits,
    edited: Limits,
    options: RenderOptions,
    *,
    days: int,
    now: float,
    with_chart: bool = True,
) -> Backtest:
    """Both rules over the last `days`. Unreachable or Refused where Prometheus can't say; NotComparable."""
    comparison = comparison_of(kind)
    rules = [catalogue_rule(kind, Policy(limits, (model,)), options) for limits in (edited, present)]
    expressions = tuple(dict.fromkeys(rule.expression for rule in rules))
    measured = comparison.measured(Scope((model,), edited.thresholds, edited.window, edited.for_, options)).text
    past = read_past(prometheus, measured, expressions, days * DAY, now, options.evaluation_interval)
    held = dict(zip(expressions, past.held, strict=True))
    found = Backtest(
        kind=kind,
        model=model,
        days=days,
        asked=past.asked,
        grid=past.grid,
        interval=options.evaluation_interval,
        edited=Trial(edited, _replay(rules[0], held, past.grid)),
        present=Trial(present, _replay(rules[1], held, past.grid) if present.enabled else None),
        gaps=tuple(gaps(past.known, past.grid)),
        kept=past.kept,
        cut_short=past.cut_short,
    )
    return _with_chart(found, prometheus, measured) if with_chart and not found.knows_nothing else found


def _replay(rule: AlertRule, held: Mapping[str, Held], grid: Grid) -> Replay:
    found = replay(held[rule.expression], grid, rule.for_, rule.keep_firing)
    shown = [label for label in (rule.kind.labels if rule.kind else ()) if label != MODEL]
    return Replay(
        tuple(
            Firing({label: firing.labels.get(label, "") for label in shown}, firing.at, firing.still)
            for firing in found.firings
        )
    )


def _with_chart(found: Backtest, prometheus: Recorder, measured: str) -> Backtest:
    """The chart is an extra: without it, what was counted still holds."""
    if found.cut_short:
        return replace(found, chart_problem=f"Not drawn: {found.cut_short}.")
    try:
        series, step = read_chart(prometheus, measured, found.charted_grid)
    except (Unreachable, Refused) as error:
        return replace(found, chart_problem=str(error))
    return replace(found, charted=tuple(series), chart_step=step)
