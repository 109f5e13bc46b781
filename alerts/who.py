"""Who gets paged: an alert's labels walked down the rendered route tree, as Alertmanager walks it. Pure.

1. A route whose matchers all match asks its children in their order, up to the first that matches and does not
   `continue`; where no child matches, the route itself tells its receiver.
2. Receiver and grouping are inherited from the parent, time intervals are not.
3. A route with `active_time_intervals` tells only within one of them, one with `mute_time_intervals` only outside.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

from alerts.hours import Hours
from alerts.matchers import Matcher, parse

Document = Mapping[str, Any]
_INHERITED = ("receiver", "group_by", "group_wait", "group_interval", "repeat_interval")
_READ = frozenset({"times", "weekdays", "location"})


@dataclass(frozen=True, slots=True)
class Told:
    """A receiver that a route leads to. `path`: the matchers of each route on the way, the root's (none) left out.

    `muted_by` names the interval that keeps it quiet at that time; `from_`: when the interval lets it speak, where that
    is known.
    """

    receiver: str
    path: tuple[tuple[Matcher, ...], ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    muted_by: str = ""
    from_: datetime | None = None

    @property
    def now(self) -> bool:
        return not self.muted_by


@dataclass(frozen=True, slots=True)
class Inhibition:
    """What would silence the alert: another one that matches `sources` and whose `equal` labels are these."""

    sources: tuple[Matcher, ...]
    equal: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """Who is told of an alert, in the tree's order, and what could keep all of them from it."""

    told: tuple[Told, ...]
    inhibitions: tuple[Inhibition, ...]


def who(document: Document, labels: Mapping[str, str], at: datetime) -> Answer:
    """Who is told at `at` of an alert with `labels`, under the configuration `document` (alertmanager.yml as data).

    ValueError where the configuration uses what Plumbline does not render.
    """
    intervals = {each["name"]: each["time_intervals"] for each in document.get("time_intervals", [])}
    told = tuple(_told(route, path, intervals, at) for route, path in _walk(document["route"], labels, {}, ()))
    return Answer(told, tuple(_inhibitions(document, labels)))


def _walk(
    route: Mapping[str, Any], labels: Mapping[str, str], inherited: Mapping[str, Any], path: tuple[Any, ...]
) -> Iterator[tuple[dict[str, Any], tuple[tuple[Matcher, ...], ...]]]:
    """The routes that tell somebody, each with what it inherits."""
    matchers = _parsed(route.get("matchers", []))
    if not _all(matchers, labels):
        return
    path = (*path, matchers) if matchers else path
    own = {**inherited, **{name: route[name] for name in _INHERITED if name in route}}
    nobody = True
    for child in route.get("routes", []):
        found = list(_walk(child, labels, own, path))
        yield from found
        nobody = nobody and not found
        if found and not child.get("continue", False):
            break
    if nobody:
        muting = {name: route[name] for name in ("active_time_intervals", "mute_time_intervals") if name in route}
        yield {**own, **muting}, path


def _told(
    route: Mapping[str, Any], path: tuple[tuple[Matcher, ...], ...], intervals: Mapping[str, Any], at: datetime
) -> Told:
    settings = {name: route[name] for name in _INHERITED[1:] if name in route}
    for name in route.get("mute_time_intervals", []):
        if any(hours.contain(at) for hours in _hours(intervals[name])):
            return Told(route["receiver"], path, settings, muted_by=name)
    active = {name: _hours(intervals[name]) for name in route.get("active_time_intervals", [])}
    if active and not any(hours.contain(at) for each in active.values() for hours in each):
        begins = [start for each in active.values() for hours in each if (start := hours.begin_next(at))]
        return Told(route["receiver"], path, settings, muted_by=", ".join(active), from_=min(begins, default=None))
    return Told(route["receiver"], path, settings)


def _hours(intervals: list[Mapping[str, Any]]) -> list[Hours]:
    found = []
    for interval in intervals:
        if unread := interval.keys() - _READ:
            raise ValueError(f"Time intervals by {', '.join(sorted(unread))} are not rendered, so they are not read.")
        for times in interval.get("times", [{"start_time": "00:00", "end_time": "24:00"}]):
            start, end = _clock(times["start_time"]), _clock(times["end_time"])
            found.append(Hours(start, end, tuple(interval["weekdays"]), interval.get("location", "UTC")))
    return found


def _clock(text: str) -> time:
    """A time of day. 24:00 is the end of the day: nothing that is counted in whole minutes comes after 23:59:59."""
    return time(23, 59, 59) if text == "24:00" else time.fromisoformat(text)


def _inhibitions(document: Document, labels: Mapping[str, str]) -> Iterator[Inhibition]:
    for rule in document.get("inhibit_rules", []):
        sources, targets = _parsed(rule["source_matchers"]), _parsed(rule["target_matchers"])
        if _all(targets, labels):
            yield Inhibition(sources, {name: labels.get(name, "") for name in rule.get("equal", [])})


def _parsed(matchers: list[str]) -> tuple[Matcher, ...]:
    return tuple(parse(text) for text in matchers)


def _all(matchers: tuple[Matcher, ...], labels: Mapping[str, str]) -> bool:
    return all(matcher.matches(labels) for matcher in matchers)
