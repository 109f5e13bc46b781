"""Rules looked at with live data: their selectors, their matches, and how often each would have fired."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from alerts.http import Refused
from alerts.live_lint.asking import DAY, Asking
from alerts.live_lint.findings import (
    Finding,
    Origin,
    Severity,
    cut,
    of_match,
    of_problems,
    of_selectors,
    unknown,
)
from alerts.live_lint.firings import Firings, firings, of_firings
from alerts.live_lint.questions import Match, Selector, matches, measured, selectors

# Of a match that never meets: so many series of each side are looked at, to see which labels they have.
SAMPLES = 5
MOST_VALUES = 10


@dataclass(frozen=True, slots=True)
class LiveRule:
    """A rule as it was published. Durations in seconds."""

    name: str
    expression: str
    origin: Origin
    for_: int = 0
    keep: int = 0
    interval: int = 30


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found. `firings` is None for recording rules, for rules that read nothing, and where it isn't known."""

    rule: LiveRule
    findings: list[Finding] = field(default_factory=list)
    firings: Firings | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """A rule with what it asks for, and why it can't be read where it can't."""

    rule: LiveRule
    selectors: list[Selector] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    problem: str = ""

    @property
    def texts(self) -> list[str]:
        return [text for each in self.selectors for text in (each.text, each.shifted) if text]

    @property
    def sides(self) -> list[str]:
        return [side for each in self.matches for side in (each.left, each.right)]


def prepare(rules: Iterable[LiveRule], asking: Asking) -> None:
    """Ask for the counts of all these rules together. Raises what asking raises."""
    read = [_read(rule) for rule in rules]
    asking.count(text for each in read for text in (*each.texts, *each.sides))
    absent = [s for each in read for s in each.selectors if asking.counts.get(s.text) == 0]
    both = [m for each in read for m in each.matches if asking.counts.get(m.left) and asking.counts.get(m.right)]
    more = [text for each in absent for text in (each.bare, each.of_models, *each.stand_ins) if text]
    asking.count([*more, *(each.met for each in both)])
    gone = [each for each in absent if not asking.counts.get(each.bare)]
    asking.find_lately([each.metric for each in gone if each.bare])
    for each in gone:
        if not each.bare:
            asking.find_lately_selected(each.text)


def look(rules: Iterable[LiveRule], asking: Asking) -> list[Looked]:
    """What is there to say of each. Unreachable, Refused or OutOfBudget: nothing can be said yet.

    An expression that Prometheus can't evaluate is a finding of the rule.
    """
    rules = list(rules)
    prepare(rules, asking)
    return [_look(_read(rule), asking) for rule in rules]


def _read(rule: LiveRule) -> _Read:
    try:
        return _Read(rule, selectors(rule.expression), matches(rule.expression))
    except ValueError as error:
        return _Read(rule, problem=str(error))


def _look(read: _Read, asking: Asking) -> Looked:
    rule = read.rule
    if read.problem:
        return Looked(rule, [unknown(f"the expression can't be read: {read.problem}", rule.expression)])
    if not read.selectors:
        return Looked(rule)
    findings = [
        *(
            _with_values(each, read, asking)
            for each in of_selectors(read.selectors, asking.counts, asking.lately, rule.origin)
        ),
        *_of_matches(read, asking),
        *of_problems(asking.problems, [*read.texts, *read.sides, *(each.met for each in read.matches)]),
    ]
    if rule.origin.recording:
        return Looked(rule, findings)
    try:
        possible = measured(rule.expression)
        found = firings(asking, rule.expression, possible, rule.for_, rule.keep, rule.interval, time.time())
    except Refused as error:
        return Looked(rule, [*findings, unknown(f"how often it would have fired: {error.message}", rule.expression)])
    return Looked(rule, [*findings, *of_firings(found, cut(rule.expression))], found)


def _with_values(found: Finding, read: _Read, asking: Asking) -> Finding:
    """A slip in a value is seen at once beside the values that there are."""
    absent = (s for s in read.selectors if cut(s.text) == found.asked and asking.counts.get(s.bare))
    each = next(absent, None)
    if found.severity not in (Severity.FAULT, Severity.NOTICE) or each is None or not each.others:
        return found
    label = each.others[0][0]
    values = sorted(asking.label_values(label, each.bare, DAY))
    shown = ", ".join(repr(value) for value in values[:MOST_VALUES]) + (", …" if len(values) > MOST_VALUES else "")
    told = f"{label} has {cut(shown)}." if values else f"It has no label {label}."
    return Finding(found.severity, found.text, found.asked, f"{found.remedy} {told}")


def _of_matches(read: _Read, asking: Asking) -> list[Finding]:
    return [
        of_match(each, _labels(each, each.left, asking), _labels(each, each.right, asking), read.rule.origin)
        for each in read.matches
        # Where a side is empty its selectors are to blame, and that is said of them.
        if asking.counts.get(each.left) and asking.counts.get(each.right) and asking.counts.get(each.met) == 0
    ]


def _labels(match: Match, side: str, asking: Asking) -> set[str]:
    """The labels that series of this side have."""
    expression = f"count by ({', '.join(match.labels)}) ({side})" if match.by_name and match.labels else side
    samples = asking.query(f"topk({SAMPLES}, {expression})")
    return {name for sample in samples for name, value in sample.labels.items() if value and name != "__name__"}
