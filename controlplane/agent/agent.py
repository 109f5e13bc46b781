"""One run of an agent: pull, then the same steps as the control plane's own publisher, or stay on the last good one.

Level-triggered like the loop: each run compares what was pulled last with what the servers run. The control plane may
be gone for as long as it likes: the last release stays, and a server that lost it is brought back to it.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from alerts.http import Refused, Unreachable
from controlplane.agent.memory import RETRY_AFTER, RETRY_LATE_AFTER, Memory
from controlplane.agent.source import Pulled, Source
from controlplane.bundle import ALERTMANAGER_CONFIG, PROMETHEUS_CONFIG, Bundle
from controlplane.publishing import checks
from controlplane.publishing.bundle_tar import BadTar
from controlplane.publishing.patience import FOREGROUND, Patience
from controlplane.publishing.probation import MARGIN_SECONDS
from controlplane.publishing.release_files import Busy, ReleaseFiles
from controlplane.publishing.rollout import (
    NOT_TAKEN,
    NotLoaded,
    Rollout,
    Say,
    Step,
    TooLate,
    Watch,
    prove_offline,
    silent,
)
from controlplane.publishing.servers import Servers
from controlplane.target_files import write_targets

LOG = logging.getLogger(__name__)


class Outcome(StrEnum):
    """How a run ended. All but the first two leave the servers on what they ran before."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


GOOD = (Outcome.APPLIED, Outcome.UNCHANGED)


@dataclass(frozen=True, slots=True)
class Applied:
    """`release` is what is current now; empty: nothing yet. `reason`: why it is not what was wanted, or who is away."""

    outcome: Outcome
    release: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SpokenJournal:
    """Tells each step as it ends."""

    say: Say

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        step, started = Step(), time.monotonic()
        try:
            yield step
        except Exception:
            self.say(f"{name:<10} {time.monotonic() - started:7.2f} s  failed")
            raise
        self.say(f"{name:<10} {time.monotonic() - started:7.2f} s  {step.message or 'ok'}")

    def on_probation(self) -> None:
        """Told by the steps themselves."""


