"""Objectives: what share of a model's answers has to be good, over how many days. Pure.

An objective is named once per model. Its error budget is the share that may be bad: 1 minus the target.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from telemetry.buckets import LATENCY_SECONDS
from telemetry.identifiers import check_name

AVAILABILITY, LATENCY = "availability", "latency"
PERIOD_DAYS = (7, 90)
TARGET = (0.5, 0.99999)
DEFAULT_PERIOD_DAYS = 30


@dataclass(frozen=True, slots=True)
class ObjectiveRow:
    """One stored objective. `latency_seconds` is a bucket's bound; None for availability."""

    model: str
    name: str
    kind: str
    route: str
    target: float
    period_days: int = DEFAULT_PERIOD_DAYS
    latency_seconds: float | None = None

    @property
    def budget(self) -> Decimal:
        """The share that may be bad, without binary noise: of 0.999 it is 0.001."""
        return 1 - Decimal(repr(self.target))

    @property
    def period(self) -> str:
        """The value of the label `period`."""
        return f"{self.period_days}d"


def check_objective(
    *, name: str, kind: str, target: float | None, period_days: int | None, latency_seconds: float | None
) -> dict[str, str]:
    """Field -> what is wrong with it and the remedy; empty where all is well."""
    found = {
        "name": _name_error(name),
        "target": _target_error(target),
        "period_days": _period_error(period_days),
        "latency_seconds": _latency_error(kind, latency_seconds),
    }
    return {field: error for field, error in found.items() if error}


def _name_error(name: str) -> str:
    try:
        check_name(name)
    except ValueError as error:
        return str(error)
    return ""


def _target_error(target: Any) -> str:
    if target is None or not TARGET[0] <= target <= TARGET[1]:
        return (
            f"The target is the share of good answers, from {TARGET[0]} to {TARGET[1]}, not {target}: 99.9 % is 0.999."
        )
    return ""


def _period_error(days: Any) -> str:
    if days is None or not PERIOD_DAYS[0] <= days <= PERIOD_DAYS[1]:
        return f"The period is {PERIOD_DAYS[0]} to {PERIOD_DAYS[1]} days, not {days}."
    return ""


def _latency_error(kind: str, seconds: float | None) -> str:
    if kind != LATENCY:
        return "" if seconds is None else "Only an objective of latency has a limit: leave this empty."
    if seconds not in LATENCY_SECONDS:
        # Between two bounds a histogram can't tell how many answers were fast enough.
        bounds = ", ".join(f"{bound:g}" for bound in LATENCY_SECONDS)
        return f"The limit is a bound of the latency histogram's buckets, not {seconds}: one of {bounds} seconds."
    return ""
