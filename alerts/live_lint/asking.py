"""Asking Prometheus within bounds: so many questions, so many seconds; counts together, as many as fit in a query."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from alerts.http import Refused
from alerts.live_lint.findings import SEEN_DAYS
from alerts.prometheus import Prometheus, RuleGroup, Sample, Series
from telemetry.promql import alternatives, quote

# Seconds for one query. Prometheus itself gives up a little earlier, and says so.
TIMEOUT = 8.0
# Counts in one query, and characters of it: patterns of a thousand models are long.
TOGETHER = 20
CHARACTERS = 300_000
DAY = 86_400
_NUMBER = "plumbline_question"


class OutOfBudget(Exception):
    """No more may be asked in this run."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one run may cost."""

    queries: int = 50
    seconds: float = 30.0


@dataclass(slots=True)
class Asking:
    """One run's questions to one Prometheus. Each raises Unreachable, Refused or OutOfBudget.

    `counts` are the answers so far; `problems`: what Prometheus said of an expression that it can't evaluate.
    `lately`: what had a series within SEEN_DAYS.
    """

    prometheus: Prometheus
    budget: Budget = Budget()
    counts: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    lately: set[str] = field(default_factory=set)
    asked: int = 0
    _looked_for: set[str] = field(default_factory=set)
    _began: float = field(default_factory=time.monotonic)

    def count(self, expressions: Iterable[str]) -> None:
        """How many series each expression gives now, into `counts` or `problems`; what is known isn't asked again."""
        waiting = [e for e in dict.fromkeys(expressions) if not self.knows(e)]
        for batch in _batches(waiting):
            try:
                self._count(batch)
            except Refused as error:
                if len(batch) == 1:
                    self.problems[batch[0]] = error.message
                else:
                    self._count_one_by_one(batch)

    def knows(self, expression: str) -> bool:
        """Whether it was asked for, with an answer or a problem."""
        return expression in self.counts or expression in self.problems

    def _count_one_by_one(self, batch: list[str]) -> None:
        """One of several expressions errs, and takes the others with it."""
        for expression in batch:
            try:
                self._count([expression])
            except Refused as error:
                self.problems[expression] = error.message

    def _count(self, batch: list[str]) -> None:
        parts = (
            f'label_replace(count({each}), {quote(_NUMBER)}, "{number}", "", "")' for number, each in enumerate(batch)
        )
        answers = {int(s.labels[_NUMBER]): int(s.value) for s in self.query(" or ".join(parts))}
        self.counts.update({each: answers.get(number, 0) for number, each in enumerate(batch)})

    def query(self, expr: str) -> list[Sample]:
        self._spend()
        return self.prometheus.query(expr)

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        self._spend()
        return self.prometheus.query_range(expr, start, end, step)

    def label_values(self, label: str, selector: str, seconds: float) -> list[str]:
        """The values of `label` on the selector's series of the last `seconds`."""
        self._spend()
        now = time.time()
        return self.prometheus.label_values(label, selector, now - seconds, now)

    def find_lately(self, metrics: Iterable[str]) -> None:
        """Which of these had a series within SEEN_DAYS; from the index, which reads no samples."""
        waiting = [metric for metric in dict.fromkeys(metrics) if metric not in self._looked_for]
        if waiting:
            pattern = f"{{__name__=~{quote(alternatives(waiting))}}}"
            self.lately |= set(self.label_values("__name__", pattern, SEEN_DAYS * DAY))
            self._looked_for |= set(waiting)

    def find_lately_selected(self, selector: str) -> None:
        """The same of a selector that names no metric."""
        if selector not in self._looked_for:
            if self.label_values("__name__", selector, SEEN_DAYS * DAY):
                self.lately.add(selector)
            self._looked_for.add(selector)

    def rules(self) -> list[RuleGroup]:
        self._spend()
        return self.prometheus.rules()

    def _spend(self) -> None:
        if self.asked >= self.budget.queries:
            raise OutOfBudget(f"{self.budget.queries} queries")
        if time.monotonic() - self._began > self.budget.seconds:
            raise OutOfBudget(f"{self.budget.seconds:g} seconds")
        self.asked += 1


def _batches(expressions: list[str]) -> list[list[str]]:
    found: list[list[str]] = []
    size = 0
    for each in expressions:
        if not found or len(found[-1]) == TOGETHER or size + len(each) > CHARACTERS:
            found.append([])
            size = 0
        found[-1].append(each)
        size += len(each)
    return found
