"""Check, switch, reload, verify, probation: how a bundle is brought to the servers of this machine, and back from them.

No database and no Django: the control plane's publisher and the agent on another host take the same steps, each with a
journal of its own.
"""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from alerts.alertmanager import Alertmanager
from alerts.http import Refused, Unreachable
from alerts.prometheus import PENDING, Prometheus
from controlplane.bundle import ALERTMANAGER_CONFIG, PROMETHEUS_CONFIG, Bundle
from controlplane.publishing import checks
from controlplane.publishing.patience import (
    FOREGROUND,
    LEAST_SECONDS,
    NEVER,
    PASSED,
    Deadline,
    Patience,
    StillWaiting,
)
from controlplane.publishing.probation import MARGIN_SECONDS, EvaluationFailed, Fault, faults, wait_until_evaluated
from controlplane.publishing.receiver_check import check_receivers
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.publishing.rendered_rules import (
    BadRules,
    Key,
    RenderedGroup,
    changed_groups,
    groups_of,
    new_expressions,
    path_of,
    restarted_alerts,
)
from controlplane.publishing.servers import Servers
from controlplane.publishing.verify import alertmanager_differences, canonical

LOG = logging.getLogger(__name__)

Say = Callable[[str], None]


def silent(_: str) -> None:
    """For who does not watch."""


class NotLoaded(Exception):
    """A server answered the reload and runs something else. The message says what, and where to look."""


class TooLate(Exception):
    """A server is alive, was asked to load a release, and does not run it after a long time. The message says who."""


# What says that the servers will not run a release, or not well.
NOT_TAKEN = (Refused, NotLoaded, EvaluationFailed)
POLL_SECONDS = 1.0
WHY_NOT_RELOADED = (
    "\nIts answer does not say why, its own log does (journalctl -u prometheus, or docker logs). It reads {path}."
    " As a rule, it is older than the promtool that checked the release and does not know something in it, its user may"
    " not read the files, or somebody edited them."
)


@dataclass(slots=True)
class Step:
    """A running step; set `message` to what it found."""

    message: str = ""


class Journal(Protocol):
    """Where the steps are written down."""

    def step(self, name: str) -> AbstractContextManager[Step]:
        """Around a step, whether it succeeds or not."""

    def on_probation(self) -> None:
        """What is current is loaded and verified; now it has to prove itself."""


@dataclass(frozen=True, slots=True)
class Watch:
    """For the probation: the groups that change, and what erred before.

    `restarted`: firing alerts that lose their state, `pending`: pending ones.
    """

    groups: list[Key] = field(default_factory=list)
    known: set[Fault] = field(default_factory=set)
    restarted: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Begun:
    """How far an earlier run came with what is current: seconds since the servers were `asked` to load it, and since
    they had `loaded` it. None: they have yet to be asked, or to be seen to run it."""

    asked: float | None = None
    loaded: float | None = None


FROM_THE_SWITCH = Begun()


def prove_offline(
    journal: Journal,
    files: ReleaseFiles,
    bundle: Bundle,
    base: Bundle | None,
    *,
    routes: bool = True,
    deadline: Deadline = NEVER,
) -> dict[Key, RenderedGroup]:
    """All that can be checked without servers, with the release on disk; its groups. See Rollout.prove."""
    groups = checks.check_rules_readable(bundle)
    with journal.step("write") as step:
        step.message = "new" if files.write(bundle) else "there already"
    folder = files.folder(bundle.hash)
    with journal.step("promtool"):
        checks.check_with_promtool(folder, bundle, deadline)
    with journal.step("tests") as step:
        step.message = f"{checks.check_rule_tests(folder, bundle, base, deadline)} rule test files passed"
    if routes:
        with journal.step("amtool"):
            checks.check_with_amtool(folder, deadline)
    return groups


