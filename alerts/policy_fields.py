"""Checks of a policy's fields against its alert kind. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from alerts.annotations import readable
from alerts.catalogue import KINDS
from alerts.kind import LONGEST_FOR, AlertKind, Parameter
from telemetry.promql import duration

WINDOW = (10, 7 * 86400)  # seconds
# A rate needs two scrapes in its window; four survive one that fails.
SCRAPES_IN_A_WINDOW = 4
# What is measured can't be told apart more finely; between it and 0 a proof would have nothing to show.
SMALLEST_LIMIT = 1e-9


def check_policy(
    alert: str,
    *,
    scoped: bool,
    thresholds: Any,
    window_seconds: int | None,
    for_seconds: int | None,
    scrape_interval: int = 0,
) -> dict[str, str]:
    """Field -> what is wrong with it and the remedy; empty where all is well.

    `scoped` says whether the policy is for a team or a model rather than for everybody; `scrape_interval` is seconds.
    """
    kind = KINDS.get(alert)
    if kind is None:
        return {"alert": f"{alert!r} is no alert: choose one of {', '.join(sorted(KINDS))}."}
    found = {
        "alert": _scope_error(kind) if scoped else "",
        "thresholds": _thresholds_error(kind, thresholds),
        "window_seconds": _window_error(kind, window_seconds, scrape_interval),
        "for_seconds": _waiting_error(kind, for_seconds),
    }
    return {field: error for field, error in found.items() if error}


def _waiting_error(kind: AlertKind, seconds: int | None) -> str:
    if kind.variants is not None and seconds is not None:
        return f"{kind.name} waits by its short windows: leave this empty."
    return for_error(seconds, kind.longest_for)


def _scope_error(kind: AlertKind) -> str:
    if kind.on_models:
        return ""
    return f"{kind.name} is about Plumbline itself: leave team and model empty."


def _thresholds_error(kind: AlertKind, thresholds: Any) -> str:
    if not isinstance(thresholds, Mapping):
        return 'Limits are an object of names and numbers, for example {"ratio": 0.05}.'
    known = {p.name: p for p in kind.parameters}
    for name, value in thresholds.items():
        if name not in known:
            given = ", ".join(known) or "none"
            return f"{kind.name} has no limit {name!r}; its limits: {given}."
        error = _limit_error(known[name], value)
        if error:
            return error
    return ""


def _limit_error(parameter: Parameter, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"The limit {parameter.name} is a number, not {value!r}."
    if parameter.minimum < value < SMALLEST_LIMIT:
        return f"The limit {parameter.name} is 0, or at least {SMALLEST_LIMIT:.9f}, not {value!r}."
    if value < parameter.minimum or (parameter.maximum is not None and value > parameter.maximum):
        lowest, highest = readable(parameter.minimum, parameter.unit), parameter.maximum
        upto = f" and at most {readable(highest, parameter.unit)}" if highest is not None else ""
        return f"The limit {parameter.name} is at least {lowest}{upto}, not {readable(value, parameter.unit)}."
    return ""


def _window_error(kind: AlertKind, seconds: int | None, scrape_interval: int) -> str:
    if seconds is None:
        return ""
    if not kind.window:
        return f"{kind.name} looks at the present, or over a window of its own: leave this empty."
    shortest = max(WINDOW[0], SCRAPES_IN_A_WINDOW * scrape_interval if kind.counts else 0)
    if not shortest <= seconds <= WINDOW[1]:
        why = f", {SCRAPES_IN_A_WINDOW} scrapes at least" if shortest > WINDOW[0] else ""
        return f"A window is {duration(shortest)} to {duration(WINDOW[1])}{why}, not {seconds} seconds."
    return ""


def for_error(seconds: int | None, longest: int = LONGEST_FOR) -> str:
    """What is wrong with `seconds` as an alert's `for`; empty where it is fine or left out."""
    if seconds is not None and not 0 <= seconds <= longest:
        return f"The condition may have to hold for up to {duration(longest)}, not for {seconds} seconds."
    return ""
