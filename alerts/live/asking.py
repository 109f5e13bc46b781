"""Asking Prometheus several things at once, in bounded time. What is not answered is unknown, never zero."""

import math
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from alerts.http import Refused, Unreachable

WORKERS = 6
# Seconds in which the whole set has to be answered; each request has the client's own time-out beside it.
DEADLINE = 6.0


class Asked(Protocol):
    """What is asked: alerts.prometheus.Prometheus, or anything that answers like it."""

    def query(self, expr: str, at: float | None = None) -> list[Any]: ...
    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when (seconds since the epoch), in steps of `step` seconds."""

    start: float
    end: float
    step: float


@dataclass(frozen=True)
class Answers:
    """What Prometheus said, by the name of the question. Empty `unreachable`: it could be reached."""

    samples: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    series: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    unreachable: str = ""

    def by(self, question: str, *labels: str) -> dict[Any, float] | None:
        """{label's value (a tuple for several labels): number} without NaN; None where there is no answer."""
        if question not in self.samples:
            return None
        numbers = {}
        for sample in self.samples[question]:
            if not math.isnan(sample.value):
                key = tuple(sample.labels.get(label, "") for label in labels)
                numbers[key if len(labels) > 1 else key[0]] = sample.value
        return numbers

    def one(self, question: str) -> float | None:
        """The only number; None where there is none."""
        samples = self.samples.get(question, ())
        return samples[0].value if samples and not math.isnan(samples[0].value) else None


def ask(
    prometheus: Asked, instant: Mapping[str, str], ranges: Mapping[str, str] | None = None, span: Span | None = None
) -> Answers:
    """All expressions of `instant` now, and those of `ranges` over `span`; each by the name it is given."""
    samples: dict[str, tuple[Any, ...]] = {}
    series: dict[str, tuple[Any, ...]] = {}
    problems: dict[str, str] = {}
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="ask")
    try:
        waiting: list[tuple[str, dict[str, tuple[Any, ...]], Future[Any]]] = [
            (name, samples, pool.submit(prometheus.query, expr)) for name, expr in instant.items()
        ]
        if span is not None:
            waiting += [
                (name, series, pool.submit(prometheus.query_range, expr, span.start, span.end, span.step))
                for name, expr in (ranges or {}).items()
            ]
        return _collect(waiting, samples, series, problems)
    finally:
        # Not waited for: a page is never held up by a server that doesn't answer.
        pool.shutdown(wait=False, cancel_futures=True)


def _collect(
    waiting: Iterable[tuple[str, dict[str, tuple[Any, ...]], Future[Any]]],
    samples: dict[str, tuple[Any, ...]],
    series: dict[str, tuple[Any, ...]],
    problems: dict[str, str],
) -> Answers:
    for name, answers, future in waiting:
        try:
            answers[name] = tuple(future.result(timeout=DEADLINE))
        except Refused as error:
            problems[name] = str(error)
        except Unreachable as error:
            return Answers(unreachable=str(error))
        except TimeoutError:
            return Answers(unreachable=f"no answer within {DEADLINE:g} seconds")
    return Answers(samples, series, problems)
