"""From an address to a checked file."""

import hashlib
from pathlib import Path

import pytest

from serving.artifacts import KEEP_UNUSED, ArtifactError, ArtifactStore
from tests.serving.running import ControlPlane

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "cache")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "model v1"
    path.write_bytes(CONTENT)
    return path


def files(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "cache" / "artifacts").iterdir())


def test_a_path_a_file_url_and_an_http_url_all_end_as_the_same_checked_copy(
    tmp_path: Path, store: ArtifactStore, artifact: Path
) -> None:
    with ControlPlane() as plane:
        plane.artifacts["a"] = CONTENT
        for address in (str(artifact), artifact.as_uri(), plane.artifact_url("a")):
            found = store.fetch(address, SHA256)
            assert found.read_bytes() == CONTENT
            found.unlink()


def test_what_was_fetched_once_is_there_when_the_source_is_gone(store: ArtifactStore, artifact: Path) -> None:
    store.fetch(str(artifact), SHA256)
    artifact.unlink()
    assert store.fetch(str(artifact), SHA256).read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, store: ArtifactStore, artifact: Path
) -> None:
    artifact.write_bytes(CONTENT + b"!")
    with pytest.raises(ArtifactError, match=f"registered is {SHA256}"):
        store.fetch(str(artifact), SHA256)
    assert files(tmp_path) == []


def test_a_damaged_copy_is_fetched_again(store: ArtifactStore, artifact: Path) -> None:
    store.fetch(str(artifact), SHA256).write_bytes(b"rotten")
    assert store.fetch(str(artifact), SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("ftp://example.com/a", "scheme"),
        ("s3://bucket/a", "scheme"),
        ("file://elsewhere/a", "scheme"),
        ("/nowhere/at/all", "not a file"),
        ("/dev/zero", "not a file"),
        ("/", "not a file"),
        ("http://127.0.0.1:9/a", "can't be reached"),
    ],
)
def test_an_address_that_cannot_be_read_is_named(store: ArtifactStore, address: str, reason: str) -> None:
    with pytest.raises(ArtifactError, match=reason) as raised:
        store.fetch(address, SHA256)
    assert address in str(raised.value)


@pytest.mark.parametrize("sha256", ["", "0" * 63, "../" * 21 + "a", "g" * 64])
def test_what_is_not_a_hash_never_becomes_a_path(store: ArtifactStore, artifact: Path, sha256: str) -> None:
    with pytest.raises(ArtifactError, match="64 hexadecimal digits"):
        store.fetch(str(artifact), sha256)


def test_an_artifact_that_is_too_large_is_refused_while_it_comes(
    tmp_path: Path, store: ArtifactStore, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.artifacts.MAX_BYTES", 1000)
    with ControlPlane() as plane:
        plane.artifacts["a"] = CONTENT
        for address in (str(artifact), plane.artifact_url("a")):
            with pytest.raises(ArtifactError, match="than 1000 bytes"):
                store.fetch(address, SHA256)
    assert files(tmp_path) == []


def test_pruning_keeps_what_is_used_and_the_last_few(tmp_path: Path, store: ArtifactStore, artifact: Path) -> None:
    store.fetch(str(artifact), SHA256)
    for number in range(KEEP_UNUSED + 5):
        artifact.write_bytes(str(number).encode())
        store.fetch(str(artifact), hashlib.sha256(str(number).encode()).hexdigest())
    store.prune({SHA256})
    assert SHA256 in files(tmp_path)
    assert len(files(tmp_path)) == KEEP_UNUSED + 1
