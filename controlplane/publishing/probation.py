"""Probation: a loaded release is good once each changed group has been evaluated, and no rule of it erred.

Tried on Prometheus 2.42 and 2.53: a reload answers 200 before anything was evaluated. A changed group starts with the
health of all its rules `unknown` (its own lastEvaluation is carried over, so it proves nothing); the first evaluation
comes within one interval, and makes each rule `ok` or `err`. An unchanged group goes on as it was, health included.
"""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from alerts.prometheus import LoadedRule, RuleGroup
from controlplane.publishing.patience import NEVER, Deadline, StillWaiting
from controlplane.publishing.rendered_rules import Key, path_of

MARGIN_SECONDS = 10.0  # beyond one interval, for a machine under load
POLL_SECONDS = 1.0

Fault = tuple[Key, str, str]  # group, rule, expression


class EvaluationFailed(Exception):
    """A rule erred, or a group was not evaluated in time. The message names group, rule and Prometheus' own words."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look at the rules says: groups that are still waited for, and the rules that err."""

    waiting: tuple[Key, ...]
    erring: tuple[tuple[Key, LoadedRule], ...]


def faults(groups: Iterable[RuleGroup]) -> set[Fault]:
    """What errs already: a release is not to blame for what it leaves as it was."""
    return {(_key(group), rule.name, rule.query) for group in groups for rule in group.rules if rule.health == "err"}


def judge(groups: Iterable[RuleGroup], watched: Collection[Key], known: Collection[Fault]) -> Verdict:
    """Look at the `watched` groups, leaving out the `known` faults. A group that is not loaded is waited for."""
    loaded = {_key(group): group for group in groups}
    waiting, erring = [], []
    for key in sorted(watched):
        rules = loaded[key].rules if key in loaded else ()
        if key not in loaded or any(rule.health == "unknown" for rule in rules):
            waiting.append(key)
        erring += [(key, r) for r in rules if r.health == "err" and (key, r.name, r.query) not in known]
    return Verdict(tuple(waiting), tuple(erring))


def wait_until_evaluated(
    ask: Callable[[], list[RuleGroup]],
    watched: Collection[Key],
    known: Collection[Fault],
    seconds: float,
    *,
    waited: float = 0.0,
    turn: Deadline = NEVER,
) -> float:
    """Returns how long it took until every watched group was evaluated; EvaluationFailed where one errs or is late.

    `waited` of the `seconds` have passed already. StillWaiting where nothing errs when the `turn` is over.
    """
    started = time.monotonic() - waited
    poll = min(POLL_SECONDS, seconds / 20)
    while True:
        verdict = judge(ask(), watched, known)
        if verdict.erring:
            raise EvaluationFailed("\n".join(_told(key, rule) for key, rule in verdict.erring[:10]))
        passed = time.monotonic() - started
        if not verdict.waiting:
            return passed
        if passed > seconds:
            path, name = verdict.waiting[0]
            raise EvaluationFailed(f"Prometheus has not evaluated group {name} of {path} within {seconds:g} s.")
        if turn.passed:
            raise StillWaiting(f"{len(verdict.waiting)} of {len(watched)} changed groups are not evaluated yet.")
        time.sleep(poll)


def _told(key: Key, rule: LoadedRule) -> str:
    path, name = key
    return (
        f"{rule.name} (group {name} of {path}) errs at evaluation: {rule.last_error}\nThe expression is: {rule.query}"
    )


def _key(group: RuleGroup) -> Key:
    return path_of(group.file), group.name
