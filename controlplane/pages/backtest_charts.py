"""The charts of a backtest: what was measured, the limits tried and in force, when each would have fired, and gaps."""

from collections import defaultdict
from collections.abc import Sequence

from alerts.backtest.trial import Backtest, Drawn, HeldAgainst, Trial
from alerts.backtest.words import lasted
from alerts.live.charts import MOST_LINES, Chart, Drawing, Points, draw
from alerts.prometheus import Series
from telemetry.names import MODEL

# Beside limits that move, fewer lines: each may have one of its own.
MOST_WITH_LIMITS = 3


def charts_of(found: Backtest) -> list[Chart]:
    """One for each thing that the condition looks at."""
    return [_chart(found, drawn, place) for place, drawn in enumerate(found.drawn)]


def _chart(found: Backtest, drawn: Drawn, place: int) -> Chart:
    comparison = drawn.comparison
    drawing = Drawing(
        f"backtest-{place}",
        comparison.title,
        comparison.unit,
        limit=_number(drawn.limit),
        limit_name=f"edited {comparison.limit_name}" if drawn.present_limit is not None else comparison.limit_name,
        second_limit=_number(drawn.present_limit),
        second_name=f"present {comparison.limit_name}",
        strips=_strips(found),
        gaps=tuple((gap.start, gap.end, f"No data for {lasted(gap.seconds)}") for gap in found.edited.gaps),
    )
    if drawn.problem:
        return Chart(drawing.key, drawing.title, "", drawing.unit.value, problem=drawn.problem)
    limits = _moving(drawn.limit)
    nearest = sorted((s for s in drawn.series if s.points), key=lambda series: -_height(series, limits))
    shown = nearest[: MOST_WITH_LIMITS if limits else MOST_LINES]
    named = [(_named(found, series), series.points) for series in shown]
    grid = found.charted_grid
    return draw(
        drawing,
        named,
        grid.start,
        found.grid.end,
        drawn.step or found.grid.step,
        limits=_lines_of(found, limits, shown, drawing.limit_name),
        second_limits=_lines_of(found, _moving(drawn.present_limit), shown, drawing.second_name, but=limits),
        left_out=len(nearest) - len(shown),
    )


def _strips(found: Backtest) -> tuple[tuple[str, tuple[tuple[float, float, str], ...]], ...]:
    edited = ("edited", _stretches(found.edited, "These limits" if found.is_edited else "The policy"))
    present = ("present", _stretches(found.present, "The present policy"))
    return (edited, present) if found.is_edited else (edited,)


def _stretches(trial: Trial, whose: str) -> tuple[tuple[float, float, str], ...]:
    episodes = trial.replay.episodes if trial.replay else []
    return tuple((e.start, e.end, f"{whose} would have fired for {lasted(e.seconds)}") for e in episodes)


def _number(limit: HeldAgainst) -> float | None:
    return None if isinstance(limit, tuple) else limit


def _moving(limit: HeldAgainst) -> Sequence[Series]:
    return limit if isinstance(limit, tuple) else ()


def _named(found: Backtest, series: Series) -> str:
    values = (series.labels.get(label, "") for label in found.kind.labels if label != MODEL)
    return ", ".join(value for value in values if value) or found.model.name


def _is_limit_of(limit: Series, series: Series) -> bool:
    return all(series.labels.get(label) == value for label, value in limit.labels.items())


def _height(series: Series, limits: Sequence[Series]) -> float:
    """How near a line came to its limit, or, where that doesn't move, how high: at any time, also if it is gone."""
    highest = max(value for _, value in series.points)
    own = [value for limit in limits if _is_limit_of(limit, series) for _, value in limit.points]
    return highest - min(own) if own else highest


def _lines_of(
    found: Backtest, limits: Sequence[Series], shown: Sequence[Series], name: str, but: Sequence[Series] = ()
) -> list[tuple[str, Points]]:
    """The limits of what is drawn, those alike as one line, which says whose it is where there are several.

    `but`: what is drawn already, and is left out where it is the same for the same series.
    """
    drawn = [(limit.labels, limit.points) for limit in but]
    alike: dict[Points, list[Series]] = defaultdict(list)
    for limit in limits:
        of_shown = any(_is_limit_of(limit, series) for series in shown)
        if limit.points and of_shown and (limit.labels, limit.points) not in drawn:
            alike[limit.points].append(limit)
    if len(alike) == 1:
        return [(name, points) for points in alike]
    return [(f"{name} of {'; '.join(_named(found, each) for each in held)}", p) for p, held in alike.items()]
