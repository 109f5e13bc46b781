"""Which alerts fire or are pending, by the servers' own word: in bounded time; never `none` where nobody answers."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from alerts.http import Refused, Unreachable
from alerts.prometheus import FIRING, PENDING, Prometheus, RuleGroup
from alerts.restarts import Firing

# Seconds for one request; and for all of them, since a server that drips its answer keeps each read short.
TIMEOUT = 2.0
DEADLINE = 3.0
_FOLDER = "prometheus/rules/"


@dataclass(frozen=True, slots=True)
class FiringNow:
    """What fires or is pending. `problem` says who did not answer; `known` whether anybody did."""

    alerts: tuple[Firing, ...] = ()
    problem: str = ""
    known: bool = True


def firing_now(servers: Sequence[Prometheus], alert: str | None, deadline: float = DEADLINE) -> FiringNow:
    """The active alerts called `alert` (None: all of them), of all servers together. Takes `deadline` seconds at most.

    What fires at one server and is pending at another fires.
    """
    pool = ThreadPoolExecutor(max(1, len(servers)), thread_name_prefix="firing")
    try:
        end = time.monotonic() + deadline
        asked = [(server, pool.submit(server.alerting_rules)) for server in servers]
        found: dict[frozenset[tuple[str, str]], Firing] = {}
        problems = []
        for server, future in asked:
            try:
                for each in _of(future.result(timeout=max(0.0, end - time.monotonic())), alert):
                    known = found.setdefault(frozenset(each.labels.items()), each)
                    if known.pending and not each.pending:
                        found[frozenset(each.labels.items())] = each
            except (Unreachable, Refused) as error:
                problems.append(str(error))
            except TimeoutError:
                problems.append(str(Unreachable(server.url, f"no answer within {deadline:g} seconds")))
        return FiringNow(tuple(found.values()), "; ".join(problems), known=len(problems) < len(asked))
    finally:
        # Not waited for: nobody's save is held up by a server that doesn't answer.
        pool.shutdown(wait=False, cancel_futures=True)


def _of(groups: Sequence[RuleGroup], name: str | None) -> list[Firing]:
    return [
        Firing(
            labels=alert.labels,
            since=alert.active_at,
            # Inside the bundle, wherever that is mounted.
            path=_FOLDER + group.file.rpartition("/rules/")[2],
            group=group.name,
            rule_labels=rule.labels,
            pending=alert.state == PENDING,
        )
        for group in groups
        for rule in group.rules
        if name in (None, rule.name)
        for alert in rule.alerts
        if alert.state in (FIRING, PENDING)
    ]
