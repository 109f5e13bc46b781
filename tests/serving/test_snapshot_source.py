"""Asking for the snapshot, what is made of the answers, and files that are never half written."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from serving import snapshot_check
from serving.files import write_whole
from serving.http_fetch import FetchError, get
from serving.snapshot_source import FileSource, SnapshotPoller, Token
from telemetry.snapshot import ServingSnapshot, SnapshotFeature, SnapshotModel, SnapshotVersion
from tests.doubles.dripping import dripping
from tests.serving.artifacts import model
from tests.serving.running import write_snapshot

VERSION = SnapshotVersion("v1", "onnx", "/a", "0" * 64)
GOOD = model(VERSION)


class Polled:
    """A poller that a test drives by hand."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "snapshot.json"
        self.taken: list[ServingSnapshot] = []
        self.poller = SnapshotPoller(FileSource(self.file), folder / "cache", 1.0, self.taken.append)


@pytest.fixture
def polled(tmp_path: Path) -> Polled:
    return Polled(tmp_path)


def test_a_snapshot_is_handed_on_once_and_confirmed_at_every_look(polled: Polled) -> None:
    snapshot = write_snapshot(polled.file, GOOD)
    polled.poller.poll()
    time.sleep(0.1)
    polled.poller.poll()
    assert polled.taken == [snapshot]
    assert polled.poller.age_seconds() < 0.1


@pytest.mark.parametrize("text", ["", "{", '{"schema":2,"models":[]}', "[]"])
def test_a_bad_text_is_neither_used_nor_kept_nor_a_confirmation(polled: Polled, text: str, tmp_path: Path) -> None:
    write_snapshot(polled.file, GOOD)
    polled.poller.poll()
    kept = (tmp_path / "cache" / "snapshot.json").read_bytes()
    polled.file.write_text(text)
    time.sleep(0.2)
    for _ in range(3):  # unchanged bad text is no better at the second look
        polled.poller.poll()
    assert len(polled.taken) == 1
    assert polled.poller.age_seconds() >= 0.2
    assert (tmp_path / "cache" / "snapshot.json").read_bytes() == kept
    write_snapshot(polled.file, GOOD)
    polled.poller.poll()
    assert polled.poller.age_seconds() < 0.2
    assert len(polled.taken) == 1


def test_without_its_source_it_starts_from_the_copy_and_knows_the_copys_age(tmp_path: Path) -> None:
    first = Polled(tmp_path)
    snapshot = write_snapshot(first.file, GOOD)
    first.poller.poll()
    first.file.unlink()
    time.sleep(0.2)
    second = Polled(tmp_path)
    second.poller.poll()
    assert second.taken == [snapshot]
    assert second.poller.age_seconds() >= 0.2


def test_a_damaged_copy_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "snapshot.json").write_text('{"schema":1,"models":[{')
    polled = Polled(tmp_path)
    polled.poller.poll()
    assert polled.taken == []


def test_a_cache_that_cannot_be_written_does_not_stop_a_snapshot(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    polled = Polled(tmp_path)
    write_snapshot(polled.file, GOOD)
    polled.poller.poll()
    assert len(polled.taken) == 1


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (replace(GOOD, name="../x"), "can't be a name"),
        (replace(GOOD, task="ranking"), "task is 'ranking'"),
        (replace(GOOD, classes=("a",)), "classes has 1 entries"),
        (replace(GOOD, versions=(replace(VERSION, version="../v"),)), "can't be a version"),
        (replace(GOOD, versions=(VERSION, VERSION)), "versions names one twice"),
        (replace(GOOD, live="v9"), "live is 'v9'"),
        (replace(GOOD, canary="v9"), "canary is 'v9'"),
        (replace(GOOD, shadows=("v9",)), "shadows is 'v9'"),
        (replace(GOOD, canary="v1"), "canary and live are both 'v1'"),
        (replace(GOOD, canary_percent=101), "canary_percent is 101"),
        (replace(GOOD, in_flight_limit=0), "in_flight_limit is 0"),
        (replace(GOOD, timeout_seconds=0.0), "timeout_seconds is 0.0"),
        (replace(GOOD, features=()), "features is empty"),
        (replace(GOOD, features=(SnapshotFeature("x", "number"),)), "kind 'number'"),
        (replace(GOOD, features=(SnapshotFeature("x", "numeric", default="1"),)), "default '1', which is not numeric"),
        (replace(GOOD, features=(SnapshotFeature("x", "categorical", default=1.0),)), "default 1.0, which is not"),
        (replace(GOOD, features=(SnapshotFeature("x", "numeric"),) * 2), "features names one twice"),
    ],
)
def test_a_snapshot_that_cannot_be_run_names_model_field_and_value(bad: SnapshotModel, said: str) -> None:
    with pytest.raises(ValueError, match="Model") as raised:
        snapshot_check.check(ServingSnapshot((bad,)))
    assert said in str(raised.value)


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        snapshot_check.check(ServingSnapshot((GOOD, GOOD)))


def test_an_answer_that_drips_is_given_up_in_time() -> None:
    started = time.monotonic()
    with dripping() as url, requests.Session() as session:
        _, pieces = get(session, f"{url}/", {}, 0.5, 1000)
        with pytest.raises(FetchError, match="took too long"):
            b"".join(pieces)
    assert time.monotonic() - started < 5


def test_a_token_is_never_shown() -> None:
    assert "s3cret" not in repr(Token(None, "s3cret"))


class TestWriteWhole:
    def test_a_reader_has_the_old_file_or_the_new_one(self, tmp_path: Path) -> None:
        target = tmp_path / "f"
        target.write_bytes(b"old")

        def pieces() -> Iterator[bytes]:
            yield b"n"
            assert target.read_bytes() == b"old"
            yield b"ew"

        with target.open("rb") as reader:  # opened before: goes on with what it opened
            write_whole(target, pieces())
            assert reader.read() == b"old"
        assert target.read_bytes() == b"new"
        assert [p.name for p in tmp_path.iterdir()] == ["f"]

    def test_a_failure_midway_leaves_the_old_file_alone(self, tmp_path: Path) -> None:
        target = tmp_path / "f"
        target.write_bytes(b"old")

        def pieces() -> Iterator[bytes]:
            yield b"n"
            raise FetchError("broke off")

        with pytest.raises(FetchError):
            write_whole(target, pieces())
        assert target.read_bytes() == b"old"
        assert [p.name for p in tmp_path.iterdir()] == ["f"]
