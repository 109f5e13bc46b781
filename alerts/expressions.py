"""PromQL built from typed parts: values are quoted, operators get their parentheses. Pure.

A value typed by a person enters an expression only as a label's value or a number, through this module.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from telemetry import promql

# How tightly an expression's outermost operator binds, as PromQL ranks them.
_OR, _AND, _COMPARE, _SUM, _PRODUCT, _ATOM = range(1, 7)


@dataclass(frozen=True, slots=True)
class Expr:
    """An instant vector or a scalar. `level` says whether it needs parentheses inside another operator."""

    text: str
    level: int = _ATOM

    def __str__(self) -> str:
        return self.text

    def above(self, limit: "Expr | float") -> "Expr":
        """Where it is greater than `limit`. NaN never is."""
        return self._compare(">", limit)

    def below(self, limit: "Expr | float") -> "Expr":
        """Where it is less than `limit`. NaN never is."""
        return self._compare("<", limit)

    def at_least(self, limit: "Expr | float") -> "Expr":
        return self._compare(">=", limit)

    def at_most(self, limit: "Expr | float") -> "Expr":
        return self._compare("<=", limit)

    def equal_to(self, limit: "Expr | float") -> "Expr":
        return self._compare("==", limit)

    def at_least_matching(self, labels: Sequence[str], limit: "Expr") -> "Expr":
        """Where it is `limit` or more; many series here meet the one there with the same `labels`."""
        return self._join(">=", _COMPARE, f"on ({', '.join(labels)}) group_left () ", limit)

    def below_matching(self, labels: Sequence[str], limit: "Expr") -> "Expr":
        """Where it is less than `limit`; many series here meet the one there with the same `labels`."""
        return self._join("<", _COMPARE, f"on ({', '.join(labels)}) group_left () ", limit)

    def minus_matching(self, labels: Sequence[str], other: "Expr") -> "Expr":
        return self._join("-", _SUM, f"on ({', '.join(labels)}) group_left () ", other)

    def plus_matching(self, labels: Sequence[str], other: "Expr") -> "Expr":
        return self._join("+", _SUM, f"on ({', '.join(labels)}) group_left () ", other)

    def over_matching(self, labels: Sequence[str], other: "Expr") -> "Expr":
        """Divided by the one series there with the same `labels`."""
        return self._join("/", _PRODUCT, f"on ({', '.join(labels)}) group_left () ", other)

    def times(self, factor: "Expr | float") -> "Expr":
        return self._join("*", _PRODUCT, "", _operand(factor))

    def over(self, divisor: "Expr | float") -> "Expr":
        return self._join("/", _PRODUCT, "", _operand(divisor))

    def plus(self, other: "Expr | float") -> "Expr":
        return self._join("+", _SUM, "", _operand(other))

    def minus(self, other: "Expr | float") -> "Expr":
        return self._join("-", _SUM, "", _operand(other))

    def and_on(self, labels: Sequence[str], other: "Expr") -> "Expr":
        """Only the series that `other` has as well, by `labels`."""
        return self._join("and", _AND, f"on ({', '.join(labels)}) ", other, line=True)

    def unless_on(self, labels: Sequence[str], other: "Expr") -> "Expr":
        """Only the series that `other` lacks, by `labels`."""
        return self._join("unless", _AND, f"on ({', '.join(labels)}) ", other, line=True)

    def otherwise(self, other: "Expr") -> "Expr":
        """`other` where this has no series of the same labels."""
        return self._join("or", _OR, "", other, line=True)

    def without_nan(self) -> "Expr":
        """Without the series whose value is not a number: no traffic is no answer."""
        return self.at_least(0)

    def _compare(self, operator: str, limit: "Expr | float") -> "Expr":
        return self._join(operator, _COMPARE, "", _operand(limit))

    def _join(self, operator: str, level: int, matching: str, other: "Expr", line: bool = False) -> "Expr":
        left = self._inside(level)
        # Operators of one rank are taken from the left, so the right side needs more.
        right = other._inside(level + 1)
        gap = "\n" if line else " "
        return Expr(f"{left}{gap}{operator} {matching}{right}", level)

    def _inside(self, level: int) -> str:
        return self.text if self.level >= level else f"({self.text})"


def number(value: float) -> Expr:
    """A scalar. ValueError for what isn't a finite number: it would compare as nothing."""
    if not math.isfinite(value):
        raise ValueError(f"{value!r} can't be a limit: write a finite number.")
    text = str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
    return Expr(text if value >= 0 else f"({text})")


def _operand(value: Expr | float) -> Expr:
    return value if isinstance(value, Expr) else number(value)


def as_written(text: str) -> Expr:
    """An expression that stands in a rule: in parentheses wherever it becomes an operand."""
    return Expr(text, _OR)


def series(metric: str, *matchers: str) -> Expr:
    """The instant vector of `metric`; matchers come from telemetry.promql."""
    return Expr(promql.selector(metric, *matchers))


def call(function: str, *arguments: Expr | float | str) -> Expr:
    """`function(arguments)`; strings are quoted."""
    texts = (promql.quote(a) if isinstance(a, str) else _operand(a).text for a in arguments)
    return Expr(f"{function}({', '.join(texts)})")


def over_window(function: str, metric: str, window: str, *matchers: str) -> Expr:
    """`function(metric{...}[window])`, for example rate or increase."""
    return Expr(f"{function}({promql.selector(metric, *matchers)}[{window}])")


def rate(metric: str, window: str, *matchers: str) -> Expr:
    return over_window("rate", metric, window, *matchers)


def increase(metric: str, window: str, *matchers: str) -> Expr:
    return over_window("increase", metric, window, *matchers)


def offset(metric: str, ago: str, *matchers: str) -> Expr:
    """`metric` as it was `ago`."""
    return Expr(f"{promql.selector(metric, *matchers)} offset {ago}")


def sum_by(labels: Sequence[str], inner: Expr) -> Expr:
    return _aggregate("sum", labels, inner)


def max_by(labels: Sequence[str], inner: Expr) -> Expr:
    return _aggregate("max", labels, inner)


def min_by(labels: Sequence[str], inner: Expr) -> Expr:
    return _aggregate("min", labels, inner)


def count_by(labels: Sequence[str], inner: Expr) -> Expr:
    return _aggregate("count", labels, inner)


def _aggregate(operator: str, labels: Sequence[str], inner: Expr) -> Expr:
    grouping = f" by ({', '.join(labels)}) " if labels else ""
    return Expr(f"{operator}{grouping}({inner.text})")


def quantile_of_histogram(share: float, buckets: Expr) -> Expr:
    return call("histogram_quantile", share, buckets)


def set_label(inner: Expr, label: str, value: str) -> Expr:
    """Every series with `label` set to `value`; empty removes it."""
    return call("label_replace", inner, label, _replacement(value), "", "")


def set_label_where(inner: Expr, label: str, value: str, source: str, among: Iterable[str]) -> Expr:
    """The series whose `source` is one of `among` with `label` set to `value`; the others as they are."""
    return call("label_replace", inner, label, _replacement(value), source, promql.alternatives(among))


def join_labels(inner: Expr, label: str, separator: str, *sources: str) -> Expr:
    """Every series with `label` set to its `sources`' values with `separator` between them."""
    return call("label_join", inner, label, separator, *sources)


def _replacement(value: str) -> str:
    # label_replace reads $1 or $name as a group of the pattern.
    return value.replace("$", "$$")
