"""What Prometheus recorded of a condition, read in bounded time: in chunks, the newest first, until the time is up.

Only the evaluations at which a condition held are transferred, and for how many series something was measured.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from alerts.backtest.outcome import Grid, Interval, grid_of
from alerts.http import Refused, Unreachable
from alerts.prometheus import Runtime, Series

# Seconds for all queries together, beside the client's own time-out for each.
DEADLINE = 10.0
# Evaluations of all series together, of what held.
MOST_HELD = 500_000
CHART_POINTS = 300

_UNITS = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_DURATION = re.compile(r"(?:\d+(?:ms|[ywdhms]))+")
_PART = re.compile(r"(\d+)(ms|[ywdhms])")

Held = list[tuple[Mapping[str, str], set[int]]]


class Recorder(Protocol):
    """What is asked: alerts.prometheus.Prometheus, or what answers like it."""

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]: ...
    def runtime(self) -> Runtime: ...


@dataclass(frozen=True)
class Past:
    """What could be read. `grid` is what was looked at, which is less than `asked` where `kept` or `cut_short` say so.

    `known`: of each measure the evaluations at which it had a series. `held`: for each condition its series, each with
    the evaluations at which it held. `kept`: seconds that Prometheus keeps samples; None where it doesn't say.
    """

    asked: Interval
    grid: Grid
    known: tuple[set[int], ...]
    held: tuple[Held, ...]
    kept: int | None
    cut_short: str = ""


def read_past(
    prometheus: Recorder, measures: tuple[str, ...], conditions: tuple[str, ...], span: int, now: float, interval: int
) -> Past:
    """The last `span` seconds, as rules evaluated every `interval` seconds would have seen them.

    `measures` have a series wherever something could be judged.

    Unreachable or Refused where not even the newest part can be read; later trouble cuts the past short and is told.
    """
    until = time.monotonic() + DEADLINE
    asked = grid_of(now, span, interval)
    kept = retention_seconds(prometheus.runtime().retention)
    grid = _kept(asked, kept)
    found, begins, cut_short = _Found(len(measures), len(conditions)), grid.end, ""
    for chunk in grid.chunks():
        try:
            found.add([_read(prometheus, expression, chunk, until) for expression in (*measures, *conditions)])
        except (Unreachable, Refused) as error:
            if begins == grid.end:
                raise
            cut_short = error.reason if isinstance(error, Unreachable) else str(error)
            break
        begins = chunk.start
        if begins > grid.start and found.size > MOST_HELD:
            cut_short = "the condition holds for too many series"
            break
    read = Grid(begins, grid.step, (grid.end - begins) // grid.step)
    return Past(asked.span, read, tuple(found.known), found.held, kept, cut_short)


class _Found:
    """What the chunks hold together."""

    def __init__(self, measures: int, conditions: int) -> None:
        self.known: list[set[int]] = [set() for _ in range(measures)]
        self._held: list[dict[tuple[tuple[str, str], ...], set[int]]] = [{} for _ in range(conditions)]

    def add(self, answers: list[Held]) -> None:
        """Of one chunk: what each measure had, then each condition."""
        for known, series in zip(self.known, answers, strict=False):
            known.update(*(times for _, times in series))
        for found, series in zip(self._held, answers[len(self.known) :], strict=True):
            for labels, times in series:
                found.setdefault(tuple(sorted(labels.items())), set()).update(times)

    @property
    def held(self) -> tuple[Held, ...]:
        return tuple([(dict(labels), times) for labels, times in found.items()] for found in self._held)

    @property
    def size(self) -> int:
        return sum(len(times) for found in self._held for times in found.values())


def read_chart(prometheus: Recorder, measured: str, grid: Grid) -> tuple[list[Series], int]:
    """The highest values of each series of `measured` in steps that a chart can show, and that step in seconds."""
    step = _chart_step(grid)
    if step > grid.step:
        measured = f"max_over_time(({measured})[{step}s:{grid.step}s])"
    return prometheus.query_range(measured, grid.start, grid.end - grid.step, step), step


def read_limit(prometheus: Recorder, limit: str, grid: Grid) -> list[Series]:
    """A limit that moves, as it was at the steps of that chart."""
    return prometheus.query_range(limit, grid.start, grid.end - grid.step, _chart_step(grid))


def _chart_step(grid: Grid) -> int:
    return grid.step * max(1, -(-grid.count // CHART_POINTS))


def retention_seconds(text: str) -> int | None:
    """The time in Prometheus' `15d or 10GiB`; None where it keeps by size alone, or doesn't say."""
    for part in text.split(" or "):
        if _DURATION.fullmatch(part):
            return int(sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(part))) or None
    return None


def _kept(grid: Grid, kept: int | None) -> Grid:
    """The part of the grid that Prometheus still keeps."""
    count = min(grid.count, max(1, kept // grid.step)) if kept is not None else grid.count
    return Grid(grid.end - count * grid.step, grid.step, count)


def _read(prometheus: Recorder, expression: str, grid: Grid, until: float) -> Held:
    if time.monotonic() > until:
        raise Unreachable("Prometheus", f"reading took {DEADLINE:g} seconds")
    found = prometheus.query_range(expression, grid.start, grid.end - grid.step, grid.step)
    return [(series.labels, {round(at) for at, _ in series.points}) for series in found]
