"""What the answers say of a rule, in words, each with what was asked and what to do. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from alerts.live_lint.questions import Match, Selector

MOST_CHARACTERS = 400
SEEN_DAYS = 1


class Severity(StrEnum):
    """`fault`: the rule can't do its work. `unknown`: that can't be told. `note`: so it may be."""

    FAULT = "fault"
    NOTICE = "notice"
    UNKNOWN = "unknown"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is worth saying."""

    severity: Severity
    text: str
    asked: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a rule comes from: `recording` rules tell nobody; one that is `typed` by a person may hold a slip.

    `exists_when`: metrics that are not always there, with when they are. `recorded`: series that rules of ours record.
    """

    recording: bool = False
    typed: bool = False
    exists_when: Mapping[str, str] = field(default_factory=dict)
    recorded: Collection[str] = ()


def of_selectors(
    selectors: Iterable[Selector], counts: Mapping[str, int], seen: Collection[str], origin: Origin
) -> list[Finding]:
    """Of selectors without a series. `counts`: of each text; `seen`: metrics that had one within
    SEEN_DAYS, and texts of selectors that name no metric."""
    found = []
    for each in selectors:
        if each.text not in counts:
            continue
        if not counts[each.text]:
            found.append(_absent(each, counts, seen, origin))
        elif each.shifted and counts.get(each.shifted) == 0:
            found.append(_too_young(each))
    return found


def of_problems(problems: Mapping[str, str], asked: Iterable[str]) -> list[Finding]:
    """Of what Prometheus could not evaluate."""
    return [unknown(problems[each], each) for each in dict.fromkeys(asked) if each in problems]


def unknown(reason: str, asked: str) -> Finding:
    """Something could not be told."""
    return Finding(
        Severity.UNKNOWN,
        f"Not known: {cut(reason)}",
        cut(asked),
        "It is asked again later. Where that stays so, the question is too much for this Prometheus.",
    )


def of_match(match: Match, left: Collection[str], right: Collection[str], origin: Origin) -> Finding:
    """Of two sides that both have series, none of which meet. `left`, `right`: the labels that they have."""
    matching = match.matching or "all labels"
    relevant = set(match.labels) if match.by_name else (set(left) | set(right)) - set(match.labels)
    missing = {"left": sorted(relevant - set(left)), "right": sorted(relevant - set(right))}
    lacking = [f"the {side} side has no {', '.join(labels)}" for side, labels in missing.items() if labels]
    one_sided = missing["left"] != missing["right"]
    text = f"The two sides of `{match.operator}` never meet by {matching}"
    if lacking and one_sided:
        return Finding(
            Severity.FAULT,
            f"{text}: {'; '.join(lacking)}.",
            cut(match.met),
            "Match by labels that both sides have: on (...) names them.",
        )
    if match.operator == "unless":
        return Finding(Severity.NOTE, "Nothing is left out by `unless` at present.", cut(match.met), "")
    return Finding(
        Severity.FAULT if origin.typed else Severity.NOTICE,
        f"{text}: both have series, of different values.",
        cut(match.met),
        "Compare the values of these labels on both sides. While none is the same, this part of the rule is blind.",
    )


def _absent(each: Selector, counts: Mapping[str, int], seen: Collection[str], origin: Origin) -> Finding:
    if counts.get(each.bare):
        what, remedy, severity = _of_no_such(each, counts, origin)
    else:
        gone = (each.metric if each.bare else each.text) in seen
        what, remedy, severity = _of_nothing(each, gone, origin)
    harmless = _why_harmless(each, counts, origin)
    if harmless or severity is Severity.NOTE:
        return Finding(Severity.NOTE, f"{what}{'. ' if harmless else ''}{harmless}.", cut(each.text), "")
    return Finding(severity, f"{what}.", cut(each.text), remedy)


def _of_nothing(each: Selector, gone: bool, origin: Origin) -> tuple[str, str, Severity]:
    """Of a metric without any series: what, remedy, severity."""
    name = each.metric or cut(each.text)
    if gone:
        what = f"{name} was there within the last {_days(SEEN_DAYS)}, and is gone"
        remedy = "Look at what exported it: is it up, and does it still export it under this name?"
    else:
        what = f"{name} has never been there, as far as the last {_days(SEEN_DAYS)} tells"
        remedy = "Is it spelt as it is exported? Is what exports it running, and scraped?"
    if each.metric in origin.recorded:
        remedy = "A rule of ours records it, and has nothing to record: is anybody asking these models, on this route?"
        # A rule that records from what is recorded adds nothing: the alert that reads it says so.
        return what, remedy, Severity.NOTE if origin.recording else Severity.NOTICE
    return what, remedy, Severity.NOTICE if origin.recording else Severity.FAULT


def _of_no_such(each: Selector, counts: Mapping[str, int], origin: Origin) -> tuple[str, str, Severity]:
    """Of a metric that is there, and of which no series is selected: what, remedy, severity."""
    values = ", ".join(f"{label}{operator}{value!r}" for label, operator, value in each.others)
    if each.of_models and counts.get(each.of_models):
        what = f"{each.metric} is there, but not with {cut(values)}"
        if origin.typed:
            return what, "Compare with the values that the metric has.", Severity.FAULT
        return f"{what}: so it is while nothing of the kind happens", "", Severity.NOTE
    if each.others and not each.of_models:
        severity = Severity.FAULT if origin.typed else Severity.NOTICE
        return f"{each.metric} is there, but not with {cut(values)}", "Compare with the values that it has.", severity
    return (
        f"{each.metric} is there, but not of this rule's models",
        "Are they served and scraped? Does what exports it call them, in model_name, what the registry does?",
        Severity.FAULT if origin.typed else Severity.NOTICE,
    )


def _why_harmless(each: Selector, counts: Mapping[str, int], origin: Origin) -> str:
    if each.excludes:
        return "The rule reads it to leave something out, and leaves nothing out"
    if any(counts.get(other) for other in each.stand_ins):
        return "The rule reads something else in its place"
    when = origin.exists_when.get(each.metric)
    return f"It is there only where {when}" if when else ""


def _too_young(each: Selector) -> Finding:
    ago = f"{each.ago} ago" if each.ago else "at the time that the rule looks at"
    return Finding(
        Severity.NOTE,
        f"{each.metric or 'What it selects'} was not there yet {ago}: the rule has nothing to compare with until then.",
        cut(each.shifted),
        "",
    )


def _days(count: int) -> str:
    return "day" if count == 1 else f"{count} days"


def cut(text: str) -> str:
    """Short enough to be stored and read; the middle of a long pattern says little."""
    if len(text) <= MOST_CHARACTERS:
        return text
    half = MOST_CHARACTERS // 2
    return f"{text[:half]} … {text[-half:]}"
