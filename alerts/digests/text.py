"""What a ticket digest says, to a machine and to a person: as JSON, plain, for Slack, and in Teams' Markdown. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MOST_LINES = 40
# So that 40 of them fit where least is taken: Opsgenie's 15,000 characters, and Teams' 28 KB a message.
LONGEST_SUMMARY = 160


@dataclass(frozen=True, slots=True)
class MutedAlert:
    """One firing whose beginning or end a team was not told of. `unheard`: Alertmanager never told of it at all."""

    alert: str
    model_name: str
    summary: str
    starts_at: datetime
    ends_at: datetime | None
    unheard: bool
    link: str
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Digest:
    """What `team` was not told of since `muted_from`. The same `identity` comes twice where a delivery was repeated.

    `link`: where all of it is to be read. `had_by`: the addresses that an earlier delivery reached.
    """

    identity: str
    team: str
    muted_from: datetime
    began_at: datetime
    told: tuple[MutedAlert, ...]
    link: str
    had_by: frozenset[str] = frozenset()

    @property
    def over(self) -> int:
        return sum(each.ends_at is not None for each in self.told)

    @property
    def firing(self) -> int:
        return len(self.told) - self.over


def payload(digest: Digest) -> dict[str, Any]:
    """For a webhook: `alerts` are in Alertmanager's form."""
    return {
        "kind": "plumbline-ticket-digest",
        "version": "1",
        "id": digest.identity,
        "team": digest.team,
        "muted_from": digest.muted_from.isoformat(),
        "hours_began_at": digest.began_at.isoformat(),
        "alerts": [
            {
                "status": "resolved" if each.ends_at else "firing",
                "labels": each.labels,
                "annotations": each.annotations,
                "startsAt": each.starts_at.isoformat(),
                "endsAt": each.ends_at.isoformat() if each.ends_at else None,
                "incident": each.link,
            }
            for each in digest.told
        ],
    }


def headline(digest: Digest) -> str:
    """One line."""
    count = len(digest.told)
    return (
        f"{digest.team}: {count} ticket{'' if count == 1 else 's'} while you were away "
        f"(since {_moment(digest.muted_from)}): {digest.over} over, {digest.firing} still firing"
    )


def slack(digest: Digest) -> str:
    """For Slack, with links; no name in it becomes a link or a mention."""
    lines = _lines(digest, "•", lambda each, what: f"<{each.link}|{what}>", _slack_escaped)
    return "\n".join([f"*{_slack_escaped(headline(digest))}*", *lines])


def plain(digest: Digest) -> str:
    """The lines without the headline, as plain text."""
    return "\n".join((*_lines(digest, "-", lambda each, what: what, str, addresses=True), "", digest.link))


def markdown(digest: Digest) -> str:
    """The lines without the headline, in the Markdown that Teams reads: an empty line ends a line."""
    return "\n\n".join(_lines(digest, "•", lambda each, what: f"[{what}]({each.link})", _markdown_escaped))


def _lines(
    digest: Digest,
    bullet: str,
    linked: Callable[[MutedAlert, str], str],
    escaped: Callable[[str], str],
    *,
    addresses: bool = False,
) -> Iterator[str]:
    for each in digest.told[:MOST_LINES]:
        what = linked(each, escaped(f"{each.alert} {each.model_name}".strip()))
        until = f"to {_moment(each.ends_at)}" if each.ends_at else "still firing"
        summary = escaped(_shortened(each.summary or "no summary"))
        unheard = " (silenced, inhibited or lost: Prometheus alone told of it)" if each.unheard else ""
        yield f"{bullet} {what} {_moment(each.starts_at)} {until}: {summary}{unheard}"
        if addresses:
            yield f"  {each.link}"
    if len(digest.told) > MOST_LINES:
        yield f"and {len(digest.told) - MOST_LINES} more"


def _shortened(summary: str) -> str:
    return summary if len(summary) <= LONGEST_SUMMARY else f"{summary[: LONGEST_SUMMARY - 1]}…"


def _slack_escaped(value: str) -> str:
    """Text in which nothing can be a link or a mention: a feature may be called <!channel>."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _markdown_escaped(value: str) -> str:
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", value)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
