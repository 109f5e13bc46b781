"""How often a rule would have fired over the last day, from what Prometheus recorded: bounded, honest about gaps."""

from dataclasses import dataclass

from alerts.backtest.outcome import Grid, gaps, grid_of, replay
from alerts.live_lint.asking import Asking
from alerts.live_lint.findings import Finding, Severity
from alerts.live_lint.questions import measured
from telemetry.promql import duration

SPAN = 86_400
# Seconds between two looks: the shortest for which all of them take no longer than AFFORDED seconds.
STEPS = (120, 300, 600, 1800)
AFFORDED = 4.0
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


class TooLong(Exception):
    """One look takes so long that a day of them can't be afforded."""


def firings(
    asking: Asking, expression: str, for_: int, keep: int, interval: int, seconds: float, now: float
) -> Firings:
    """What a rule would have done. `seconds`: what a look takes. Raises TooLong, and what asking raises."""
    step = max(interval, _step(seconds))
    # The newest evaluation of the grid is the one that the present belongs to.
    grid = grid_of(now + step, SPAN, step)
    held = _read(asking, expression, grid)
    known = {at for times in _read(asking, measured(expression), grid) for at in times}
    found = replay([({}, times & known) for times in held], grid, for_, keep)
    return Firings(
        times=found.count,
        total=found.total,
        longest=found.longest,
        still=any(firing.still for firing in found.firings),
        step=grid.step,
        unseen=sum(gap.seconds for gap in gaps(known, grid)),
    )


def _step(seconds: float) -> int:
    for step in STEPS:
        if seconds * SPAN / step <= AFFORDED:
            return step
    raise TooLong(f"one look takes {seconds:.1f} s")


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
