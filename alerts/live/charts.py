"""Line charts as geometry, for a template to draw as SVG. Pure: numbers in, coordinates and texts out."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from alerts.live.numbers import Unit, show

WIDTH, HEIGHT = 560, 190
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 14, 30
MOST_LINES = 6
# A line breaks where samples lack for longer than so many steps.
GAP_STEPS = 2.5
# Seconds; so short an axis needs its seconds told, and so long a one its days.
SHORT, LONG = 600, 100_000
STRIP = 5  # height of a strip of bands, above the lines

Points = Sequence[tuple[float, float]]
Named = tuple[str, Points]
# From when to when, and what is said of it.
Stretch = tuple[float, float, str]
# A value as a coordinate of the drawing.
Scale = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its path, and a dot where a lone sample makes no path."""

    label: str
    slot: int
    path: str
    dots: tuple[tuple[str, str], ...]
    last: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick of an axis. `moment` is set on the time axis, for the viewer's own time zone."""

    at: str
    text: str
    moment: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line where something changed."""

    at: str
    text: str
    moment: datetime


@dataclass(frozen=True, slots=True)
class Band:
    """A time that is marked: a strip above the lines, or, of the kind `gap`, the chart's whole height."""

    kind: str
    at: str
    y: int
    width: str
    height: int
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart ready to be drawn; `lines` is empty where there is nothing to draw."""

    key: str
    title: str
    summary: str
    unit: str
    lines: tuple[Line, ...] = ()
    left_out: int = 0
    y_ticks: tuple[Tick, ...] = ()
    x_ticks: tuple[Tick, ...] = ()
    limit_at: str = ""
    limit_text: str = ""
    second_at: str = ""
    second_text: str = ""
    limit_lines: tuple[Line, ...] = ()
    second_lines: tuple[Line, ...] = ()
    marks: tuple[Mark, ...] = ()
    bands: tuple[Band, ...] = ()
    problem: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is to be drawn. `limit` and `second_limit` are dashed lines; `marks` are (moment, text).

    `strips` are times marked above the lines, a strip for each kind, and `gaps` over all: (start, end, text).
    """

    key: str
    title: str
    unit: Unit
    limit: float | None = None
    limit_name: str = "limit"
    marks: tuple[tuple[datetime, str], ...] = ()
    top: float | None = None  # the axis reaches at least here
    second_limit: float | None = None
    second_name: str = "limit"
    strips: tuple[tuple[str, tuple[Stretch, ...]], ...] = ()
    gaps: tuple[Stretch, ...] = ()


def draw(
    drawing: Drawing,
    named: Sequence[Named],
    start: float,
    end: float,
    step: float,
    *,
    limits: Sequence[Named] = (),
    second_limits: Sequence[Named] = (),
    left_out: int = 0,
) -> Chart:
    """The lines of `named` (label, samples) between `start` and `end`, the largest last values first where too many.

    `limits` and `second_limits` are limits that move; `left_out` counts lines that were left out before.
    """
    filled = [(label, [(t, v) for t, v in points if math.isfinite(v)]) for label, points in named]
    filled = [(label, points) for label, points in filled if points]
    if not filled:
        return Chart(drawing.key, drawing.title, "No samples in this time.", drawing.unit.value)
    chosen = sorted(filled, key=lambda named_points: -named_points[1][-1][1])[:MOST_LINES]
    chosen.sort(key=lambda named_points: named_points[0])
    # A server that has just begun to be watched fills the chart instead of its right edge.
    start = max(start, min(points[0][0] for _, points in chosen) - step)
    highest = max(v for _, points in (*chosen, *limits, *second_limits) for _, v in points if math.isfinite(v))
    limit = max(drawing.limit or 0, drawing.second_limit or 0)
    top = _nice(max(highest, limit * 1.15, drawing.top or 0))

    def x(moment: float) -> str:
        share = (moment - start) / max(end - start, 1e-9)
        return f"{LEFT + share * (WIDTH - LEFT - RIGHT):.1f}"

    def y(value: float) -> str:
        return f"{HEIGHT - BOTTOM - max(0.0, min(1.0, value / top)) * (HEIGHT - BOTTOM - TOP):.1f}"

    def lines_of(held: Sequence[Named]) -> tuple[Line, ...]:
        return tuple(_line(slot, label, points, x, y, step, drawing.unit) for slot, (label, points) in enumerate(held))

    lines = lines_of(chosen)
    return Chart(
        key=drawing.key,
        title=drawing.title,
        summary="Last values: " + ", ".join(f"{line.label} {line.last}" for line in lines) + ".",
        unit=drawing.unit.value,
        lines=lines,
        left_out=len(filled) - len(chosen) + left_out,
        y_ticks=tuple(Tick(y(top * part), show(top * part, drawing.unit)) for part in (0, 0.5, 1)),
        x_ticks=tuple(_time_tick(start + (end - start) * part, x, end - start) for part in (0, 0.5, 1)),
        limit_at=y(drawing.limit) if drawing.limit is not None else "",
        limit_text=f"{drawing.limit_name} {show(drawing.limit, drawing.unit)}" if drawing.limit is not None else "",
        second_at=y(drawing.second_limit) if drawing.second_limit is not None else "",
        second_text=f"{drawing.second_name} {show(drawing.second_limit, drawing.unit)}",
        limit_lines=lines_of(limits),
        second_lines=lines_of(second_limits),
        marks=tuple(Mark(x(m.timestamp()), text, m) for m, text in drawing.marks if start <= m.timestamp() <= end),
        bands=tuple(_bands(drawing, start, end, x)),
    )


def _bands(drawing: Drawing, start: float, end: float, x: Scale) -> Iterator[Band]:
    rows = [(kind, row * (STRIP + 1), STRIP, stretches) for row, (kind, stretches) in enumerate(drawing.strips)]
    for kind, y, height, stretches in [("gap", TOP, HEIGHT - BOTTOM - TOP, drawing.gaps), *rows]:
        for began, ended, text in stretches:
            if ended > start and began < end:
                left, right = x(max(began, start)), x(min(ended, end))
                # A minute of a month is seen too.
                yield Band(kind, left, y, f"{max(float(right) - float(left), 1.5):.1f}", height, text)


def _line(slot: int, label: str, points: Points, x: Scale, y: Scale, step: float, unit: Unit) -> Line:
    pieces: list[list[tuple[str, str]]] = [[]]
    previous = points[0][0]
    for moment, value in points:
        if moment - previous > GAP_STEPS * step:
            pieces.append([])
        pieces[-1].append((x(moment), y(value)))
        previous = moment
    path = " ".join("M" + " L".join(f"{px},{py}" for px, py in piece) for piece in pieces if len(piece) > 1)
    dots = tuple(piece[0] for piece in pieces if len(piece) == 1)
    return Line(label, slot, path, dots, show(points[-1][1], unit))


def _time_tick(moment: float, x: Scale, span: float) -> Tick:
    when = datetime.fromtimestamp(moment, UTC)
    form = "%H:%M:%S" if span < SHORT else "%H:%M" if span < LONG else "%-d %b, %H:%M"
    return Tick(x(moment), when.strftime(form), when)


def _nice(value: float) -> float:
    """The next of 1, 2, 2.5, 5, 10 times a power of ten at or above `value`; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= value * 0.999999)
