"""Alertmanager's matchers, read from the text that a rendered route carries. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

_MATCHER = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!=|!~|=)\s*(.*?)\s*", re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\n])')
_MOST_WORDS = 8


@dataclass(frozen=True, slots=True)
class Matcher:
    """`label` compared with `value`; a label that is absent is as good as an empty one."""

    label: str
    operator: str
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.label, "")
        if self.operator in ("=", "!="):
            return (found == self.value) is (self.operator == "=")
        # RE2's patterns that Plumbline renders are Python's as well; both must match all of the value.
        return bool(re.fullmatch(self.value, found)) is (self.operator == "=~")

    def __str__(self) -> str:
        """In words: `team is flights`."""
        if self.operator == "=":
            return f"{self.label} is {self.value}" if self.value else f"there is no {self.label}"
        if self.operator == "!=":
            return f"{self.label} is not {self.value}" if self.value else f"there is a {self.label}"
        said = "is" if self.operator == "=~" else "is not"
        return f"{self.label} {said} {_choice(self.value)}"


@cache
def parse(text: str) -> Matcher:
    """The matcher that `text` is. ValueError where it is none."""
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no matcher: write label=value, label!=value, label=~pattern or label!~pattern.")
    label, operator, value = found.groups()
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = _ESCAPED.sub(lambda m: "\n" if m[1] == "n" else m[1], value[1:-1])
    return Matcher(label, operator, value)


def _choice(pattern: str) -> str:
    """`one of a, b` where the pattern only lists names; else the pattern."""
    names = pattern.split("|")
    if not all(re.fullmatch(r"[\w-]+", name) for name in names):
        return f"like {pattern}"
    if len(names) == 1:
        return names[0]
    told = ", ".join(names[:_MOST_WORDS])
    return f"one of {told}" + (f" and {len(names) - _MOST_WORDS} more" if len(names) > _MOST_WORDS else "")
