"""The live part as a whole: everything that the page shows of one model, at one moment."""

import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from alerts.live.asking import Answers, Asked, Span, ask
from alerts.live.charts import Chart, Drawing, draw
from alerts.live.numbers import Unit
from alerts.live.queries import instant, over_time
from alerts.live.rows import FeatureRow, Limits, RouteRow, VersionRow, feature_rows, route_rows, version_rows
from alerts.live.words import Reply, ToldChange, one_route, one_version, path_or_input, score_moved, with_release
from models_registry.fleet import FleetModel

# What a person may choose: minutes of a chart, and its step in seconds (180 to 288 points).
SPANS = {"15m": (900, 5), "1h": (3600, 15), "6h": (21600, 120), "24h": (86400, 300)}
DEFAULT_SPAN = "1h"
# The charts of each plane, what concerns it first.
HEALTH_CHARTS: tuple[str, ...] = ("errors", "latency", "traffic", "weight")
QUALITY_CHARTS: tuple[str, ...] = ("drift", "missing", "score", "traffic")
# The limits of these charts are series of their own.
LIMITED_BY = {"drift": "drift_threshold", "missing": "missing_limit"}


@dataclass(frozen=True, slots=True)
class Subject:
    """What the page is about, and what is known of it without Prometheus."""

    model: FleetModel
    version: str = ""
    feature: str = ""
    changes: tuple[ToldChange, ...] = ()
    began_at: datetime | None = None  # of the oldest open incident
    limits: Limits = field(default_factory=Limits)
    quality: bool = False  # whether the alert is of the quality plane
    moving: bool = False  # whether traffic was shifted a moment ago


@dataclass(frozen=True, slots=True)
class Live:
    """What the page shows. With `unreachable`, nothing that comes from Prometheus is filled."""

    replies: tuple[Reply, ...]
    versions: tuple[VersionRow, ...] = ()
    routes: tuple[RouteRow, ...] = ()
    features: tuple[FeatureRow, ...] = ()
    charts: tuple[Chart, ...] = ()
    check_states: tuple[tuple[str, str], ...] = ()
    reasons: tuple[tuple[str, float], ...] = ()
    problems: tuple[str, ...] = ()
    unreachable: str = ""

    @property
    def applied_everywhere(self) -> bool:
        """Whether every replica says that it applies the desired split."""
        return bool(self.versions) and all(row.as_desired for row in self.versions)


def span_of(name: str, now: float | None = None) -> Span:
    """The span that a person chose; the default for an unknown name."""
    length, step = SPANS.get(name, SPANS[DEFAULT_SPAN])
    # Aligned to the step, so that a refresh moves the chart on instead of drawing it anew.
    end = (now or time.time()) // step * step
    return Span(end - length, end, step)


def look(prometheus: Asked, subject: Subject, span: Span, now: datetime) -> Live:
    """Ask Prometheus about the subject; at most asking.DEADLINE seconds."""
    model = subject.model
    wanted = QUALITY_CHARTS if subject.quality else HEALTH_CHARTS
    if subject.moving and "weight" not in wanted:
        wanted = (*wanted, "weight")
    ranges = {name: expr for name, expr in over_time(model.name, span.step).items() if name in wanted}
    answers = ask(prometheus, instant(model.name, subject.limits.window), ranges, span)
    if answers.unreachable:
        return Live(replies=tuple(_replies(answers, subject, now)), unreachable=answers.unreachable)
    states = answers.by("check_state", "model_version", "state") or {}
    reasons = answers.by("errors_by_reason", "reason") or {}
    return Live(
        replies=tuple(_replies(answers, subject, now)),
        versions=tuple(version_rows(answers, model, subject.limits, subject.version)),
        routes=tuple(route_rows(answers, subject.limits, subject.version)),
        features=tuple(feature_rows(answers, model, subject.version)),
        charts=tuple(_chart(name, answers, subject, span) for name in wanted),
        check_states=tuple(sorted(states)),
        reasons=tuple(sorted(((name, rate) for name, rate in reasons.items() if rate), key=lambda r: -r[1])),
        problems=tuple(f"{name}: {problem}" for name, problem in sorted(answers.problems.items())),
    )


def _replies(answers: Answers, subject: Subject, now: datetime) -> list[Reply]:
    """The guide's incident questions. Without an answer each says that it is unknown."""
    known = answers.by("rps_by_version", "model_version") is not None
    versions = version_rows(answers, subject.model, subject.limits) if known else []
    # Of all versions: they are fed alike, and a canary's window may hold too few rows for a verdict.
    features = feature_rows(answers, subject.model)
    routes = route_rows(answers, subject.limits, subject.version)
    replies = [
        one_version(versions, known, subject.limits.window),
        one_route(routes, known, subject.limits.window, subject.version),
        path_or_input(answers, versions, features, subject.limits),
        with_release(subject.changes, subject.began_at or now, subject.began_at is not None),
    ]
    return [*replies, score_moved(answers, subject.limits)] if subject.quality or not known else replies


def _chart(name: str, answers: Answers, subject: Subject, span: Span) -> Chart:
    drawing = _drawings(subject)[name]
    if name in LIMITED_BY:
        drawing = replace(drawing, **_feature_limit(answers, LIMITED_BY[name]))
    if name not in answers.series:
        return Chart(drawing.key, drawing.title, "", drawing.unit.value, problem=answers.problems.get(name, "Unknown"))
    by_feature = name in ("drift", "missing")
    several = len({series.labels.get("model_version") for series in answers.series[name]}) > 1
    named = [
        (_label(series.labels, by_feature, several), series.points)
        for series in answers.series[name]
        if not by_feature or subject.version in ("", series.labels.get("model_version"))
    ]
    return draw(drawing, named, span.start, span.end, span.step)


def _label(labels: dict[str, str], by_feature: bool, several: bool) -> str:
    version = labels.get("model_version", "")
    if not by_feature:
        return version
    return f"{labels.get('feature_name', '')} ({version})" if several else labels.get("feature_name", "")


def _drawings(subject: Subject) -> dict[str, Drawing]:
    marks = tuple((change.at, change.summary) for change in subject.changes)
    limits = subject.limits

    def drawing(key: str, title: str, unit: Unit, limit: float | None = None, top: float | None = None) -> Drawing:
        return Drawing(key, title, unit, limit, marks=marks, top=top)

    return {
        "errors": drawing("errors", "Errors by version", Unit.RATIO, limits.errors),
        "latency": drawing("latency", "95th percentile latency by version", Unit.SECONDS, limits.p95),
        "traffic": drawing("traffic", "Requests by version", Unit.RATE),
        "weight": drawing("weight", "Applied traffic share", Unit.SHARE, top=1.0),
        "drift": drawing("drift", "Drift score by feature", Unit.SCORE),
        "missing": drawing("missing", "Missing ratio by feature", Unit.PART),
        "score": drawing("score", "Median prediction score", Unit.SCORE, top=1.0),
    }


def _feature_limit(answers: Answers, question: str) -> dict[str, Any]:
    """One line for the limits of many features: theirs where they agree, else the lowest."""
    found = set((answers.by(question, "model_version", "feature_name") or {}).values())
    if not found:
        return {}
    return {"limit": min(found), "limit_name": "limit" if len(found) == 1 else "lowest limit"}
