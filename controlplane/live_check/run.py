"""One run of a live check: some groups of a release, or its proofs; bounded in questions and seconds."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from alerts.http import Refused, Unreachable
from alerts.live_lint.asking import TIMEOUT, Asking, Budget, OutOfBudget
from alerts.live_lint.conditions import conditions
from alerts.live_lint.findings import Origin, unknown
from alerts.live_lint.looking import LiveRule, look
from alerts.prometheus import RECORDING, RuleGroup
from controlplane.bundle import RULES_FOLDER, Bundle
from controlplane.live_check import turns
from controlplane.live_check.report import group_report, place, unknown_report
from controlplane.live_check.turns import give_back, worked_off
from controlplane.models import LiveCheck
from controlplane.publishing.proving import prove
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.publishing.rendered_rules import Key, RenderedGroup, groups_of, path_of
from controlplane.publishing.servers import Servers

LOG = logging.getLogger(__name__)
GROUPS_AT_ONCE = 8
BUDGET = Budget()
RETRY = timedelta(seconds=60)
TYPED = RULES_FOLDER + "custom/"


@dataclass(frozen=True, slots=True)
class Run:
    """What a run came to: the row, and in a word what was done."""

    check: LiveCheck
    message: str


def run(files: ReleaseFiles, now: datetime | None = None, budget: Budget = BUDGET) -> Run | None:
    """One run, where one is due and nobody else is at it. Never raises for what Prometheus does."""
    check = turns.claim(now or timezone.now())
    if check is None:
        return None
    bundle = files.read(check.release.hash) if check.release.hash == files.current_hash() else None
    if bundle is None:
        give_back(check, state=LiveCheck.State.SUPERSEDED, due_at=None)
        return Run(check, f"release {check.release_id} isn't current any more")
    if check.prove:
        return Run(check, _prove(check, bundle))
    return Run(check, _look(check, bundle, budget))


def _prove(check: LiveCheck, bundle: Bundle) -> str:
    proven = prove(bundle)
    proofs = {
        "passed": proven.passed,
        "files": proven.files,
        "seconds": round(proven.seconds, 1),
        "reason": proven.reason,
        "at": timezone.now().isoformat(),
    }
    give_back(check, state=LiveCheck.State.WAITING, due_at=timezone.now(), prove=False, proofs=proofs)
    return f"release {check.release_id}: {proven}"


def _look(check: LiveCheck, bundle: Bundle, budget: Budget) -> str:
    groups = groups_of(bundle)
    wanted = groups.keys() if check.todo is None else {(path, name) for path, name in check.todo}
    todo = [key for key in sorted(wanted) if key in groups]
    known = {name: group for name, group in check.found.items() if any(place(key) == name for key in groups)}
    prometheus = Servers.from_settings(settings, timeout=TIMEOUT).ready_prometheus()
    looking = _Looking(groups, Asking(prometheus, budget))
    problem = looking.at(todo[:GROUPS_AT_ONCE])
    found = known | {place(key): report for key, report in looking.found.items()}
    left = [list(key) for key in todo if key not in looking.found]
    now = timezone.now()
    if left:
        fields: dict[str, Any] = {"state": LiveCheck.State.WAITING, "todo": left}
        fields["due_at"] = now + RETRY if problem else now
    else:
        fields = worked_off(check, found, now)
    if not give_back(check, found=found, problem=problem, tried_at=now, **fields):
        return f"release {check.release_id}: another run took over"
    done = f"release {check.release_id}: {len(looking.found)} groups looked at, {len(left)} left"
    return f"{done}; {problem}" if problem else done


class _Looking:
    """`found`: the reports of the groups that were looked at."""

    def __init__(self, groups: Mapping[Key, RenderedGroup], asking: Asking) -> None:
        self.groups, self.asking = groups, asking
        rules = [rule for group in groups.values() for rule in group.rules]
        self.recorded = {rule.name: rule.expr for rule in rules if rule.kind == RECORDING}
        self.exists_when = conditions(self.recorded)
        self.found: dict[Key, dict[str, Any]] = {}

    def at(self, keys: list[Key]) -> str:
        """Look at one group after the other; why that ended early, where it did."""
        try:
            loaded = {(path_of(group.file), group.name): group for group in self.asking.rules()}
            for key in keys:
                self.found[key] = self._look_at(key, loaded.get(key))
        except Unreachable as error:
            return str(error)
        except Refused as error:
            return f"Prometheus can't say which rules it runs: {error.message}"
        except OutOfBudget as error:
            if not self.found and keys:
                # Alone, it is too much for one run: it must not keep the others waiting for ever.
                self.found[keys[0]] = self._unknown(keys[0], f"it takes more than {error} to look at this group.")
        return ""

    def _look_at(self, key: Key, loaded: RuleGroup | None) -> dict[str, Any]:
        group = self.groups[key]
        if loaded is None or [rule.name for rule in loaded.rules] != [rule.name for rule in group.rules]:
            return self._unknown(key, "Prometheus does not run this group as it was published.")
        try:
            return group_report(look(self._rules(key, loaded), self.asking), loaded.rules, timezone.now())
        except Refused as error:
            return self._unknown(key, f"Prometheus refuses to tell: {error.message}")
        except Unreachable as error:
            if not self.asking.prometheus.ready():
                raise
            # It is there, and this alone is too much for it: not to be asked for again and again.
            return self._unknown(key, f"Prometheus gives up on it: {error.reason}")

    def _rules(self, key: Key, loaded: RuleGroup) -> list[LiveRule]:
        group, typed = self.groups[key], key[0].startswith(TYPED)
        return [
            LiveRule(
                rule.name,
                rule.expr,
                Origin(rule.kind == RECORDING, typed, self.exists_when, self.recorded.keys()),
                rule.for_seconds,
                rule.keep_firing_seconds,
                group.interval_seconds,
                there.evaluation_seconds,
            )
            for rule, there in zip(group.rules, loaded.rules, strict=True)
        ]

    def _unknown(self, key: Key, reason: str) -> dict[str, Any]:
        names = list(dict.fromkeys(rule.name for rule in self.groups[key].rules))
        return unknown_report(unknown(reason, key[1]), names)
