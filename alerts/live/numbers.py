"""Numbers as people read them. A number that isn't known has its own text, so that it never reads as zero."""

import math
from enum import Enum

UNKNOWN = "unknown"


class Unit(Enum):
    """What a number counts; the value is the axis' label."""

    RATIO = "% of requests"
    SHARE = "% of traffic"
    PART = "% of values"
    FILLED = "% of the limit"
    FEATURES = "% of features"
    SECONDS = "seconds"
    RATE = "requests per second"
    SCORE = "score"
    PLAIN = "value"


def show(value: float | None, unit: Unit = Unit.PLAIN) -> str:
    """`value` with its unit, three digits at most: 21.4 %, 42 ms, 13.2/s, 0.18."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if unit in (Unit.RATIO, Unit.SHARE, Unit.PART, Unit.FILLED, Unit.FEATURES):
        return f"{_digits(value * 100)} %"
    if unit is Unit.SECONDS:
        return f"{_digits(value * 1000)} ms" if abs(value) < 1 else f"{_digits(value)} s"
    if unit is Unit.RATE:
        return f"{_digits(value)}/s"
    return _digits(value)


def _digits(value: float) -> str:
    """Three significant digits, without zeros that say nothing."""
    if 100 <= abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.3g}"
