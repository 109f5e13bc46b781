"""Publishing: making the servers run what the registry says, or leaving them exactly as they were.

The steps, under a lock and each on the Release row: render, write, check, switch, reload, verify, probation. Before the
switch a failure touches nothing. After it, any failure switches back, reloads the old release and verifies that. A
process that dies leaves a row that says how far it came; whoever gets the lock next goes on from there.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from alerts.http import Refused, Unreachable
from controlplane import checks
from controlplane.attempt import Attempt, Say, authors, silent, unified
from controlplane.bundle import ALERTMANAGER_CONFIG, Bundle
from controlplane.models import Release
from controlplane.probation import (
    MARGIN_SECONDS,
    EvaluationFailed,
    Fault,
    faults,
    wait_until_evaluated,
)
from controlplane.release_files import Busy, ReleaseFiles
from controlplane.rendered_rules import (
    BadRules,
    Key,
    RenderedGroup,
    changed_groups,
    groups_of,
    new_expressions,
    path_of,
    restarted_alerts,
)
from controlplane.verify import Servers, alertmanager_differences, canonical

LOG = logging.getLogger(__name__)
# Something broke on our side (a full disk, a server that reads other files): not tried every 15 seconds.
RETRY_FAILED_AFTER = timedelta(minutes=5)
Outcome = Release.Outcome


class NotLoaded(Exception):
    """A server answered the reload and runs something else. The message says what, and where to look."""


@dataclass(frozen=True, slots=True)
class Published:
    """How it ended. `release` is None where there was nothing to write down."""

    outcome: Outcome
    reason: str = ""
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is wanted, and what is current: its hash, and itself where it can be read."""

    bundle: Bundle
    current: str
    base: Bundle | None
    render_seconds: float


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes what `render` gives. With `retry`, also what was refused before."""

    files: ReleaseFiles
    servers: Servers
    render: Callable[[], Bundle]
    retry: bool = False
    margin_seconds: float = MARGIN_SECONDS
    say: Say = silent
    checkpoint: Say = silent

    def publish(self, wait_seconds: float = 0.0) -> Published:
        """One attempt, where one is needed. Never raises for what the servers or the bundle do."""
        try:
            with self.files.lock(wait_seconds):
                return self._publish()
        except Busy as busy:
            return Published(Outcome.SUPERSEDED, str(busy))
        except (Unreachable, Refused) as error:
            # Met while nothing was being changed: what the servers run can't be told.
            return Published(Outcome.UNREACHABLE, str(error))

    def _publish(self) -> Published:
        unsettled = self._settle_interrupted()
        if unsettled is not None:
            return unsettled
        started = time.monotonic()
        try:
            bundle = self.render()
        except Exception as error:
            LOG.exception("rendering failed")
            return self._could_not_render(error)
        seconds, current = time.monotonic() - started, self.files.current_hash()
        base = self.files.read(current)
        # A link that leads nowhere is no way back.
        plan = _Plan(bundle, current if base is not None else "", base, seconds)
        if base == bundle and current == bundle.hash:
            return self._keep(plan)
        remembered = None if self.retry else self._remembered(bundle.hash)
        if remembered is not None:
            return self._stay(remembered, base)
        return self._change(plan)

    # --- Nothing to change ------------------------------------------------------------------------------------

    def _keep(self, plan: _Plan) -> Published:
        """The bundle is what is current: make sure that the servers run it."""
        if self.servers.differences(plan.bundle):
            remembered = None if self.retry else self._remembered(plan.bundle.hash)
            if remembered is not None:
                return Published(Outcome(remembered.outcome), remembered.reason, remembered)
            return self._change(plan)
        if not _newest_ended_well():
            # What was refused has been taken back: from here on nothing fails any more.
            return self._end(self._begin(plan), Outcome.UNCHANGED)
        return Published(Outcome.UNCHANGED)

    def _stay(self, remembered: Release, base: Bundle | None) -> Published:
        """The bundle was refused before: the current release stays, and the servers shall run that."""
        if base is not None and self.servers.differences(base):
            try:
                self._reload(base)
            except (Refused, NotLoaded) as error:
                LOG.warning("the current release could not be loaded again: %s", error)
        return Published(Outcome(remembered.outcome), remembered.reason, remembered)

    def _remembered(self, release: str) -> Release | None:
        """The newest attempt, where it was at this very bundle and trying again would only repeat it."""
        newest = Release.objects.exclude(outcome=Outcome.SUPERSEDED).order_by("-pk").first()
        if newest is None or newest.hash != release:
            return None
        if newest.outcome in Release.AT_FAULT:
            return newest
        recent = newest.finished_at is not None and newest.finished_at > timezone.now() - RETRY_FAILED_AFTER
        return newest if newest.outcome == Outcome.FAILED and recent else None

    def _could_not_render(self, error: Exception) -> Published:
        reason = f"The bundle could not be rendered: {type(error).__name__}: {error}"
        newest = self._remembered("")
        if newest is not None and newest.reason == reason:
            return Published(Outcome.FAILED, reason, newest)
        attempt = Attempt(Release.objects.create(hash="", author=authors()), self.say, self.checkpoint)
        return self._end(attempt, Outcome.FAILED, reason)

    # --- A change ---------------------------------------------------------------------------------------------

    def _begin(self, plan: _Plan) -> Attempt:
        bundle, diff = plan.bundle, unified(plan.base, plan.bundle)
        row = Release.objects.create(hash=bundle.hash, base_hash=plan.current, author=authors(), diff=diff)
        attempt = Attempt(row, self.say, self.checkpoint)
        attempt.note("render", f"{len(bundle.files)} files, {bundle.hash[:12]}", plan.render_seconds)
        return attempt

    def _change(self, plan: _Plan) -> Published:
        away = self._unreachable()
        if away is not None:
            newest = Release.objects.order_by("-pk").first()
            if newest is not None and (newest.hash, newest.outcome) == (plan.bundle.hash, Outcome.UNREACHABLE):
                return Published(Outcome.UNREACHABLE, newest.reason, newest)  # said already, 15 seconds ago
        attempt = self._begin(plan)
        if away is not None:
            return self._end(attempt, Outcome.UNREACHABLE, f"{away} Nothing was changed.")
        try:
            watched, known = self._prove(attempt, plan)
            if attempt.superseded:
                return self._end(attempt, Outcome.SUPERSEDED, "A newer attempt has begun. Nothing was changed.")
        except checks.CheckRefused as error:
            return self._end(attempt, Outcome.REFUSED, str(error))
        except Unreachable as error:
            return self._end(attempt, Outcome.UNREACHABLE, f"{error} Nothing was changed.")
        except checks.CheckImpossible as error:
            return self._end(attempt, Outcome.FAILED, f"{error} Nothing was changed.")
        except Exception as error:
            LOG.exception("release %s failed before the switch", attempt.row.pk)
            return self._end(attempt, Outcome.FAILED, f"{type(error).__name__}: {error} Nothing was changed.")
        with attempt.step("switch"):
            self.files.switch(plan.bundle.hash)
        return self._take_over(attempt, plan.bundle, watched, known)

    def _unreachable(self) -> str | None:
        """Who can't be reached, before anything is begun."""
        try:
            self.servers.prometheus.text("GET", "/-/ready")
            self.servers.alertmanager.text("GET", "/-/ready")
        except (Unreachable, Refused) as error:
            return f"{error}."
        return None

    def _prove(self, attempt: Attempt, plan: _Plan) -> tuple[list[Key], set[Fault]]:
        """All checks; what changes, and what errs already, for the probation."""
        bundle, base = plan.bundle, plan.base
        groups = checks.check_rules_readable(bundle)
        # Where the servers don't run it although it is current, nothing of it counts as known.
        before = _readable_groups(None if base == bundle else base)
        with attempt.step("write") as step:
            step.message = "new" if self.files.write(bundle) else "there already"
        folder = self.files.folder(bundle.hash)
        with attempt.step("promtool"):
            checks.check_with_promtool(folder, bundle)
        with attempt.step("tests") as step:
            step.message = f"{checks.check_rule_tests(folder, bundle, base)} rule test files passed"
        with attempt.step("amtool"):
            checks.check_with_amtool(folder)
        with attempt.step("queries") as step:
            expressions = new_expressions(before, groups)
            checks.check_expressions(self.servers.prometheus, expressions)
            step.message = f"{len(expressions)} new expressions answered"
        loaded = self.servers.prometheus.rules()
        there = {(path_of(group.file), group.name) for group in loaded}
        watched = sorted({*changed_groups(before, groups), *(groups.keys() - there)})
        row = attempt.row
        row.changed_groups = [list(key) for key in watched]
        row.restarted_alerts = restarted_alerts(loaded, groups)
        row.save(update_fields=["changed_groups", "restarted_alerts"])
        return watched, faults(loaded)

    def _take_over(self, attempt: Attempt, bundle: Bundle, watched: list[Key], known: set[Fault]) -> Published:
        """Reload, verify, probation, with `current` pointing to the bundle already; or back again."""
        try:
            with attempt.step("reload"):
                self._reload(bundle, verify=False)
            with attempt.step("verify"):
                self._verify(bundle)
            attempt.mark(Outcome.PROBATION)
            with attempt.step("probation") as step:
                seconds = self._wait(bundle, watched, known)
                step.message = f"{len(watched)} changed groups evaluated without error after {seconds:.1f} s"
        except (Refused, NotLoaded, EvaluationFailed) as error:
            return self._switch_back(attempt, Outcome.ROLLED_BACK, str(error))
        except Unreachable as error:
            if attempt.row.base_hash in ("", attempt.row.hash):
                # Nowhere to go back to: the verdict waits until they answer again.
                return Published(Outcome.UNREACHABLE, str(error), attempt.row)
            return self._switch_back(attempt, Outcome.UNREACHABLE, str(error))
        except Exception as error:
            LOG.exception("release %s failed after the switch", attempt.row.pk)
            return self._switch_back(attempt, Outcome.FAILED, f"{type(error).__name__}: {error}")
        published = self._end(attempt, Outcome.PUBLISHED)
        self.files.clear_old({bundle.hash, attempt.row.base_hash})
        return published

    def _wait(self, bundle: Bundle, watched: list[Key], known: set[Fault]) -> float:
        groups = groups_of(bundle)
        longest = max((groups[key].interval_seconds for key in watched), default=0)
        return wait_until_evaluated(self.servers.prometheus.rules, watched, known, longest + self.margin_seconds)

    def _reload(self, bundle: Bundle, verify: bool = True) -> None:
        """Have both servers read `current`. Alertmanager only where it must: a reload starts its groups anew."""
        self.servers.prometheus.reload()
        if alertmanager_differences(self.servers.alertmanager, bundle):
            self.servers.alertmanager.reload()
        if verify:
            self._verify(bundle)

    def _verify(self, bundle: Bundle) -> None:
        if not self.servers.prometheus.runtime().reload_succeeded:
            raise NotLoaded("Prometheus says that its last reload failed: its log says why.")
        if different := self.servers.differences(bundle):
            raise NotLoaded(
                "\n".join(different[:20])
                + f"\nDoes Prometheus run with --config.file={self.files.current}/prometheus/prometheus.yml, and"
                f" Alertmanager with --config.file={self.files.current}/{ALERTMANAGER_CONFIG}?"
            )

    def _switch_back(self, attempt: Attempt, outcome: Outcome, reason: str) -> Published:
        """`current` points to the old release again, and the servers run that, as far as they can be reached."""
        base = attempt.row.base_hash
        if base in ("", attempt.row.hash):
            return self._end(attempt, Outcome.FAILED, f"{reason}\nThere is no other release to go back to.")
        with attempt.step("back") as step:
            self.files.switch(base)
            step.message = f"{base[:12]} is current again"
        old = self.files.read(base)
        if old is not None:
            try:
                with attempt.step("restore") as step:
                    self._reload(old)
                    step.message = "the old release is loaded, as the servers' own APIs say"
            except Unreachable as error:
                reason += f"\nThe old release is current, but the servers could not be told so yet: {error}"
            except (Refused, NotLoaded) as error:
                # They run neither: the new release is not to blame, so it is tried again.
                outcome = Outcome.FAILED
                reason += f"\nThe old release is current, and is not loaded either: {error}"
        return self._end(attempt, outcome, reason)

    def _end(self, attempt: Attempt, outcome: Outcome, reason: str = "") -> Published:
        return Published(outcome, reason, attempt.finish(outcome, reason))

    # --- After a crash ----------------------------------------------------------------------------------------

    def _settle_interrupted(self) -> Published | None:
        """Finish what a dead publisher left. Not None: that can't be done now, so nothing else may begin."""
        current = self.files.current_hash()
        for row in Release.objects.filter(outcome__in=Release.UNFINISHED).order_by("pk"):
            attempt = Attempt(row, self.say, self.checkpoint)
            bundle = self.files.read(row.hash) if row.hash == current else None
            if bundle is None or bundle.hash != current:
                _finish_dead(attempt)
                continue
            # The lock is ours, so its process is gone, with `current` switched and no verdict.
            if (away := self._unreachable()) is not None:
                return Published(Outcome.UNREACHABLE, away, row)
            attempt.note("resume", "current without a verdict yet: going on from the reload")
            base = _readable_groups(self.files.read(row.base_hash) if row.base_hash != row.hash else None)
            known = _older(faults(self.servers.prometheus.rules()), base)
            settled = self._take_over(attempt, bundle, changed_groups(base, groups_of(bundle)), known)
            if settled.outcome == Outcome.UNREACHABLE:
                return settled
        return None