@dataclass(frozen=True, slots=True)
class Agent:
    """`files` in a home of its own; `servers` are those of its host, started on the `current` of that home."""

    source: Source
    files: ReleaseFiles
    servers: Servers
    margin_seconds: float = MARGIN_SECONDS
    patience: Patience = FOREGROUND
    say: Say = silent

    @property
    def journal(self) -> SpokenJournal:
        return SpokenJournal(self.say)

    def run(self) -> Applied:
        """One run. Never raises for what the control plane, the servers, the disk or the release do."""
        try:
            with self.files.lock():
                return self._run()
        except Busy:
            return self._ended(Outcome.FAILED, "Another agent works in this home.")
        except Unreachable as error:
            return self._ended(Outcome.UNREACHABLE, f"{error}.")
        except (OSError, Refused) as error:
            LOG.exception("the run failed")
            return self._ended(Outcome.FAILED, f"{type(error).__name__}: {error}")

    def _run(self) -> Applied:
        trouble = self._pull()
        settled = self._settle()
        applied = settled if settled is not None else self._reach(self._memory().wanted)
        if trouble is None or applied.outcome not in GOOD:
            return applied
        return replace(trouble, release=applied.release)

    # --- Pulling ----------------------------------------------------------------------------------------------

    def _pull(self) -> Applied | None:
        """Bring home what is published. Not None: why that did not work; what came before stays."""
        memory = self._memory()
        # A tag is good only for as long as what came with it is here.
        etag = memory.etag if self._whole(memory.wanted) is not None else ""
        try:
            pulled = self.source.pull(etag)
            if pulled is not None:
                self._bring_home(pulled)
        except Unreachable as error:
            return self._ended(Outcome.UNREACHABLE, f"{error}. The last release stays.")
        except (Refused, BadTar) as error:
            return self._ended(Outcome.REFUSED, f"What the control plane gave is not taken: {error}")
        except OSError as error:
            return self._ended(Outcome.FAILED, f"The release could not be brought home: {error}")
        return None

    def _bring_home(self, pulled: Pulled) -> None:
        bundle = pulled.contents.bundle
        self.files.write(bundle)
        # Here too, since what is published again and again may be refused each time.
        self.files.clear_old({bundle.hash, self._memory().base})
        write_targets(self.files.targets, pulled.contents.targets)
        self._remember(etag=pulled.etag, wanted=bundle.hash)
        self.say(f"pulled {bundle.hash[:12]}")

    # --- Applying ---------------------------------------------------------------------------------------------

    def _settle(self) -> Applied | None:
        """Finish what a killed agent left: `current` switched and no verdict. None: nothing was left."""
        memory, current = self._memory(), self.files.current_hash()
        if not memory.trying:
            return None
        bundle = self._whole(current) if memory.trying == current else None
        if bundle is None:
            self._remember(trying="", base="")
            return None
        servers, away = self.servers.who_answer()
        rollout = self._rollout(servers)
        watch = rollout.watch_again(bundle, self.files.read(memory.base))
        settled = self._take_over(rollout, bundle, watch, away)
        return settled if memory.wanted == current else None

    def _reach(self, wanted: str) -> Applied:
        """From what is current to what is wanted, where that is not the same and was not refused lately."""
        current, memory = self.files.current_hash(), self._memory()
        bundle = None if memory.refuses(wanted, datetime.now(UTC)) else self._whole(wanted)
        bundle, base = bundle or self._whole(current), self.files.read(current)
        if bundle is None:
            return self._ended(Outcome.REFUSED, memory.reason or "Nothing that is whole is here.")
        if base is None:
            return self._begin(bundle)
        servers, away = self.servers.who_answer()
        if base == bundle and not servers.differences(bundle):
            if bundle.hash != wanted:
                return self._ended(Outcome.REFUSED, memory.reason)
            return self._ended(Outcome.UNCHANGED, _without(away))
        return self._change(self._rollout(servers), bundle, base, away)

    def _begin(self, bundle: Bundle) -> Applied:
        """The first release: the servers can't run before it is there, so it is checked without them."""
        try:
            servers, away = self.servers.who_answer()
        except Unreachable:
            try:
                prove_offline(self.journal, self.files, bundle, None, routes=bool(self.servers.alertmanagers))
            except (checks.CheckRefused, checks.CheckImpossible) as error:
                return self._not_taken(Outcome.REFUSED, bundle, error)
            self._switch(bundle, base="")
            return self._ended(
                Outcome.UNREACHABLE,
                f"The first release is here. Start Prometheus with --config.file={self.files.current}/"
                f"{PROMETHEUS_CONFIG}, and Alertmanager with --config.file={self.files.current}/{ALERTMANAGER_CONFIG}.",
            )
        return self._change(self._rollout(servers), bundle, None, away)

    def _change(self, rollout: Rollout, bundle: Bundle, base: Bundle | None, away: list[str]) -> Applied:
        try:
            watch = rollout.prove(self.journal, bundle, base)
        except checks.CheckRefused as error:
            return self._not_taken(Outcome.REFUSED, bundle, error)
        except checks.CheckImpossible as error:
            return self._ended(Outcome.FAILED, str(error))
        self._switch(bundle, self.files.current_hash() if base is not None else "")
        return self._take_over(rollout, bundle, watch, away)

    def _switch(self, bundle: Bundle, base: str) -> None:
        self._remember(trying=bundle.hash, base=base)
        with self.journal.step("switch"):
            self.files.switch(bundle.hash)

    def _take_over(self, rollout: Rollout, bundle: Bundle, watch: Watch, away: list[str]) -> Applied:
        base = self._memory().base
        try:
            left = rollout.take_over(self.journal, bundle, watch)
        except (*NOT_TAKEN, TooLate) as error:
            if base in ("", bundle.hash):
                return self._ended(Outcome.FAILED, f"{error}\nThere is no other release to go back to.")
            self._back(rollout, base)
            if isinstance(error, TooLate):
                return self._not_taken(Outcome.FAILED, bundle, error, RETRY_LATE_AFTER)
            return self._not_taken(Outcome.ROLLED_BACK, bundle, error)
        except Unreachable:
            # Nowhere to go back to: the verdict waits until they answer again.
            if base not in ("", bundle.hash):
                self._back(rollout, base)
            raise
        self._remember(trying="", base="", refused="", refused_until="", reason="")
        self.files.clear_old({bundle.hash, base})
        return self._ended(Outcome.APPLIED, _without([*away, *left]))

    def _back(self, rollout: Rollout, base: str) -> None:
        """The old release is current again; servers that can't be told so are brought back by a later run."""
        try:
            rollout.go_back(self.journal, base)
        except (Unreachable, Refused, NotLoaded) as error:
            LOG.warning("%s is current again, and not loaded yet: %s", base[:12], error)
        self._remember(trying="", base="")

    def _not_taken(self, outcome: Outcome, bundle: Bundle, error: Exception, pause: timedelta = RETRY_AFTER) -> Applied:
        """Not tried again for that long, unless something else is published."""
        until = datetime.now(UTC) + pause
        self._remember(refused=bundle.hash, refused_until=until.isoformat(), reason=str(error))
        return self._ended(outcome, str(error))

    # --- What is at hand --------------------------------------------------------------------------------------

    def _rollout(self, servers: Servers) -> Rollout:
        return Rollout(self.files, servers, self.margin_seconds, self.patience)

    def _whole(self, release: str) -> Bundle | None:
        """The release, where it lies on disk unharmed."""
        bundle = self.files.read(release)
        return bundle if bundle is not None and bundle.hash == release else None

    @property
    def _memory_file(self) -> Path:
        return self.files.releases.parent / "agent.json"

    def _memory(self) -> Memory:
        return Memory.read(self._memory_file)

    def _remember(self, **changes: str) -> None:
        replace(self._memory(), **changes).write(self._memory_file)

    def _ended(self, outcome: Outcome, reason: str = "") -> Applied:
        return Applied(outcome, self.files.current_hash(), reason)


def _without(away: list[str]) -> str:
    return f"Without {'; '.join(away)}." if away else ""
