"""Publishing: making the servers run what the registry says, or leaving them exactly as they were.

The steps, under a lock and each on the Release row: render, write, check, switch, reload, verify, probation. Before the
switch a failure touches nothing. After it, any failure switches back, reloads the old release and verifies that. A
process that dies, or has waited for long enough, leaves a row that says how far it came; whoever gets the lock next
goes on from there.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import Error as DatabaseLost
from django.utils import timezone

from alerts.http import Refused, Unreachable
from controlplane.bundle import Bundle
from controlplane.models import Release
from controlplane.publishing import checks
from controlplane.publishing.attempt import Attempt, again, authors, joined, unified
from controlplane.publishing.patience import FOREGROUND, Patience, StillWaiting
from controlplane.publishing.probation import MARGIN_SECONDS
from controlplane.publishing.release_files import Busy, ReleaseFiles
from controlplane.publishing.rollout import (
    FROM_THE_SWITCH,
    NOT_TAKEN,
    Begun,
    NotLoaded,
    Rollout,
    Say,
    TooLate,
    Watch,
    silent,
)
from controlplane.publishing.servers import Servers

LOG = logging.getLogger(__name__)
Outcome = Release.Outcome
# How long an attempt that ended so is not repeated. Something broke on our side (a full disk, a server that reads other
# files), or a server was too slow, which trying at once makes no better; or the bundle is at fault, though perhaps only
# on the data or the server that it met.
PAUSES = {
    Outcome.FAILED: timedelta(minutes=5),
    Outcome.REFUSED: timedelta(hours=1),
    Outcome.ROLLED_BACK: timedelta(hours=1),
}
# So often in a row a server may end while it loads a release: then that is taken for the release's doing.
DEATHS = 3


@dataclass(frozen=True, slots=True)
class Published:
    """How it ended. `release` is None where there was nothing to write down."""

    outcome: Outcome
    reason: str = ""
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is wanted, and what is current: its hash, and itself where it can be read. `fence`: see Attempt."""

    bundle: Bundle
    current: str
    base: Bundle | None
    render_seconds: float
    fence: int


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes what `render` gives. With `retry`, also what was refused before."""

    files: ReleaseFiles
    servers: Servers
    render: Callable[[], Bundle]
    retry: bool = False
    margin_seconds: float = MARGIN_SECONDS
    patience: Patience = FOREGROUND
    say: Say = silent
    checkpoint: Say = silent

    def publish(self, wait_seconds: float = 0.0) -> Published:
        """One attempt, where one is needed. Never raises for what servers, database, disk or bundle do."""
        try:
            with self.files.lock(wait_seconds):
                return self._publish()
        except Busy as busy:
            return Published(Outcome.SUPERSEDED, str(busy))
        except (Unreachable, Refused) as error:
            # Met while nothing was being changed: what the servers run can't be told.
            return Published(Outcome.UNREACHABLE, str(error))
        except DatabaseLost as error:
            # Met before the switch: past it, an attempt goes on without its log.
            LOG.exception("the database can't be used")
            return Published(Outcome.FAILED, f"The database can't be used: {str(error).strip()}. Nothing was changed.")
        except OSError as error:
            # Met before there is an attempt, which would tell it.
            LOG.exception("the disk can't be used")
            return Published(Outcome.FAILED, f"The disk can't be used: {error}. Nothing was changed.")

    def _publish(self) -> Published:
        unsettled = self._settle_interrupted()
        if unsettled is not None:
            return unsettled
        started = time.monotonic()
        fence = Release.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        try:
            bundle = self.render()
        except DatabaseLost:
            raise
        except Exception as error:
            LOG.exception("rendering failed")
            return self._could_not_render(error)
        seconds, current = time.monotonic() - started, self.files.current_hash()
        base = self.files.read(current)
        # A link that leads nowhere is no way back.
        plan = _Plan(bundle, current if base is not None else "", base, seconds, fence)
        if base == bundle and current == bundle.hash:
            return self._keep(plan)
        remembered = None if self.retry else self._remembered(bundle.hash)
        if remembered is not None:
            return self._stay(remembered, base)
        return self._change(plan)

    def _rollout(self, servers: Servers) -> Rollout:
        return Rollout(self.files, servers, self.margin_seconds, self.patience)

    # --- Nothing to change ------------------------------------------------------------------------------------

    def _keep(self, plan: _Plan) -> Published:
        """The bundle is what is current: make sure that the servers run it."""
        servers, away = self.servers.who_answer()
        if servers.differences(plan.bundle):
            remembered = None if self.retry else self._remembered(plan.bundle.hash)
            if remembered is not None:
                return Published(Outcome(remembered.outcome), remembered.reason, remembered)
            return self._change(plan)
        if not _newest_ended_well():
            # What was refused has been taken back: from here on nothing fails any more.
            return self._end(self._begin(plan), Outcome.UNCHANGED, _without(away))
        return Published(Outcome.UNCHANGED, _without(away))

    def _stay(self, remembered: Release, base: Bundle | None) -> Published:
        """The bundle was refused before: the current release stays, and the servers shall run that."""
        if base is not None:
            servers, _ = self.servers.who_answer()
            if servers.differences(base):
                try:
                    self._rollout(servers).bring_back(base)
                except (Refused, NotLoaded) as error:
                    LOG.warning("the current release could not be loaded again: %s", error)
        return Published(Outcome(remembered.outcome), remembered.reason, remembered)

    def _remembered(self, release: str) -> Release | None:
        """The newest attempt, where it was at this very bundle and ended in what a pause follows."""
        newest = Release.objects.exclude(outcome=Outcome.SUPERSEDED).order_by("-pk").first()
        if newest is None or newest.hash != release:
            return None
        pause = PAUSES.get(Outcome.FAILED if _killed_servers(newest) else Outcome(newest.outcome))
        if pause is None or newest.finished_at is None:
            return None
        return newest if newest.finished_at > timezone.now() - pause else None

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
        attempt = Attempt(row, self.say, self.checkpoint, plan.fence)
        attempt.note("render", f"{len(bundle.files)} files, {bundle.hash[:12]}", plan.render_seconds)
        return attempt

    def _change(self, plan: _Plan) -> Published:
        try:
            servers, away = self.servers.who_answer()
        except Unreachable as error:
            return self._nobody_answers(plan, error)
        attempt, rollout = self._begin(plan), self._rollout(servers)
        try:
            watch = rollout.prove(attempt, plan.bundle, plan.base)
            row = attempt.row
            row.changed_groups = [list(key) for key in watch.groups]
            row.restarted_alerts, row.pending_alerts = watch.restarted, watch.pending
            row.save(update_fields=["changed_groups", "restarted_alerts", "pending_alerts"])
            if attempt.superseded:
                return self._end(attempt, Outcome.SUPERSEDED, "A newer attempt has begun. Nothing was changed.")
            with attempt.step("switch"):
                self.files.switch(plan.bundle.hash)
        except checks.CheckRefused as error:
            return self._end(attempt, Outcome.REFUSED, str(error))
        except Unreachable as error:
            return self._end(attempt, Outcome.UNREACHABLE, f"{error} Nothing was changed.")
        except checks.CheckImpossible as error:
            return self._end(attempt, Outcome.FAILED, f"{error} Nothing was changed.")
        except DatabaseLost:
            raise
        except Exception as error:
            LOG.exception("release %s failed before the servers saw it", attempt.row.pk)
            reason = f"{type(error).__name__}: {error}"
            if plan.current != plan.bundle.hash == self.files.current_hash():
                # The link was renamed, and is perhaps not on disk for good.
                return self._switch_back(attempt, rollout, Outcome.FAILED, reason)
            return self._end(attempt, Outcome.FAILED, f"{reason} Nothing was changed.")
        return self._take_over(attempt, rollout, plan.bundle, watch, away)

    def _nobody_answers(self, plan: _Plan, error: Unreachable) -> Published:
        newest, reason = Release.objects.order_by("-pk").first(), f"{error}. Nothing was changed."
        if newest is not None and (newest.hash, newest.outcome) == (plan.bundle.hash, Outcome.UNREACHABLE):
            # Said already, 15 seconds ago. This time it came no further than the rendering.
            again(newest, reason, newest.log[:1])
            return Published(Outcome.UNREACHABLE, reason, newest)
        return self._end(self._begin(plan), Outcome.UNREACHABLE, reason)

    def _take_over(
        self,
        attempt: Attempt,
        rollout: Rollout,
        bundle: Bundle,
        watch: Watch,
        away: Sequence[str] = (),
        begun: Begun = FROM_THE_SWITCH,
    ) -> Published:
        """With `current` pointing to the bundle already: the servers run it, or `current` points back again."""
        try:
            left = rollout.take_over(attempt, bundle, watch, begun)
        except StillWaiting as waiting:
            return Published(Outcome(attempt.row.outcome), str(waiting), attempt.row)
        except NOT_TAKEN as error:
            return self._switch_back(attempt, rollout, Outcome.ROLLED_BACK, str(error))
        except TooLate as error:
            return self._switch_back(attempt, rollout, Outcome.FAILED, str(error))
        except Unreachable as error:
            if attempt.row.base_hash in ("", attempt.row.hash):
                # Nowhere to go back to: the verdict waits until they answer again.
                return Published(Outcome.UNREACHABLE, str(error), attempt.row)
            return self._switch_back(attempt, rollout, Outcome.UNREACHABLE, str(error))
        except Exception as error:
            LOG.exception("release %s failed after the switch", attempt.row.pk)
            return self._switch_back(attempt, rollout, Outcome.FAILED, f"{type(error).__name__}: {error}")
        published = self._end(attempt, Outcome.PUBLISHED, _without([*away, *left]))
        self.files.clear_old({bundle.hash, attempt.row.base_hash})
        return published

    def _switch_back(self, attempt: Attempt, rollout: Rollout, outcome: Outcome, reason: str) -> Published:
        """`current` points to the old release again, and the servers run that, as far as they can be reached."""
        base = attempt.row.base_hash
        if base in ("", attempt.row.hash):
            return self._end(attempt, Outcome.FAILED, f"{reason}\nThere is no other release to go back to.")
        try:
            rollout.go_back(attempt, base)
        except Unreachable as error:
            reason += f"\nThe old release is current, but the servers could not be told so yet: {error}"
        except (Refused, NotLoaded) as error:
            # They run neither: the new release is not to blame, so it is tried again.
            outcome = Outcome.FAILED
            reason += f"\nThe old release is current, and is not loaded either: {error}"
        except OSError as error:
            # Left without a verdict: the next run tries once more to give it, or to go back.
            LOG.exception("release %s could not be switched back", attempt.row.pk)
            return Published(Outcome.FAILED, f"{reason}\nIt could not be switched back yet: {error}", attempt.row)
        return self._end(attempt, outcome, reason)

    def _end(self, attempt: Attempt, outcome: Outcome, reason: str = "") -> Published:
        row = attempt.finish(outcome, reason)
        return Published(outcome, reason, joined(row) if outcome == Outcome.UNREACHABLE else row)

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
            # The lock is ours, so its process is gone or has stopped waiting, with `current` switched and no verdict.
            try:
                servers, away = self.servers.who_answer()
            except Unreachable as error:
                return Published(Outcome.UNREACHABLE, f"{error}.", row)
            rollout, begun = self._rollout(servers), attempt.begun
            if begun.asked is None:
                attempt.note("resume", "current without a verdict yet: going on from the reload")
            base = self.files.read(row.base_hash) if row.base_hash != row.hash else None
            settled = self._take_over(attempt, rollout, bundle, rollout.watch_again(bundle, base), away, begun)
            if settled.outcome == Outcome.UNREACHABLE or not row.finished:
                return settled
        return None


def _without(away: Sequence[str]) -> str:
    """What to say of servers that are left behind; empty where none is."""
    if not away:
        return ""
    return f"Without {'; '.join(away)}. It gets this release when it answers again."


def _finish_dead(attempt: Attempt) -> None:
    """The verdict on an attempt whose process died, and that is not current."""
    steps = [entry["step"] for entry in attempt.row.log]
    if "back" in steps:
        # It had failed and was current no more; only the servers had not been told yet.
        attempt.finish(Outcome.ROLLED_BACK, attempt.row.log[steps.index("back") - 1]["message"])
        return
    last = steps[-1] if steps else "nothing"
    attempt.finish(Outcome.SUPERSEDED, f"Its process ended after the step {last}. The next attempt takes its place.")


def _killed_servers(row: Release) -> bool:
    """Whether it had to be taken back again and again since a server went away after the switch."""
    back = any(entry["step"] == "back" for entry in row.log)
    return row.outcome == Outcome.UNREACHABLE and back and row.tries >= DEATHS


def _newest_ended_well() -> bool:
    newest = Release.objects.exclude(outcome=Outcome.SUPERSEDED).order_by("-pk").first()
    return newest is None or newest.outcome in Release.GOOD
