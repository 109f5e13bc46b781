"""Trying other limits on the recorded past: the rules that are rendered now and those that would be, side by side."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from alerts.backtest.outcome import Firing, Grid, Interval, Replay, gaps, merged, replay
from alerts.backtest.recorded_past import Held, Past, Recorder, read_chart, read_limit, read_past
from alerts.backtest.terms import Rendered, Terms, rendered
from alerts.expressions import Expr
from alerts.http import Refused, Unreachable
from alerts.kind import AlertKind, Comparison, Scope
from alerts.options import RenderOptions
from alerts.policies import Limits
from alerts.prometheus import Series
from models_registry.fleet import FleetModel

DAYS = (1, 7, 30)
DAY = 86_400
# Seconds for all charts together, beside the client's own time-out for each query.
CHARTS_DEADLINE = 6.0


@dataclass(frozen=True)
class Trial:
    """Terms, and what an alert under them would have done; no replay where the policy is off.

    `gaps`: when nothing was measured, within what was looked at; `unseen`: when nothing is known, of all that was
    asked for.
    """

    terms: Terms
    replay: Replay | None
    gaps: tuple[Interval, ...]
    unseen: tuple[Interval, ...]
    asked: Interval

    @property
    def limits(self) -> Limits:
        return self.terms.limits

    @property
    def unseen_seconds(self) -> int:
        return sum(gap.seconds for gap in self.unseen)

    @property
    def knows_nothing(self) -> bool:
        return self.unseen_seconds >= self.asked.seconds


# A limit: one number, or series of its own; None where there is none, or it can't be told.
HeldAgainst = float | tuple[Series, ...] | None


@dataclass(frozen=True)
class Drawn:
    """What one comparison measured, in steps of `step` seconds, and the limits that it was held against."""

    comparison: Comparison
    series: tuple[Series, ...] = ()
    step: int = 0
    limit: HeldAgainst = None
    present_limit: HeldAgainst = None
    problem: str = ""


@dataclass(frozen=True)
class Backtest:
    """`edited` terms beside those in force, over what was looked at: `grid`, of the whole time `asked`.

    `kept`: seconds that Prometheus keeps samples. `cut_short`: why not all that it keeps was looked at.
    """

    kind: AlertKind
    model: FleetModel
    days: int
    asked: Interval
    grid: Grid
    interval: int
    edited: Trial
    present: Trial
    kept: int | None
    cut_short: str
    drawn: tuple[Drawn, ...] = ()

    @property
    def is_edited(self) -> bool:
        return self.edited.terms != self.present.terms

    @property
    def knows_nothing(self) -> bool:
        return self.edited.knows_nothing and self.present.knows_nothing

    @property
    def charted_grid(self) -> Grid:
        """Since the first data: a chart of a month is not for the hour that has any."""
        trial = self.present if self.edited.knows_nothing else self.edited
        begins = trial.gaps[0].end if trial.gaps and trial.gaps[0].start == self.grid.start else self.grid.start
        return Grid(begins, self.grid.step, (self.grid.end - begins) // self.grid.step)


def backtest(
    prometheus: Recorder,
    kind: AlertKind,
    model: FleetModel,
    present: Terms,
    edited: Terms,
    options: RenderOptions,
    *,
    days: int,
    now: float,
    with_chart: bool = True,
) -> Backtest:
    """Both over the last `days`. Unreachable or Refused where Prometheus can't say; NotComparable."""
    new, old = (rendered(kind, model, terms, present, options) for terms in (edited, present))
    known = tuple(dict.fromkeys((new.known, old.known)))
    expressions = tuple(dict.fromkeys(c.expression for side in (new, old) for c in side.conditions))
    past = read_past(prometheus, known, expressions, days * DAY, now, options.evaluation_interval)
    measured = dict(zip(known, past.known, strict=True))
    held = dict(zip(expressions, past.held, strict=True))
    found = Backtest(
        kind=kind,
        model=model,
        days=days,
        asked=past.asked,
        grid=past.grid,
        interval=options.evaluation_interval,
        edited=_trial(new, held, measured[new.known], past),
        present=_trial(old, held, measured[old.known], past, enabled=present.limits.enabled),
        kept=past.kept,
        cut_short=past.cut_short,
    )
    if not with_chart or found.knows_nothing:
        return found
    return replace(found, drawn=tuple(_drawn(found, prometheus, new, old)))


def _trial(side: Rendered, held: Mapping[str, Held], known: set[int], past: Past, *, enabled: bool = True) -> Trial:
    missing = gaps(known, past.grid)
    before = [Interval(past.asked.start, past.grid.start)] if past.grid.start > past.asked.start else []
    return Trial(
        side.terms,
        _replay(side, held, past.grid) if enabled else None,
        tuple(missing),
        tuple(merged([*before, *missing])),
        past.asked,
    )


def _replay(side: Rendered, held: Mapping[str, Held], grid: Grid) -> Replay:
    """The firings of all the side's conditions, with the labels that tell them apart."""
    firings = [
        Firing({label: firing.labels.get(label, "") for label in side.labels}, firing.at, firing.still)
        for condition in side.conditions
        for firing in replay(held[condition.expression], grid, condition.for_, condition.keep_firing).firings
    ]
    return Replay(tuple(sorted(firings, key=lambda f: (f.at, sorted(f.labels.items())))))


def _drawn(found: Backtest, prometheus: Recorder, new: Rendered, old: Rendered) -> Sequence[Drawn]:
    """The charts are an extra: without them, what was counted still holds."""
    until = time.monotonic() + CHARTS_DEADLINE
    present = {comparison.title: (comparison, scope) for comparison, scope in old.drawn}
    charts = []
    for comparison, scope in new.drawn:
        problem = found.cut_short or ("drawing took too long" if time.monotonic() > until else "")
        if problem:
            charts.append(Drawn(comparison, problem=f"Not drawn: {problem}."))
            continue
        try:
            charts.append(_chart(found, prometheus, comparison, scope, present.get(comparison.title)))
        except (Unreachable, Refused) as error:
            charts.append(Drawn(comparison, problem=str(error)))
    return charts


def _chart(
    found: Backtest,
    prometheus: Recorder,
    comparison: Comparison,
    scope: Scope,
    present: tuple[Comparison, Scope] | None,
) -> Drawn:
    grid = found.charted_grid
    measured, step = read_chart(prometheus, comparison.measured(scope).text, grid)
    limit = comparison.held_against(scope)
    # By the present one's own comparison: its objectives may have other targets.
    was = present[0].held_against(present[1]) if present is not None and found.is_edited else None

    def told(against: Expr | float | None) -> HeldAgainst:
        return tuple(read_limit(prometheus, against.text, grid)) if isinstance(against, Expr) else against

    return Drawn(comparison, tuple(measured), step, told(limit), told(was) if was != limit else None)
