"""How often a rule would have fired over the last day, from what Prometheus recorded: bounded, honest about gaps."""

from dataclasses import dataclass

from alerts.backtest import Grid, gaps, grid_of, replay
from alerts.live_lint.asking import Asking
from alerts.live_lint.findings import Finding, Severity
from telemetry.promql import duration

SPAN = 86_400
# Seconds between two looks; a rule over hundreds of models costs more, and is looked at more rarely.
STEP, WIDE_STEP = 120, 600
LONG = 20_000  # characters of an expression
NOISY_TIMES, NOISY_SHARE = 6, 0.25
LEAST_SEEN = 3600  # for a share of it to say anything


@dataclass(frozen=True, slots=True)
class Firings:
    """`times`: firings that don't overlap; all else in seconds. `unseen`: of SPAN, for which there is no data."""

    times: int
    total: int
    longest: int
    still: bool
    step: int
    unseen: int

    @property
    def seen(self) -> int:
        return SPAN - self.unseen


def firings(asking: Asking, expression: str, possible: str, for_: int, keep: int, interval: int, now: float) -> Firings:
    """What a rule would have done. `possible`: has a series while anything is measured, see questions.measured.


    Raises what asking raises.
    """
    grid = grid_of(now, SPAN, max(interval, WIDE_STEP if len(expression) > LONG else STEP))
    held = _read(asking, expression, grid)
    known = {at for times in _read(asking, possible, grid) for at in times}
    found = replay([({}, times & known) for times in held], grid, for_, keep)
    return Firings(
        times=found.count,
        total=found.total,
        longest=found.longest,
        still=any(firing.still for firing in found.firings),
        step=grid.step,
        unseen=sum(gap.seconds for gap in gaps(known, grid)),
    )


def of_firings(found: Firings, expression: str) -> list[Finding]:
    """An alert that would fire all the time is not one that anybody reads."""
    long = found.seen >= LEAST_SEEN and found.total > NOISY_SHARE * found.seen
    if found.times < NOISY_TIMES and not long:
        return []
    times = "once" if found.times == 1 else f"{found.times} times"
    return [
        Finding(
            Severity.NOTICE,
            f"It would have fired {times} in the last 24 h, for {duration(found.total)} in all.",
            expression,
            "If that is more than its team can act upon, try other limits in a backtest.",
        )
    ]


def _read(asking: Asking, expression: str, grid: Grid) -> list[set[int]]:
    """For each series, the evaluations at which it was there."""
    found = asking.query_range(expression, grid.start, grid.end - grid.step, grid.step)
    return [{round(at) for at, _ in series.points} for series in found]
