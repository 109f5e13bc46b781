"""The patterns of a rendered expression that name models: matchers, and links that set a label on some models. Pure.

Read from the expression's text, so that whatever became of it on its way is what is read. Only patterns that are
nothing but literal alternatives (`a|b`, as telemetry.promql writes them) count; any other is left as it stands.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from telemetry import names, promql

# Joined from model and feature for the time of a chain of links. A model's name has no slash, so the first ends it.
MODEL_INPUT = "model_input"

_STRING = r'"(?:[^"\\]|\\.)*"'
_TOKENS = re.compile(
    rf"(?P<matcher>\b{names.MODEL}\s*=~\s*)(?P<pattern>{_STRING})"
    rf"|(?P<quoted>{_STRING}|'(?:[^'\\]|\\.)*'|`[^`]*`|\#[^\n]*)"
    r"|(?P<opened>(?:\b(?P<function>[a-z_]+)\s*)?\()|(?P<closed>\))|(?P<comma>,)"
    r"|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<other>.)",
    re.DOTALL,
)
_ESCAPES = re.compile(r"\\(?:x([0-9a-f]{2})|(.))", re.DOTALL)
_CONTROLS = {"n": "\n"}
_META = r"\\.+*?()|\[\]{}^$"
_LITERAL = re.compile(rf"(?:[^{_META}]|\\[{_META}])+", re.DOTALL)

# Is told a label, and a literal value of a pattern on it; says whether the value stays.
Keeps = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Literal alternatives on a label. `sets`: what a link sets where one of them is the label's value, and to what."""

    label: str
    values: tuple[str, ...]
    sets: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """An expression: its text with the patterns cut down, those that it had, and names that it uses, functions too."""

    text: str
    patterns: tuple[Pattern, ...]
    names: frozenset[str]


def read(expression: str, keeps: Keeps = lambda label, value: True) -> Reading:
    """`expression` with only the alternatives that `keeps` says.

    A link that none is left of is taken out. A matcher keeps its first alternative then: it must not come to match
    series without the label.
    """
    reader = _Reader(keeps)
    for token in _TOKENS.finditer(expression):
        reader.take(token)
    return Reading("".join(reader.out), tuple(reader.patterns), frozenset(reader.names))


@dataclass(slots=True)
class _Call:
    """An open parenthesis: what stands before it, where it stands, and its commas (those of selectors too)."""

    function: str | None
    start: int
    commas: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Reader:
    keeps: Keeps
    out: list[str] = field(default_factory=list)
    patterns: list[Pattern] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    open: list[_Call] = field(default_factory=list)
    # Where a call begins in `out` -> where it ends; holds for the call that ended last there.
    ends: dict[int, int] = field(default_factory=dict)
    added: set[int] = field(default_factory=set)  # where parentheses took a link's place

    def take(self, token: re.Match[str]) -> None:
        if token["matcher"]:
            self.out += [token["matcher"], self._matcher(token["pattern"])]
            return
        if token["opened"]:
            self.open.append(_Call(token["function"], len(self.out)))
            self.names.update(filter(None, [token["function"]]))
        elif token["comma"] and self.open:
            self.open[-1].commas.append(len(self.out))
        elif token["name"]:
            self.names.add(token["name"])
        self.out.append(token[0])
        if token["closed"] and self.open:
            call = self.open.pop()
            self._close(call)
            self.ends[call.start] = len(self.out)

    def _matcher(self, quoted: str) -> str:
        values = _values(quoted)
        if values is None:
            return quoted
        self.patterns.append(Pattern(names.MODEL, values))
        kept = [value for value in values if self.keeps(names.MODEL, value)]
        return _pattern(kept or values[:1]) if len(kept) < len(values) else quoted

    def _close(self, call: _Call) -> None:
        """Cut a link that has just ended: the last four arguments of label_replace are strings, without commas."""
        if call.function != "label_replace" or len(call.commas) < 4:
            return
        ends = [*call.commas[-4:], len(self.out) - 1]
        texts = ["".join(self.out[i + 1 : j]).strip() for i, j in pairwise(ends)]
        if not all(re.fullmatch(_STRING, text, re.DOTALL) for text in texts):
            return
        label, value, source = map(unquoted, texts[:3])
        values = _values(texts[3])
        if source not in (names.MODEL, MODEL_INPUT) or values is None:
            return
        self.patterns.append(Pattern(source, values, (label, value)))
        kept = [value for value in values if self.keeps(source, value)]
        inner = self.out[call.start + 1 : ends[0]]
        whole = self.ends.get(call.start + 1) == ends[0]
        ours = whole and call.start + 1 in self.added
        if kept:
            if len(kept) < len(values):
                self.out[ends[3] + 1 : ends[4]] = [f" {_pattern(kept)}"]
            self.out[call.start + 1 : ends[0]] = inner[1:-1] if ours else inner
            return
        self.out[call.start :] = inner if whole else ["(", *inner, ")"]
        if ours or not whole:
            self.added.add(call.start)


# A rule names the same models in each of its selectors, and so do the default rules of all alerts.
@lru_cache(maxsize=256)
def _values(quoted: str) -> tuple[str, ...] | None:
    return alternatives(unquoted(quoted))


def _pattern(values: Sequence[str]) -> str:
    return promql.quote("|".join(map(promql.regex_literal, values)))


def alternatives(pattern: str) -> tuple[str, ...] | None:
    """The values of a pattern that is nothing but literals with `|` between them, else None."""
    parts = re.findall(r"(?:\\.|[^|\\])+", pattern, re.DOTALL)
    if not parts or "|".join(parts) != pattern or not all(_LITERAL.fullmatch(part) for part in parts):
        return None
    return tuple(re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in parts)


def unquoted(text: str) -> str:
    """The value of a double-quoted literal, as telemetry.promql.quote writes it."""
    return _ESCAPES.sub(lambda e: chr(int(e[1], 16)) if e[1] else _CONTROLS.get(e[2], e[2]), text[1:-1])