@dataclass(frozen=True, slots=True)
class Rollout:
    """`servers` are those that answer. Every method raises Unreachable where a whole kind of them stops to."""

    files: ReleaseFiles
    servers: Servers
    margin_seconds: float = MARGIN_SECONDS
    patience: Patience = FOREGROUND

    def prove(self, journal: Journal, bundle: Bundle, base: Bundle | None) -> Watch:
        """All checks. CheckRefused and CheckImpossible; nothing that a server reads is touched."""
        deadline, routes = Deadline.after(self.patience.check), bool(self.servers.alertmanagers)
        check_receivers(self.servers.alertmanagers, bundle)
        groups = prove_offline(journal, self.files, bundle, base, routes=routes, deadline=deadline)
        # Where the servers don't run it although it is current, nothing of it counts as known.
        before = readable_groups(None if base == bundle else base)
        with journal.step("queries") as step:
            expressions = new_expressions(before, groups)
            checks.check_expressions(self.servers.prometheus, expressions, deadline)
            step.message = f"{len(expressions)} new expressions answered"
        return self._watch(before, groups)

    def _watch(self, before: Mapping[Key, RenderedGroup], groups: Mapping[Key, RenderedGroup]) -> Watch:
        watched, known = set(changed_groups(before, groups)), set()
        restarted: set[str] = set()
        pending: set[str] = set()
        for prometheus in self.servers.prometheuses:
            loaded = prometheus.rules()
            watched |= groups.keys() - {(path_of(group.file), group.name) for group in loaded}
            known |= faults(loaded)
            restarted |= set(restarted_alerts(loaded, groups))
            pending |= set(restarted_alerts(loaded, groups, PENDING))
        return Watch(sorted(watched), known, sorted(restarted), sorted(pending))

    def watch_again(self, bundle: Bundle, base: Bundle | None) -> Watch:
        """For a release that is current already: what it changed, and what erred before it came."""
        before = readable_groups(base)
        found = {fault for prometheus in self.servers.prometheuses for fault in faults(prometheus.rules())}
        return Watch(changed_groups(before, groups_of(bundle)), _older(found, before))

    def take_over(self, journal: Journal, bundle: Bundle, watch: Watch, begun: Begun = FROM_THE_SWITCH) -> list[str]:
        """Reload, verify, probation, with `current` pointing to the bundle already: from where an earlier run stopped.

        One of NOT_TAKEN, or TooLate, where it fails; StillWaiting where that is not known when the turn is over. One of
        several that dies meanwhile is left behind: returns whom, and why.
        """
        servers, turn = self.servers, Deadline.after(self.patience.turn)
        left: list[str] = []
        while True:
            try:
                self._take_over(journal, servers, bundle, watch, begun, turn)
                return left
            except Unreachable:
                fewer, away = servers.who_answer()
                if fewer.count == servers.count:
                    raise
                servers, left = fewer, [*left, *away]

    def _take_over(
        self, journal: Journal, servers: Servers, bundle: Bundle, watch: Watch, begun: Begun, turn: Deadline
    ) -> None:
        until = Deadline.after(self.patience.load - (begun.asked or 0.0))
        late = begun.asked is not None and begun.loaded is None
        if begun.asked is None:
            with journal.step("reload") as step:
                met = self._reload(servers, bundle, turn)
                late, step.message = bool(met), f"{met[0]}; it may be loading still" if met else ""
        if begun.loaded is None:
            with journal.step("verify"):
                self._verify_in_time(servers, bundle, until if late else PASSED, turn)
        else:
            self._verify(servers, bundle)
        journal.on_probation()
        with journal.step("probation") as step:
            seconds = self._wait(servers, bundle, watch, begun.loaded or 0.0, turn)
            step.message = f"{len(watch.groups)} changed groups evaluated without error after {seconds:.1f} s"

    def bring_back(self, bundle: Bundle) -> None:
        """Have all that answer load what is current, and see that they do. Refused or NotLoaded where they don't."""
        # Whoever can be told is told, also where nobody of the other kind answers.
        servers, lost = self.servers.split()
        until = Deadline.after(self.patience.back)
        late = self._reload(servers, bundle, until)
        try:
            self._verify_in_time(servers, bundle, until if late else PASSED, NEVER)
        except TooLate as error:
            raise late[0] from error
        if lost:
            raise lost[0]

    def go_back(self, journal: Journal, base: str) -> None:
        """`current` points to the release `base` again, and the servers run that.

        OSError: it could not even be switched. Unreachable, Refused, NotLoaded: the servers could not be told.
        """
        with journal.step("back") as step:
            self.files.switch(base)
            step.message = f"{base[:12]} is current again"
        old = self.files.read(base)
        if old is not None:
            with journal.step("restore") as step:
                self.bring_back(old)
                step.message = "the old release is loaded, as the servers' own APIs say"

    def _reload(self, servers: Servers, bundle: Bundle, until: Deadline) -> list[Unreachable]:
        """Have them read `current`. Alertmanager only where it must: a reload starts its groups anew.

        Returns what was met of those that did not answer in time and are alive: they may be loading it still.
        """
        late: list[Unreachable] = []

        def reload(server: Prometheus | Alertmanager) -> None:
            try:
                server.reload(min(self.patience.reload, max(LEAST_SECONDS, until.left)))
            except Unreachable as error:
                if not server.ready():
                    raise
                late.append(error)

        for prometheus in servers.prometheuses:
            try:
                reload(prometheus)
            except Refused as error:
                path = f"{self.files.current}/{PROMETHEUS_CONFIG}"
                why = WHY_NOT_RELOADED.format(path=path) if "failed to reload" in error.message else ""
                raise Refused(f"{servers.named(prometheus)}{error.message}{why}", error.status) from error
        for alertmanager in servers.alertmanagers:
            if alertmanager_differences(alertmanager, bundle):
                reload(alertmanager)
        return late

    def _verify_in_time(self, servers: Servers, bundle: Bundle, late: Deadline, turn: Deadline) -> None:
        """See that they run `bundle`. Until `late`, one that does not may be loading it still: TooLate after that."""
        while True:
            try:
                return self._verify(servers, bundle)
            except (NotLoaded, Unreachable) as error:
                if late is PASSED or (isinstance(error, Unreachable) and not _alive(servers)):
                    raise
                if late.passed:
                    raise TooLate(
                        f"A server that is alive does not run it {self.patience.load:g} s after it was asked: {error}"
                    ) from error
                if turn.passed:
                    raise StillWaiting(f"a server is loading it still: {error}") from error
            time.sleep(min(POLL_SECONDS, self.patience.reload / 5))

    def _verify(self, servers: Servers, bundle: Bundle) -> None:
        for prometheus in servers.prometheuses:
            if not prometheus.runtime().reload_succeeded:
                raise NotLoaded(
                    f"{servers.named(prometheus)}Prometheus says that its last reload failed: its log says why."
                )
        if different := servers.differences(bundle):
            raise NotLoaded(
                "\n".join(different[:20])
                + f"\nDoes Prometheus run with --config.file={self.files.current}/prometheus/prometheus.yml, and"
                f" Alertmanager with --config.file={self.files.current}/{ALERTMANAGER_CONFIG}?"
            )

    def _wait(self, servers: Servers, bundle: Bundle, watch: Watch, waited: float, turn: Deadline) -> float:
        groups = groups_of(bundle)
        longest = max((groups[key].interval_seconds for key in watch.groups), default=0)
        limit = longest + self.margin_seconds
        seconds = waited
        for prometheus in servers.prometheuses:
            try:
                # All have loaded it by now, so that they share the time.
                seconds = wait_until_evaluated(
                    prometheus.rules, watch.groups, watch.known, limit, waited=seconds, turn=turn
                )
            except EvaluationFailed as error:
                raise EvaluationFailed(f"{servers.named(prometheus)}{error}") from error
        return seconds


def readable_groups(base: Bundle | None) -> dict[Key, RenderedGroup]:
    """The groups of a release on disk; none where somebody edited it into something that holds no rules."""
    try:
        return groups_of(base)
    except BadRules as error:
        LOG.warning("the current release on disk was edited: %s", error)
        return {}


def _alive(servers: Servers) -> bool:
    return all(server.ready() for server in (*servers.prometheuses, *servers.alertmanagers))


def _older(found: set[Fault], base: Mapping[Key, RenderedGroup]) -> set[Fault]:
    """The faults of rules that stand in `base` too: a release that was loaded already is not to blame for them."""
    known = {(key, rule.name, canonical(rule.expr)) for key, group in base.items() for rule in group.rules}
    return {(key, name, query) for key, name, query in found if (key, name, canonical(query)) in known}
