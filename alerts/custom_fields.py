"""Checks of a custom alert's fields: what can be known before Prometheus is asked. Pure.

Whether an expression that parses can also be evaluated shows only there; publishing asks.
"""

import re
from collections.abc import Mapping
from typing import Any

import promql_parser

from alerts.catalogue import KINDS
from alerts.custom_expression import collapsed
from alerts.policy_fields import for_error
from alerts.runbook_sections import sections_error
from telemetry import promql

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_LONGEST_EXPRESSION = 10_000  # characters
_MOST_SERIES = 50
_MOST_STEPS = 3000  # evaluations in a case

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# A sequence of promtool: a value, a value again and again, a value that grows, a gap, the end of the series.
_VALUE = re.compile(
    rf"(?:{_NUMBER}|[-+]?Inf|NaN)(?:x\d{{1,4}})?|{_NUMBER}[-+](?:\d+\.?\d*|\.\d+)x\d{{1,4}}|_(?:x\d{{1,4}})?|stale"
)


def check_custom_alert(
    *, name: str, expression: str, for_seconds: int, runbook: str, fires_case: Any, silent_case: Any
) -> dict[str, str]:
    """Field -> what is wrong with it and the remedy; empty where all is well."""
    found = {
        "name": _name_error(name),
        "expression": _expression_error(expression),
        "for_seconds": for_error(for_seconds),
        # An empty one is refused by the field itself.
        "runbook": sections_error(runbook) if runbook else "",
        "fires_case": _case_error(fires_case),
        "silent_case": _case_error(silent_case),
    }
    return {field: error for field, error in found.items() if error}


def _name_error(name: str) -> str:
    if not _NAME.fullmatch(name):
        return f"{name!r} can't name an alert: start with a letter, then letters and digits only."
    if name.lower() in {kind.lower() for kind in KINDS}:
        return f"{name} is an alert of the catalogue: choose another name, or change that alert's policy."
    return ""


def _expression_error(expression: str) -> str:
    if len(expression) > _LONGEST_EXPRESSION:
        return f"An expression has up to {_LONGEST_EXPRESSION:,} characters; this one has {len(expression):,}."
    if not expression.isascii() and not _is_text(expression):
        return "The expression holds control characters: leave them out."
    try:
        # By itself first: its parentheses must not pair with ours.
        promql_parser.parse(expression)
        promql_parser.parse(collapsed(expression).text)
    except ValueError as error:
        return f"Prometheus would not read this expression: {error}"
    return ""


def _is_text(value: str) -> bool:
    """Whether it can stand in a rule file: printable, but for line ends and tabs."""
    return all(c.isprintable() or c in "\n\t" for c in value)


def _case_error(case: Any) -> str:
    if not isinstance(case, Mapping):
        return 'A case is an object: {"series": {"metric{label=\\"x\\"}": "0+1x20"}, "at": "15m"}.'
    unknown = sorted(set(case) - {"series", "at", "interval"})
    if unknown:
        return f"A case has no {unknown[0]!r}: it has series, at and, where it is not 1m, interval."
    return _times_error(case) or _series_error(case.get("series"))


def _times_error(case: Mapping[str, Any]) -> str:
    texts = {"at": case.get("at", ""), "interval": case.get("interval", "1m")}
    seconds = {}
    for name, text in texts.items():
        try:
            seconds[name] = promql.seconds(str(text))
        except ValueError as error:
            return f"{name}: {error}"
    if not seconds["interval"]:
        return "interval: one second at least."
    if seconds["at"] / seconds["interval"] > _MOST_STEPS:
        return f"at: up to {_MOST_STEPS:,} intervals of {texts['interval']}; take a longer interval or look earlier."
    return ""


def _series_error(series: Any) -> str:
    if not isinstance(series, Mapping):
        return 'series: an object of series and their values, {"metric{label=\\"x\\"}": "0+1x20"}.'
    if len(series) > _MOST_SERIES:
        return f"series: up to {_MOST_SERIES}, not {len(series)}."
    for selector, values in series.items():
        error = _selector_error(selector) or _values_error(selector, values)
        if error:
            return error
    return ""


def _selector_error(selector: str) -> str:
    try:
        parsed = promql_parser.parse(selector)
    except ValueError as error:
        return f"series: {selector!r} is no series: {error}"
    if not isinstance(parsed, promql_parser.VectorSelector) or not _is_plain(parsed):
        return f'series: {selector!r} is no series: write it like metric{{label="x"}}.'
    return ""


def _is_plain(selector: promql_parser.VectorSelector) -> bool:
    """Whether it names one series at its own time: promtool takes nothing else as input."""
    equal = all(matcher.op == promql_parser.MatchOp.Equal for matcher in selector.matchers.matchers)
    return equal and selector.offset is None and selector.at is None


def _values_error(selector: str, values: Any) -> str:
    if not isinstance(values, str):
        return f"series: the values of {selector} are a text, for example 0+1x20."
    wrong = next((v for v in values.split(" ") if v and not _VALUE.fullmatch(v)), None)
    return (
        f"series: {wrong!r} in the values of {selector} is not promtool's notation, such as 5, 0+1x20, _ or stale."
        if wrong
        else ""
    )
