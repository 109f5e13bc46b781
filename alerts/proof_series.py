"""Input series of promtool's rule tests: counters, gauges and histograms that behave as a case asks. Pure."""

import math
from collections.abc import Mapping
from decimal import Decimal

from alerts.kind import Timing
from telemetry import promql


def labelled(metric: str, labels: Mapping[str, str]) -> str:
    """The series `metric{label="value",...}`."""
    return promql.selector(metric, *(promql.equals(name, value) for name, value in labels.items()))


# Of what is reckoned: binary noise is cut off.
_DECIMALS = _DIGITS = 10


def value(number: float) -> str:
    """About that number, as promtool reads it: plain decimals, since it takes `e` for the end of a number.

    For what is reckoned, as a counter's growth is; `exact` is for limits and what is held against them.
    """
    first = -math.floor(math.log10(abs(number))) if number else 0
    text = f"{number:.{max(_DECIMALS, first + _DIGITS)}f}"
    return text.rstrip("0").rstrip(".") or "0"


def just_reaching(limit: float, factor: float) -> float:
    """What comes to the limit, and to hardly more if not exactly, when it is multiplied."""
    found = limit / factor
    return found if found * factor >= limit else math.nextafter(found, math.inf)


def exact(number: float) -> str:
    """The very number, of which `value` cuts something off."""
    return format(Decimal(repr(int(number) if float(number).is_integer() else number)), "f")


def constant(number: float, timing: Timing) -> str:
    """The same value from the first sample to the last."""
    return f"{exact(number)}+0x{timing.steps}"


def from_start(before: float, after: float, timing: Timing) -> str:
    """One value until what is wrong starts, then another."""
    idle = timing.start // timing.step
    return f"{exact(before)}+0x{idle} {exact(after)}+0x{timing.steps - idle}"


def appearing(number: float, timing: Timing) -> str:
    """No series until what is wrong starts, then one value."""
    idle = timing.start // timing.step
    return f"_x{idle + 1} {value(number)}+0x{timing.steps - idle}"


def exactly(number: float, timing: Timing) -> str:
    """No series until what is wrong starts, then the very number: nothing is cut off of a limit."""
    idle = timing.start // timing.step
    return f"_x{idle + 1} {exact(number)}+0x{timing.steps - idle}"


def vanishing(number: float, timing: Timing) -> str:
    """One value until what is wrong starts, then no series."""
    return f"{exact(number)}+0x{timing.start // timing.step} stale"


def counting(per_second: float, timing: Timing) -> str:
    """A counter that stands still until the start, then grows evenly."""
    idle = timing.start // timing.step
    grown = per_second * timing.step
    return f"0+0x{idle} {value(grown)}+{value(grown)}x{timing.steps - idle}"


def lagging(lag: float, timing: Timing) -> str:
    """A moment that is now until the start, and then stays `lag` seconds behind the clock, which starts at 0."""
    idle = timing.start // timing.step
    return f"0+{timing.step}x{idle} {value(timing.start + timing.step - lag)}+{timing.step}x{timing.steps - idle}"


def forgotten(timing: Timing) -> str:
    """A moment that is now until the start, and not told from then on."""
    return f"0+{timing.step}x{timing.start // timing.step} stale"


def just_within(limit: float) -> float:
    """The limit of a time, in seconds, where a difference of two moments can be exactly that; else a little less."""
    return limit if float(limit * 8).is_integer() else limit * 0.95


def long_after(after: int, before: Mapping[str, str], now: Mapping[str, str], timing: Timing) -> dict[str, str]:
    """The series `before`, each made by `from_start`; and `after` seconds later those of `now`, maybe further ones."""
    steps = after // timing.step
    # Such a series is two patterns in a row, and `0+1x5` has six samples.
    gap = f"_x{steps - timing.steps - 2}"
    late = {selector: f"{before[selector]} {gap} {values}" for selector, values in now.items() if selector in before}
    alone = {selector: f"_x{steps} {values}" for selector, values in now.items() if selector not in before}
    return {**before, **alone, **late}


def histogram(
    metric: str, labels: Mapping[str, str], bounds: tuple[float, ...], quantile: float, target: float, timing: Timing
) -> dict[str, str]:
    """The buckets of a histogram, 100 observations a second, whose `quantile` interpolates to `target`.

    ValueError where no histogram's can: the lowest bucket starts at 0, and nothing lies under it.
    """
    upper = next(i for i, bound in enumerate(bounds) if target <= bound)
    low = bounds[upper - 1] if upper else 0.0
    position = (target - low) / (bounds[upper] - low)
    if upper == 0 and position < quantile - 1e-9:
        raise ValueError(f"The quantile {quantile} of these buckets is never as low as {target}.")
    # Of each observation: `below` it lies under the bucket, `upto` it lies in or under the bucket.
    if position <= quantile:
        below, upto = (quantile - position) / (1 - position), 1.0
    else:
        below, upto = 0.0, quantile / position
    shares = [below if i < upper else upto for i in range(len(bounds))]
    named = {**{_bound(b): share for b, share in zip(bounds, shares, strict=True)}, "+Inf": 1.0}
    return {
        labelled(f"{metric}_bucket", {**labels, "le": bound}): counting(100 * share, timing)
        for bound, share in named.items()
    }


def _bound(bound: float) -> str:
    return str(float(bound))
