"""Artifacts, shared by all tests of serving."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from telemetry.snapshot import SnapshotVersion
from tests.serving import artifacts


@dataclass(frozen=True)
class Artifacts:
    """Versions of the two-number classifier. `good`, `better` and `third` answer 0.25, 0.75 and 0.9."""

    good: SnapshotVersion
    better: SnapshotVersion
    third: SnapshotVersion
    not_a_number: SnapshotVersion
    garbage: SnapshotVersion
    wrong_hash: SnapshotVersion
    mixed: SnapshotVersion


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """The artifacts, on disk."""
    folder = tmp_path_factory.mktemp("artifacts")
    (folder / "garbage").write_bytes(b"not a network")
    good = artifacts.version(artifacts.constant(folder / "good", 0.25), "v1")
    return Artifacts(
        good=good,
        better=artifacts.version(artifacts.constant(folder / "better", 0.75), "v2"),
        third=artifacts.version(artifacts.constant(folder / "third", 0.9), "v3"),
        not_a_number=artifacts.version(artifacts.constant(folder / "nan", float("nan")), "v-nan"),
        garbage=artifacts.version(folder / "garbage", "v-garbage"),
        wrong_hash=SnapshotVersion("v-hash", "onnx", good.artifact, "0" * 64),
        mixed=artifacts.version(artifacts.mixed_pipeline(folder / "mixed"), "v1", "sklearn"),
    )


@pytest.fixture
def snapshot_file(tmp_path: Path) -> Path:
    """Where a test puts its snapshot."""
    return tmp_path / "snapshot.json"
