"""Invariant 3: two publishes never interleave; a crash at any instant leaves the old or the new release, whole."""

import errno
import json
import os
import resource
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
from controlplane.release_files import Busy, ReleaseFiles
from tests.controlplane.bundles import OTHER, alert, rule_group
from tests.controlplane.conftest import Pair

ROOT = Path(__file__).resolve().parents[2]


def other(pair: Pair, expr: str) -> Bundle:
    return pair.bundle({OTHER: rule_group("Other:default", alert("Other", expr))}, group_wait=f"{len(expr)}s")


def run(story: str, pair: Pair, folder: Path, *bundles: Bundle) -> list[dict[str, Any]]:
    """Play `story` (tests/controlplane/crash_runner.py) with a database of its own; what it told."""
    for each in bundles:
        each.write(folder / each.hash)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "PLUMBLINE_HOME": str(pair.home),
        "PROMETHEUS_URL": pair.prometheus_server.url,
        "ALERTMANAGER_URL": pair.alertmanager_server.url,
        "DATABASE_URL": f"sqlite:///{folder / 'crash.sqlite3'}",
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
    told = run("killed", pair, tmp_path, other(pair, "vector(1)"), other(pair, "vector(20)"))
    assert len(told) == 15
    for facts in told:
        assert facts["old_or_new"] and facts["whole"], facts
        assert facts["converged"] and facts["outcome"] in ("published", "unchanged"), facts
        assert facts["unfinished"] == 0 and facts["drafts"] == [], facts


@pytest.mark.django_db
def test_two_publishers_at_once_do_not_interleave(pair: Pair, base: Bundle, tmp_path: Path) -> None:
    one, two = other(pair, "vector(1)"), other(pair, "vector(20)")
    [facts] = run("competing", pair, tmp_path, one, two)
    attempts = facts["attempts"]
    assert {outcome for outcome, *_ in attempts} == {"published"}
    assert {digest for _, digest, _, _ in attempts} == {one.hash, two.hash}
    ends = [end for *_, end in attempts]
    starts = [start for _, _, start, _ in attempts]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    assert facts["loaded"] == [facts["current"]] == [attempts[-1][1]]


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
def test_a_full_disk_leaves_the_old_release_and_no_draft(pair: Pair, base: Bundle) -> None:
    wanted = pair.bundle({"grafana/dashboards/large.json": '{"title": "' + "x" * 200_000 + '"}'})
    with files_no_larger_than(100_000):
        published = pair.publish(wanted)
    assert published.outcome == Release.Outcome.FAILED
    assert os.strerror(errno.EFBIG) in published.reason and "Nothing was changed" in published.reason
    assert pair.files.current_hash() == base.hash and pair.runs(base)
    assert not pair.files.folder(wanted.hash).exists()
    assert not list(pair.files.releases.glob(".*.tmp"))


@pytest.mark.django_db
def test_a_read_only_home_leaves_the_old_release(pair: Pair, base: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root ignores permissions, so the kernel's answer is given in its place, where the draft becomes the release."""

    def read_only(self: Path, target: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(target))

    monkeypatch.setattr(Path, "rename", read_only)
    published = pair.publish(other(pair, "vector(33)"))
    assert published.outcome == Release.Outcome.FAILED and "Read-only" in published.reason
    assert pair.files.current_hash() == base.hash
    assert not list(pair.files.releases.glob(".*.tmp"))
