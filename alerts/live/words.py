"""The guide's incident questions, answered in words from the numbers. What isn't known is said to be unknown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.live.asking import Answers
from alerts.live.numbers import Unit, show
from alerts.live.rows import FeatureRow, Limits, RouteRow, VersionRow
from telemetry.promql import duration

GOOD, BAD, NOTICE, UNKNOWN = "good", "bad", "notice", "unknown"
# Changes so long before an incident's start are shown as its possible cause.
SUSPECT = timedelta(hours=2)
NAMED_AT_MOST = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """A question with its answer; `level` is good, bad, notice or unknown."""

    question: str
    level: str
    verdict: str
    text: str


@dataclass(frozen=True, slots=True)
class ToldChange:
    """A Change, as far as an answer tells of it."""

    at: datetime
    summary: str
    author: str


def one_version(rows: Sequence[VersionRow], known: bool, window: int) -> Reply:
    """Is it isolated to one version?"""
    question = "Is it one version only?"
    if not known:
        return _unknown(question)
    serving = [row for row in rows if row.serves]
    bad, fine = [row for row in serving if row.over], [row for row in serving if not row.over]
    if not serving:
        return Reply(question, NOTICE, "No traffic", f"No version got a request in the last {duration(window)}.")
    numbers = "; ".join(_version_numbers(row) for row in (*bad, *fine)[:NAMED_AT_MOST]) + "."
    if not bad:
        return Reply(question, GOOD, "No version is over its limits", numbers)
    if len(serving) == 1:
        return Reply(question, BAD, f"Only {bad[0].version} serves, so it can't be told", numbers)
    if len(bad) == 1:
        role = f", the {bad[0].role}" if bad[0].role else ""
        return Reply(question, BAD, f"Yes: {bad[0].version}{role}", numbers)
    if not fine:
        return Reply(question, BAD, f"No: all {len(bad)} versions", numbers)
    return Reply(question, BAD, f"{len(bad)} of {len(serving)} versions", numbers)


def _version_numbers(row: VersionRow) -> str:
    return f"{row.version} has {show(row.errors, Unit.RATIO)} errors, p95 {show(row.p95, Unit.SECONDS)}"


def one_route(rows: Sequence[RouteRow], known: bool, window: int, version: str = "") -> Reply:
    """Is it one route only?"""
    question = "Is it one route only?"
    if not known:
        return _unknown(question)
    if not rows:
        of = f" of {version}" if version else ""
        return Reply(question, NOTICE, "No traffic", f"No route{of} got a request in the last {duration(window)}.")
    routes, over = sorted({row.route for row in rows}), sorted({row.route for row in rows if row.over})
    worst = sorted(rows, key=lambda row: (not row.over, -(row.errors or 0), -(row.p95 or 0)))[:NAMED_AT_MOST]
    numbers = (
        "; ".join(
            f"{row.route} of {row.version}: {show(row.errors, Unit.RATIO)} errors, p95 {show(row.p95, Unit.SECONDS)}"
            for row in worst
        )
        + "."
    )
    if not over:
        return Reply(question, GOOD, "No route is over its limits", numbers)
    if len(routes) == 1:
        return Reply(question, BAD, f"Only {over[0]} has traffic, so it can't be told", numbers)
    if len(over) == 1:
        return Reply(question, BAD, f"Yes: {over[0]}", numbers)
    return Reply(question, BAD, f"No: {len(over)} of {len(routes)} routes", numbers)


def path_or_input(
    answers: Answers, versions: Sequence[VersionRow], features: Sequence[FeatureRow], limits: Limits
) -> Reply:
    """Is it the request path or the input data?"""
    question = "Is it the request path or the input data?"
    if answers.by("rps_by_version", "model_version") is None:
        return _unknown(question)
    path = any(row.over for row in versions)
    invalid = answers.by("invalid_by_version", "model_version") or {}
    refused = max(invalid.values(), default=0.0) > limits.invalid
    drifted = sorted({row.feature for row in features if row.drifted})
    missing = sorted({row.feature for row in features if row.gone_missing})
    signs = [
        sign
        for sign, there in (
            ("errors or latency are over their limits", path),
            (f"{show(max(invalid.values(), default=0), Unit.RATIO)} of requests are refused as invalid", refused),
            (
                f"{_verb(drifted, 'feature', 'features')} {_list(drifted)} {_verb(drifted, 'drifts', 'drift')}",
                bool(drifted),
            ),
            (
                f"{_verb(missing, 'feature', 'features')} {_list(missing)} {_verb(missing, 'goes', 'go')} missing",
                bool(missing),
            ),
        )
        if there
    ]
    data = refused or bool(drifted) or bool(missing)
    unchecked = "" if features else " No drift check has exported features, so drift is unknown."
    if not signs:
        verdict = "Neither shows anything" if features else "The request path is fine; the data is unknown"
        return Reply(question, GOOD if features else UNKNOWN, verdict, "Nothing is over its limit now." + unchecked)
    verdict = "Both" if path and data else "The request path" if path else "The input data"
    return Reply(question, BAD, verdict, _sentence(signs) + unchecked)


def with_release(changes: Iterable[ToldChange], began_at: datetime, of_incident: bool) -> Reply:
    """Did it start with a release of the model or of its features? From the Changes, so known without Prometheus."""
    question = "Did it start with a release?"
    known = sorted((c for c in changes if c.at <= began_at), key=lambda c: c.at, reverse=True)
    close = [change for change in known if change.at >= began_at - SUSPECT]
    before = "before it began" if of_incident else "ago"
    if close:
        told = "; ".join(
            f"{change.summary}, by {change.author}, {_ago(began_at - change.at)} {before}"
            for change in close[:NAMED_AT_MOST]
        )
        verdict = "Perhaps: see what changed" if of_incident else "Something changed lately"
        return Reply(question, BAD if of_incident else NOTICE, verdict, told + ".")
    if not known:
        return Reply(question, GOOD, "No", "No change of this model is recorded before it.")
    last = known[0]
    span = "in the 2 h before it began" if of_incident else "in the last 2 h"
    return Reply(question, GOOD, f"No change {span}", f"The last: {last.summary}, {_ago(began_at - last.at)} {before}.")


def score_moved(answers: Answers, limits: Limits) -> Reply:
    """Did the scores move against yesterday, or, for a younger version, against its baseline?"""
    question = "Did the scores move?"
    now = answers.by("score", "model_version")
    if now is None:
        return _unknown(question)
    yesterday = answers.by("score_yesterday", "model_version") or {}
    baseline = answers.by("score_baseline", "model_version") or {}
    texts, moved = [], []
    for version, median in sorted(now.items()):
        then, what = (
            (yesterday[version], "24 h before") if version in yesterday else (baseline.get(version), "in its baseline")
        )
        if then is None:
            texts.append(f"{version} has median {show(median)}, with nothing to compare it to")
            continue
        texts.append(f"{version} has median {show(median)}, {show(then)} {what}")
        if abs(median - then) > limits.score_shift:
            moved.append(version)
    if not texts:
        return Reply(question, NOTICE, "No scores", "No version gave a score in the last 30 minutes.")
    if moved:
        return Reply(question, BAD, f"Yes: {_list(moved)}", "; ".join(texts) + ".")
    return Reply(question, GOOD, f"No, by less than {show(limits.score_shift)}", "; ".join(texts) + ".")


def _unknown(question: str) -> Reply:
    return Reply(question, UNKNOWN, "Unknown", "Prometheus didn't answer this.")


def _list(names: Sequence[str]) -> str:
    shown = list(names[:NAMED_AT_MOST])
    if len(names) > NAMED_AT_MOST:
        return f"{', '.join(shown)} and {len(names) - NAMED_AT_MOST} more"
    return " and ".join(([", ".join(shown[:-1])] if len(shown) > 1 else []) + shown[-1:])


def _verb(names: Sequence[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many


def _sentence(signs: Sequence[str]) -> str:
    text = "; ".join(signs)
    return text[:1].upper() + text[1:] + "."


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"
