"""What a ticket digest says, to a machine and to a person. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MOST_LINES = 40


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


def payload(
    identity: str, team: str, muted_from: datetime, began_at: datetime, told: Sequence[MutedAlert]
) -> dict[str, Any]:
    """For a webhook: `alerts` are in Alertmanager's form. The same `id` comes twice where a delivery was repeated."""
    return {
        "kind": "plumbline-ticket-digest",
        "version": "1",
        "id": identity,
        "team": team,
        "muted_from": muted_from.isoformat(),
        "hours_began_at": began_at.isoformat(),
        "alerts": [
            {
                "status": "resolved" if each.ends_at else "firing",
                "labels": each.labels,
                "annotations": each.annotations,
                "startsAt": each.starts_at.isoformat(),
                "endsAt": each.ends_at.isoformat() if each.ends_at else None,
                "incident": each.link,
            }
            for each in told
        ],
    }


def text(team: str, muted_from: datetime, told: Sequence[MutedAlert]) -> str:
    """For Slack."""
    over = sum(each.ends_at is not None for each in told)
    head = (
        f"{team}: {_count(len(told), 'ticket')} while you were away (since {_moment(muted_from)}): "
        f"{over} over, {len(told) - over} still firing"
    )
    lines = [_line(each) for each in told[:MOST_LINES]]
    if len(told) > MOST_LINES:
        lines.append(f"and {len(told) - MOST_LINES} more")
    return "\n".join([f"*{_plain(head)}*", *lines])


def _line(each: MutedAlert) -> str:
    until = f"to {_moment(each.ends_at)}" if each.ends_at else "still firing"
    unheard = " (silenced, inhibited or lost: Prometheus alone told of it)" if each.unheard else ""
    what = _plain(f"{each.alert} {each.model_name}".strip())
    return f"• <{each.link}|{what}> {_moment(each.starts_at)} {until}: {_plain(each.summary or 'no summary')}{unheard}"


def _plain(value: str) -> str:
    """Text in which nothing can be a link or a mention: a feature may be called <!channel>."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
