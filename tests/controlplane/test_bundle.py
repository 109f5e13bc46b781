"""The bundle and the releases on disk: one name for one content, each change whole."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.bundle import TARGETS, Bundle
from controlplane.publishing import release_files
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.target_files import write_targets

NAMES = st.text(st.characters(whitelist_categories=["Ll", "Nd"]), min_size=1, max_size=5)
FILES = st.dictionaries(NAMES.map("rules/{}".format), st.text(max_size=20), max_size=5)


@pytest.fixture
def files(tmp_path: Path) -> ReleaseFiles:
    return ReleaseFiles(tmp_path / "releases", tmp_path / "current", tmp_path / "targets")


@given(FILES, FILES)
def test_equal_files_have_equal_hashes_and_others_have_not(one: dict[str, str], other: dict[str, str]) -> None:
    backwards = dict(reversed(one.items()))
    assert Bundle(one).hash == Bundle(backwards).hash
    assert (Bundle(one).hash == Bundle(other).hash) == (one == other)


def test_text_does_not_slip_from_one_file_into_another() -> None:
    assert Bundle({"a": "bc", "d": ""}).hash != Bundle({"a": "b", "cd": ""}).hash
    assert Bundle({"a": "1:b1:c"}).hash != Bundle({"a": "", "b": "c"}).hash


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", f"{TARGETS}/x.json"])
def test_a_path_that_leads_out_of_the_bundle_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no path inside a bundle"):
        Bundle({path: ""})


def test_what_is_written_is_read_back_equal_line_ends_included(files: ReleaseFiles) -> None:
    bundle = Bundle({"prometheus/prometheus.yml": "a: 1\r\n", "x/ü.yml": "größe: 1\n"})
    assert files.write(bundle)
    assert files.read(bundle.hash) == bundle
    assert not files.write(bundle), "it is there already"


def test_targets_are_reached_through_a_link_and_do_not_count(files: ReleaseFiles) -> None:
    bundle = Bundle({"prometheus/prometheus.yml": ""})
    files.write(bundle)
    files.switch(bundle.hash)
    write_targets(files.targets, {"model-inference.json": "[]"})
    assert (files.current / TARGETS / "model-inference.json").read_text() == "[]"
    assert files.read(bundle.hash) == bundle
    link = files.folder(bundle.hash) / TARGETS
    assert not link.readlink().is_absolute(), "the home may be mounted elsewhere"


def test_a_release_that_somebody_edited_is_repaired(files: ReleaseFiles) -> None:
    bundle = Bundle({"prometheus/prometheus.yml": "a: 1", "prometheus/rules/x.yml": "b: 2"})
    files.write(bundle)
    folder = files.folder(bundle.hash)
    (folder / "prometheus/rules/x.yml").write_text("b: 3")
    (folder / "prometheus/rules/stray.yml").write_bytes(b"\xff")
    (folder / TARGETS).unlink()
    assert files.write(bundle)
    assert files.read(bundle.hash) == bundle
    assert (folder / TARGETS).is_symlink()


def test_the_switch_replaces_the_link_and_survives_what_a_dead_publisher_left(files: ReleaseFiles) -> None:
    one, two = Bundle({"x": "1"}), Bundle({"x": "2"})
    assert files.current_hash() == ""
    for bundle in (one, two):
        files.write(bundle)
        (files.current.parent / ".current.tmp").symlink_to("nowhere")
        files.switch(bundle.hash)
        assert files.current_hash() == bundle.hash
        assert (files.current / "x").read_text() == bundle.files["x"]
    assert not files.current.readlink().is_absolute()


def test_a_writer_that_is_killed_at_any_write_leaves_the_release_whole_or_not_there(files: ReleaseFiles) -> None:
    bundle = Bundle({f"prometheus/rules/{number}.yml": f"# {number}" for number in range(3)})
    outcomes = []
    for count in range(1, 12):
        child = os.fork()
        if child == 0:
            die_at_sync(count)
            files.write(bundle)
            files.switch(bundle.hash)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        outcomes.append(os.WIFSIGNALED(status))
        assert files.read(bundle.hash) in (None, bundle), f"killed at write {count}"
        assert files.current_hash() in ("", bundle.hash)
        if files.current_hash():
            assert files.read(files.current_hash()) == bundle
            files.current.unlink()
        files.write(bundle)
        shutil.rmtree(files.folder(bundle.hash))
    assert outcomes[0] and not outcomes[-1], "from the first write to the last"


def die_at_sync(count: int) -> None:
    """End this process at its `count`-th wait for the disk: between any two of them lies one write or rename."""
    real, calls = os.fsync, iter(range(1, count))

    def fsync(descriptor: int) -> None:
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    os.fsync = fsync


def test_old_releases_are_cleared_away_but_never_the_current_or_the_previous_one(
    files: ReleaseFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_files, "KEEP", 2)
    bundles = [Bundle({"x": str(number)}) for number in range(6)]
    for age, bundle in enumerate(bundles):
        files.write(bundle)
        os.utime(files.folder(bundle.hash), (age, age))
    files.switch(bundles[0].hash)
    (files.releases / ".dead.tmp").mkdir()
    assert files.clear_old({bundles[1].hash}) == 2
    left = {path.name for path in files.releases.iterdir()}
    assert left == {bundles[number].hash for number in (0, 1, 4, 5)}


def test_target_files_are_replaced_only_when_they_change(tmp_path: Path) -> None:
    folder = tmp_path / "targets"
    assert write_targets(folder, {"a.json": "[1]", "b.json": "[2]"}) == 2
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert write_targets(folder, {"a.json": "[1]", "b.json": "[3]"}) == 1
    after = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert after["a.json"] == before["a.json"] and after["b.json"] != before["b.json"]
    assert write_targets(folder, {"a.json": "[1]"}) == 1
    assert [path.name for path in folder.iterdir()] == ["a.json"]
