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
from alerts.live_lint.firings import Firings, TooLong, firings, of_firings
from alerts.live_lint.questions import Match, Selector, at_best, matches, selectors

# Of a match that never meets: so many series of each side are looked at, to see which labels they have.
SAMPLES = 5
MOST_VALUES = 10


@dataclass(frozen=True, slots=True)
class LiveRule:
    """A rule as it was published. Durations in seconds; `seconds`: what its last evaluation took."""

    name: str
    expression: str
    origin: Origin
    for_: int = 0
    keep: int = 0
    interval: int = 30
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found. `firings` is None for recording rules, for rules that read nothing, and where it isn't known.

    `reads`: whether the rule reads any series.
    """

    rule: LiveRule
    findings: list[Finding] = field(default_factory=list)
    firings: Firings | None = None
    reads: bool = True


@dataclass(frozen=True, slots=True)
class _Read:
    """A rule with what it asks for, and why it can't be read where it can't. `best`: see questions.at_best."""

    rule: LiveRule
    best: str = ""
    selectors: list[Selector] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    problem: str = ""

    @property
    def texts(self) -> list[str]:
        sides = (text for each in self.matches for text in (each.met, each.left, each.right))
        return [self.best, *(text for each in self.selectors for text in (each.text, each.shifted) if text), *sides]


def look(rules: Iterable[LiveRule], asking: Asking) -> list[Looked]:
    """What there is to say of each. Unreachable, Refused or OutOfBudget: nothing can be said yet.

    An expression that Prometheus can't evaluate is a finding of the rule.
    """
    read = [_read(rule) for rule in rules]
    _ask([each for each in read if each.selectors], asking)
    return [_look(each, asking) for each in read]


def _read(rule: LiveRule) -> _Read:
    try:
        expression = rule.expression
        return _Read(rule, at_best(expression), selectors(expression), matches(expression))
    except ValueError as error:
        return _Read(rule, problem=str(error))


def _ask(read: list[_Read], asking: Asking) -> None:
    """Only what has to be asked: what a rule gives at best shows that it finds what it needs for that."""
    asking.count(each.best for each in read)
    _ask_matches([match for each in read for match in each.matches], asking)
    unproven = [s for each in read for s in each.selectors if not (s.needed and asking.counts.get(each.best))]
    asking.count(text for s in unproven for text in (s.text, s.shifted) if text)
    absent = [s for s in unproven if asking.counts.get(s.text) == 0]
    asking.count(text for s in absent for text in (s.bare, s.of_models, *s.stand_ins) if text)
    gone = [s for s in absent if not asking.counts.get(s.bare)]
    asking.find_lately(s.metric for s in gone if s.bare)
    for nameless in gone:
        if not nameless.bare:
            asking.find_lately_selected(nameless.text)


def _ask_matches(waiting: list[Match], asking: Asking) -> None:
    """From the outermost inwards, as far as those outside don't show that those inside meet."""
    while waiting:
        waiting = [match for match in waiting if not any(asking.counts.get(proof) for proof in match.proofs)]
        asked = [match for match in waiting if all(asking.knows(proof) for proof in match.proofs)]
        if not asked:
            break
        asking.count(match.met for match in asked)
        never = [match for match in asked if asking.counts.get(match.met) == 0]
        asking.count(side for match in never for side in (match.left, match.right))
        waiting = [match for match in waiting if not asking.knows(match.met)]


def _look(read: _Read, asking: Asking) -> Looked:
    rule = read.rule
    if read.problem:
        return Looked(rule, [unknown(f"the expression can't be read: {read.problem}", rule.expression)])
    if not read.selectors:
        return Looked(rule, reads=False)
    findings = [
        *(
            _with_values(f, read, asking)
            for f in of_selectors(read.selectors, asking.counts, asking.lately, rule.origin)
        ),
        *_of_matches(read, asking),
        *of_problems(asking.problems, read.texts),
    ]
    if rule.origin.recording:
        return Looked(rule, findings)
    try:
        found = firings(asking, rule.expression, rule.for_, rule.keep, rule.interval, rule.seconds, time.time())
    except (Refused, TooLong) as error:
        return Looked(rule, [*findings, unknown(f"how often it would have fired: {error}", rule.expression)])
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
