"""Publishing under fire: kills, two publishers at once, disks that fail and a database that is lost.

Invariant 3: two publishes never interleave; a crash at any instant leaves the old or the new release, whole. And after
each, an alert that the edit does not concern keeps its start, and the next run reaches what is wanted.
"""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from controlplane.bundle import Bundle
from controlplane.models import Release
from controlplane.publishing.release_files import Busy, ReleaseFiles
from tests.controlplane.conftest import Pair, steady_keeps_its_start, the_next_run_reaches, time_passes
from tests.controlplane.failing_disk import FailingDisk

ROOT = Path(__file__).resolve().parents[2]


def run(story: str, pair: Pair, folder: Path, *bundles: Bundle) -> list[dict[str, Any]]:
    """Play `story` (tests/controlplane/crash_runner.py), with a database that the stories share; what it told."""
    for each in bundles:
        each.write(folder / each.hash)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "PLUMBLINE_HOME": str(pair.home),
        "PROMETHEUS_URL": pair.prometheus_server.url,
        "ALERTMANAGER_URL": pair.alertmanager_server.url,
        "DATABASE_URL": f"sqlite:///{pair.home / 'crash.sqlite3'}",
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "tests.controlplane.crash_runner", story, *(str(folder / b.hash) for b in bundles)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.django_db
def test_a_publisher_killed_at_any_step_leaves_a_whole_release_and_the_next_goes_on(
    pair: Pair, base: Bundle, tmp_path: Path
) -> None:
    with steady_keeps_its_start(pair.prometheus):
        told = run("killed", pair, tmp_path, pair.edit("vector(1)"), pair.edit("vector(20)"))
    assert len(told) == 15
    for facts in told:
        assert facts["old_or_new"] and facts["whole"], facts
        assert facts["converged"] and facts["outcome"] in ("published", "unchanged"), facts
        assert facts["unfinished"] == 0 and facts["drafts"] == [], facts
        assert facts["steady_since"] == told[0]["steady_since"] != "", facts


@pytest.mark.django_db
def test_two_publishers_at_once_do_not_interleave(pair: Pair, base: Bundle, tmp_path: Path) -> None:
    one, two = pair.edit("vector(1)"), pair.edit("vector(20)")
    with steady_keeps_its_start(pair.prometheus):
        [facts] = run("competing", pair, tmp_path, one, two)
        the_next_run_reaches(pair, base)
    attempts = facts["attempts"]
    assert {outcome for outcome, *_ in attempts} == {"published"}
    assert {digest for _, digest, _, _ in attempts} == {one.hash, two.hash}
    ends = [end for *_, end in attempts]
    starts = [start for _, _, start, _ in attempts]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    assert facts["runs"] == [facts["current"]] == [attempts[-1][1]]


@pytest.mark.django_db
def test_a_database_lost_in_the_middle_never_leaves_half_a_release(pair: Pair, base: Bundle, tmp_path: Path) -> None:
    """PostgreSQL is killed after a step and comes back later. Before the switch nothing is changed; after it the
    attempt goes on without its log, and the next run settles its row.
    """
    with steady_keeps_its_start(pair.prometheus):
        told = run("database_lost", pair, tmp_path, pair.edit("vector(7)"), pair.edit("vector(77)"))
    assert [facts["lost_after"] for facts in told] == ["queries", "switch", "verify", "probation"]
    for facts in told:
        before_switch = facts["lost_after"] == "queries"
        assert facts["runs"] == ("old" if before_switch else "new"), facts
        assert facts["outcome"] == ("failed" if before_switch else "published"), facts
        assert ("database can't be used" in facts["reason"]) == before_switch
        assert facts["next"] in ("published", "unchanged") and facts["converged"] and not facts["unfinished"], facts
        assert facts["steady_since"] == told[0]["steady_since"] != "", facts


def test_the_lock_lets_one_in_and_the_other_waits_or_gives_up(tmp_path: Path) -> None:
    files = ReleaseFiles(tmp_path / "releases", tmp_path / "current", tmp_path / "targets")
    with files.lock():
        with pytest.raises(Busy), files.lock():
            pass
        with pytest.raises(Busy, match=r"0\.2 s"), files.lock(wait_seconds=0.2):
            pass
    with files.lock():
        pass


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a full disk: writing past `size` bytes of a file fails (EFBIG in place of ENOSPC, at the same call)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.django_db
def test_a_disk_that_is_full_in_the_middle_of_a_file_leaves_the_old_release_and_no_draft(
    pair: Pair, base: Bundle
) -> None:
    wanted = pair.bundle({"grafana/dashboards/large.json": '{"title": "' + "x" * 200_000 + '"}'})
    with steady_keeps_its_start(pair.prometheus):
        with files_no_larger_than(100_000):
            published = pair.publish(wanted)
        assert published.outcome == Release.Outcome.FAILED
        assert os.strerror(errno.EFBIG) in published.reason and "Nothing was changed" in published.reason
        assert pair.files.current_hash() == base.hash and pair.runs(base)
        assert not pair.files.folder(wanted.hash).exists()
        assert not list(pair.files.releases.glob(".*.tmp"))
        assert pair.publish(wanted).release == published.release, "not every 15 seconds"
        time_passes(minutes=6)
        the_next_run_reaches(pair, wanted)


@pytest.mark.django_db
def test_a_disk_that_fails_at_any_write_leaves_the_old_release(
    pair: Pair, base: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full, then read-only; the first writes are those of the release, the last those of the switch."""
    wanted = pair.edit("vector(5)")
    failures = 0
    with steady_keeps_its_start(pair.prometheus):
        while True:
            with monkeypatch.context() as patched:
                disk = FailingDisk(patched, failures // 2, (errno.ENOSPC, errno.EROFS)[failures % 2])
                published = pair.publish(wanted)
            if not disk.hit:
                break
            failures += 1
            assert published.outcome == Release.Outcome.FAILED, failures
            assert ("Nothing was changed" in published.reason) == (pair.files.current_hash() == base.hash)
            assert pair.files.read(pair.files.current_hash()) in (base, wanted) and not pair.servers.differences(base)
            if pair.files.current_hash() == base.hash:
                # Of a release that lies there whole fewer writes would be left to fail, and none of the switch.
                shutil.rmtree(pair.files.folder(wanted.hash), ignore_errors=True)
            time_passes(minutes=6)
        assert failures > 40
        assert published.outcome in Release.GOOD and pair.runs(wanted)


@pytest.mark.django_db
def test_a_disk_that_fails_at_the_way_back_leaves_the_verdict_to_the_next_run(
    pair: Pair, base: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = pair.edit("vector(6)")
    with steady_keeps_its_start(pair.prometheus):
        with monkeypatch.context() as patched:

            def fail(step: str) -> None:
                if step == "switch":
                    pair.alertmanager_server.kill()
                    FailingDisk(patched, 0, errno.ENOSPC)

            published = pair.publish(wanted, checkpoint=fail)
        assert published.outcome == Release.Outcome.FAILED and "could not be switched back yet" in published.reason
        assert pair.files.read(pair.files.current_hash()) == wanted
        pair.alertmanager_server.start()
        the_next_run_reaches(pair, wanted)


@pytest.mark.django_db
def test_old_releases_that_cant_be_cleared_away_do_no_harm(
    pair: Pair, base: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> Iterator[Path]:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    wanted = pair.bundle(group_wait="5s")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", broken)
        assert pair.publish(wanted).outcome == Release.Outcome.PUBLISHED
    assert pair.runs(wanted)
