"""Quoting: whatever a name holds, Prometheus' own parser reads back exactly it."""

import re

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import promql

ANY = st.text(st.characters(codec="utf-8"), max_size=40)


def matcher(expression: str):
    return promql_parser.parse(expression).matchers.matchers[0]


@given(ANY)
def test_a_quoted_value_is_read_back_as_it_was(value: str):
    assert matcher(promql.selector("up", promql.equals("job", value))).value == value


@given(st.lists(ANY.filter(lambda t: "\x00" not in t), min_size=1, max_size=5))
def test_alternatives_match_each_value_and_nothing_else(values: list[str]):
    pattern = matcher(promql.selector("up", promql.one_of("job", values))).value
    for value in values:
        assert re.fullmatch(pattern, value, re.DOTALL)
    for other in ("", "x" * 50, *(v + "x" for v in values), *(v[:-1] for v in values)):
        assert bool(re.fullmatch(pattern, other, re.DOTALL)) is (other in values)


def test_equal_sets_render_alike():
    assert promql.one_of("m", ["b", "a", "b"]) == promql.one_of("m", ["a", "b"]) == 'm=~"a|b"'


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("a\nb", r'"a\nb"'),
        ("a\x00b", r'"a\x00b"'),
        ("\N{LATIN SMALL LETTER A WITH DIAERESIS}", '"\N{LATIN SMALL LETTER A WITH DIAERESIS}"'),
        ("{{x}}", '"{{x}}"'),
    ],
)
def test_quoting_by_example(value: str, quoted: str):
    assert promql.quote(value) == quoted


@given(st.integers(0, 10**8))
def test_durations_are_read_back_as_they_were(seconds: int):
    text = promql.duration(seconds)
    assert promql.seconds(text) == seconds
    promql_parser.parse(f"rate(up[{text}])") if seconds else None


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", "5ms", "1m1h", "-5m", "5M", "1.5h", "\N{ARABIC-INDIC DIGIT FIVE}m"]
)
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(ValueError, match="write it like"):
        promql.seconds(text)


def test_a_negative_duration_is_refused():
    with pytest.raises(ValueError, match="negative"):
        promql.duration(-1)
