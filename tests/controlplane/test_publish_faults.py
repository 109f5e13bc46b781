"""Publishing under fire: each fault is made on a real server, on the disk or in the database, in mid-publish.

After each: the servers run exactly the old or the new release, whole; an alert that the edit does not concern keeps its
start; and the next run, with the fault gone, reaches what is wanted. Kills and full disks: test_publish_crashes.py.
"""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controlplane.bundle import Bundle
from controlplane.models import Release
from controlplane.models.release import is_failing
from controlplane.servers import Servers
from controlplane.stack.server import PortServer
from tests.controlplane.bundles import OTHER, STEADY, alert, rule_group
from tests.controlplane.conftest import Pair, wait_until
from tests.controlplane.test_publish_crashes import run

pytestmark = pytest.mark.django_db

Outcome = Release.Outcome
KINDS = ("prometheus", "alertmanager")


def wanted_by(pair: Pair, expr: str) -> Bundle:
    return pair.bundle({OTHER: rule_group("Other:default", alert("Other", expr))}, group_wait=f"{len(expr)}s")


def server_of(pair: Pair, kind: str) -> PortServer:
    return pair.prometheus_server if kind == "prometheus" else pair.alertmanager_server


def hasty(pair: Pair) -> Servers:
    return Servers.at([pair.prometheus_server.url], [pair.alertmanager_server.url], timeout=0.7)


def at(step: str, deed: Callable[[], object]) -> Callable[[str], None]:
    """A checkpoint that does `deed` when `step` has ended."""
    return lambda ended: deed() if ended == step else None


@contextmanager
def steady_keeps_its_start(pair: Pair) -> Iterator[None]:
    before = pair.firing("Steady")
    yield
    after = pair.firing("Steady")
    assert before is not None and after is not None and before.active_at == after.active_at


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_hangs_after_the_switch_finds_the_old_release_when_it_wakes(
    pair: Pair, base: Bundle, kind: str
) -> None:
    wanted, server = wanted_by(pair, "vector(2)"), server_of(pair, kind)
    with steady_keeps_its_start(pair):
        try:
            stop = at("switch", lambda: server.process.send_signal(signal.SIGSTOP))
            published = pair.publish(wanted, servers=hasty(pair), checkpoint=stop)
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert published.outcome == Outcome.UNREACHABLE and "no answer in time" in published.reason
        assert pair.files.current_hash() == base.hash and is_failing()
        if kind == "alertmanager":
            assert pair.runs(base), "Prometheus could be told at once"
        assert pair.publish(base).outcome in (Outcome.UNCHANGED, Outcome.PUBLISHED)
        assert pair.runs(base)
        assert pair.publish(wanted).outcome == Outcome.PUBLISHED
    assert pair.runs(wanted) and not is_failing()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_hangs_before_the_switch_changes_nothing(pair: Pair, base: Bundle, kind: str) -> None:
    server = server_of(pair, kind)
    server.process.send_signal(signal.SIGSTOP)
    try:
        published = pair.publish(wanted_by(pair, "vector(2)"), servers=hasty(pair))
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert published.outcome == Outcome.UNREACHABLE and "Nothing was changed" in published.reason
    assert pair.runs(base)


def test_an_alertmanager_that_dies_after_the_switch_finds_the_old_release(pair: Pair, base: Bundle) -> None:
    wanted = wanted_by(pair, "vector(22)")
    with steady_keeps_its_start(pair):
        published = pair.publish(wanted, checkpoint=at("switch", pair.alertmanager_server.kill))
        assert published.outcome == Outcome.UNREACHABLE
        pair.alertmanager_server.start()
        assert pair.runs(base), "Prometheus, which never died, was told too"
        assert pair.publish(wanted).outcome == Outcome.PUBLISHED


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_restarted_with_an_old_file_is_brought_back(pair: Pair, base: Bundle, kind: str) -> None:
    """As from a stale mount: it starts, answers, and runs what was published before."""
    newer = wanted_by(pair, "vector(3)")
    assert pair.publish(newer).outcome == Outcome.PUBLISHED
    server = server_of(pair, kind)
    server.kill()
    pair.files.switch(base.hash)
    server.start()
    pair.files.switch(newer.hash)
    assert not pair.runs(newer)
    assert pair.publish(newer).outcome == Outcome.PUBLISHED
    assert pair.runs(newer)


