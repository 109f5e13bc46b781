"""What an alert would have done: the evaluations at which its condition held, as the times at which it fired. Pure.

As Prometheus does it: an alert is pending from the first evaluation at which its condition holds and fires at the first
one that lies `for` later; one evaluation at which the condition doesn't hold, or has no series, sets a pending alert
back and ends a firing one, after `keep_firing_for` where the rule has that. Every evaluation stands for the time up to
the next one. The replay begins with nothing pending: at its start, an alert needs its whole `for`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

# As many as Prometheus answers to one query.
MOST_POINTS = 11_000
# Evaluations that are looked at over the whole span; a longer span is looked at in wider steps.
MOST_EVALUATIONS = 30_000


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """From `start` up to `end`, whole seconds since the epoch."""

    start: int
    end: int

    @property
    def seconds(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Grid:
    """The evaluations that are looked at: `count` of them, every `step` seconds from `start`."""

    start: int
    step: int
    count: int

    @property
    def end(self) -> int:
        """Up to where the last evaluation stands."""
        return self.start + self.count * self.step

    @property
    def span(self) -> Interval:
        return Interval(self.start, self.end)

    def chunks(self, most: int = MOST_POINTS) -> list["Grid"]:
        """The same evaluations in grids of at most `most`, the newest first."""
        found, left = [], self.count
        while left > 0:
            taken = min(most, left)
            left -= taken
            found.append(Grid(self.start + left * self.step, self.step, taken))
        return found


@dataclass(frozen=True, slots=True)
class Firing:
    """One series' alert, from firing to resolved. `still`: it fired at the end of what was looked at."""

    labels: Mapping[str, str]
    at: Interval
    still: bool


@dataclass(frozen=True)
class Replay:
    """What a rule would have done; the firings of all its series, oldest first."""

    firings: tuple[Firing, ...]

    @property
    def episodes(self) -> list[Interval]:
        """When at least one series fired: what the team would have been told of together."""
        return merged(firing.at for firing in self.firings)

    @property
    def count(self) -> int:
        return len(self.episodes)

    @property
    def total(self) -> int:
        """Seconds."""
        return sum(episode.seconds for episode in self.episodes)

    @property
    def longest(self) -> int:
        """Seconds; 0 where it never fired."""
        return max((episode.seconds for episode in self.episodes), default=0)


def grid_of(end: float, span: int, interval: int) -> Grid:
    """The last `span` seconds before `end`, every `interval` seconds or, where those are too many, a multiple of it."""
    step = interval * max(1, -(-span // (interval * MOST_EVALUATIONS)))
    count = max(1, span // step)
    # Aligned, so that asking again a moment later looks at the same evaluations.
    return Grid(int(end) // step * step - count * step, step, count)


def fired(held: Collection[int], grid: Grid, for_: int, keep_firing: int = 0) -> list[Interval]:
    """When the alert of one series fired. `held`: the evaluations of the grid at which its condition held."""
    found: list[Interval] = []
    for run in runs(held, grid.step):
        if found and run.start <= found[-1].end:
            # Within keep_firing_for: it has gone on firing, and needs no second `for`.
            found[-1] = Interval(found[-1].start, run.end + _whole(keep_firing, grid.step))
        elif run.start + _whole(for_, grid.step) < run.end:
            found.append(Interval(run.start + _whole(for_, grid.step), run.end + _whole(keep_firing, grid.step)))
    return [Interval(at.start, min(at.end, grid.end)) for at in found]


def runs(times: Collection[int], step: int) -> list[Interval]:
    """Evaluations that follow each other without a break, each as the time from its first up to the next evaluation."""
    found: list[Interval] = []
    for at in sorted(times):
        if found and at == found[-1].end:
            found[-1] = Interval(found[-1].start, at + step)
        else:
            found.append(Interval(at, at + step))
    return found


def gaps(known: Collection[int], grid: Grid) -> list[Interval]:
    """When nothing is known: the evaluations of the grid that are not among `known`."""
    return runs(set(range(grid.start, grid.end, grid.step)).difference(known), grid.step)


def replay(held: Iterable[tuple[Mapping[str, str], Collection[int]]], grid: Grid, for_: int, keep: int = 0) -> Replay:
    """What a rule would have done. `held`: each series of its condition, with the evaluations at which it had one."""
    found = [
        Firing(labels, at, still=at.end == grid.end) for labels, times in held for at in fired(times, grid, for_, keep)
    ]
    return Replay(tuple(sorted(found, key=lambda f: (f.at, sorted(f.labels.items())))))


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The time that the intervals cover together; two that touch are one."""
    found: list[Interval] = []
    for interval in sorted(intervals):
        if found and interval.start <= found[-1].end:
            found[-1] = Interval(found[-1].start, max(found[-1].end, interval.end))
        else:
            found.append(interval)
    return found


def _whole(seconds: int, step: int) -> int:
    """`seconds` rounded up to evaluations."""
    return -(-seconds // step) * step