def _finish_dead(attempt: Attempt) -> None:
    """The verdict on an attempt whose process died, and that is not current."""
    steps = [entry["step"] for entry in attempt.row.log]
    if "back" in steps:
        # It had failed and was current no more; only the servers had not been told yet.
        attempt.finish(Outcome.ROLLED_BACK, attempt.row.log[steps.index("back") - 1]["message"])
        return
    last = steps[-1] if steps else "nothing"
    attempt.finish(Outcome.SUPERSEDED, f"Its process ended after the step {last}. The next attempt takes its place.")


def _readable_groups(base: Bundle | None) -> dict[Key, RenderedGroup]:
    """The groups of a release on disk; none where somebody edited it into something that holds no rules."""
    try:
        return groups_of(base)
    except BadRules as error:
        LOG.warning("the current release on disk was edited: %s", error)
        return {}


def _older(found: set[Fault], base: Mapping[Key, RenderedGroup]) -> set[Fault]:
    """The faults of rules that stand in `base` too: a release that was loaded already is not to blame for them."""
    known = {(key, rule.name, canonical(rule.expr)) for key, group in base.items() for rule in group.rules}
    return {(key, name, query) for key, name, query in found if (key, name, canonical(query)) in known}


def _newest_ended_well() -> bool:
    newest = Release.objects.exclude(outcome=Outcome.SUPERSEDED).order_by("-pk").first()
    return newest is None or newest.outcome in Release.GOOD