def test_an_older_render_that_arrives_late_gives_up(pair: Pair, base: Bundle) -> None:
    """Rendered, then held up, while another machine published what is newer: the lock does not reach that far."""
    older, newer = wanted_by(pair, "vector(4)"), wanted_by(pair, "vector(44)")

    def held_up() -> Bundle:
        row = Release.objects.create(hash=newer.hash, base_hash=base.hash, outcome=Outcome.PUBLISHED)
        assert row.pk
        return older

    published = pair.publish(older, render=held_up)
    assert published.outcome == Outcome.SUPERSEDED and "Nothing was changed" in published.reason
    assert pair.runs(base)
    assert pair.publish(newer).outcome == Outcome.PUBLISHED
    assert pair.runs(newer)


class FailingDisk:
    """Lets `spared` writing calls through, then answers each with `code`, until it is mended."""

    CALLS = ((Path, "mkdir"), (Path, "rename"), (Path, "replace"), (Path, "symlink_to"), (os, "fsync"))

    def __init__(self, patched: pytest.MonkeyPatch, spared: int, code: int) -> None:
        self.left, self.code, self.hit = spared, code, False
        for owner, name in self.CALLS:
            patched.setattr(owner, name, self._guarded(getattr(owner, name)))

    def _guarded(self, call: Callable[..., object]) -> Callable[..., object]:
        def guarded(*arguments: object, **named: object) -> object:
            self.left -= 1
            if self.left < 0:
                self.hit = True
                raise OSError(self.code, os.strerror(self.code))
            return call(*arguments, **named)

        return guarded


def test_a_disk_that_fails_at_any_write_leaves_the_old_release(
    pair: Pair, base: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full and read-only in turn; the first writes are those of the release, the last those of the switch."""
    wanted = wanted_by(pair, "vector(5)")
    failures = 0
    while True:
        with monkeypatch.context() as patched:
            disk = FailingDisk(patched, failures, (errno.ENOSPC, errno.EROFS)[failures % 2])
            try:
                published = pair.publish(wanted, retry=True)
            except OSError:
                assert failures == 0, "not even the lock's folder can be made: that is told as it is"
                published = None
        if not disk.hit:
            break
        failures += 1
        if published is not None:
            assert published.outcome == Outcome.FAILED
            assert ("Nothing was changed" in published.reason) == (pair.files.current_hash() == base.hash)
        assert pair.files.read(pair.files.current_hash()) in (base, wanted) and not pair.servers.differences(base)
    assert failures > 12
    assert published is not None and published.outcome in Release.GOOD and pair.runs(wanted)


def test_a_disk_that_fails_at_the_way_back_leaves_the_verdict_to_the_next_run(
    pair: Pair, base: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = wanted_by(pair, "vector(6)")
    with monkeypatch.context() as patched:

        def fail() -> None:
            pair.alertmanager_server.kill()
            FailingDisk(patched, 0, errno.ENOSPC)

        published = pair.publish(wanted, checkpoint=at("switch", fail))
    assert published.outcome == Outcome.FAILED and "could not be switched back yet" in published.reason
    assert pair.files.read(pair.files.current_hash()) == wanted
    pair.alertmanager_server.start()
    assert pair.publish(wanted).outcome == Outcome.UNCHANGED
    assert pair.runs(wanted) and not is_failing()


def test_a_database_lost_in_the_middle_never_leaves_half_a_release(pair: Pair, base: Bundle, tmp_path: Path) -> None:
    """PostgreSQL is killed after a step and comes back later. Before the switch nothing is changed; after it the
    attempt goes on without its log, and the next run settles its row.
    """
    with steady_keeps_its_start(pair):
        told = run("database_lost", pair, tmp_path, wanted_by(pair, "vector(7)"), wanted_by(pair, "vector(77)"))
    assert [facts["lost_after"] for facts in told] == ["queries", "switch"]
    for facts in told:
        before_switch = facts["lost_after"] == "queries"
        assert facts["runs"] == ("old" if before_switch else "new"), facts
        assert facts["outcome"] == ("failed" if before_switch else "published"), facts
        assert ("database can't be used" in facts["reason"]) == before_switch
        assert facts["next"] in ("published", "unchanged") and facts["converged"] and not facts["unfinished"], facts


def test_a_release_whose_file_was_damaged_on_disk_is_mended_before_it_is_loaded(pair: Pair, base: Bundle) -> None:
    (pair.files.folder(base.hash) / STEADY).write_text("groups: []\n")
    assert pair.publish(base).outcome == Outcome.PUBLISHED
    wait_until(lambda: pair.runs(base))
