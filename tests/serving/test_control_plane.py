"""A replica and the control plane's URLs: token, ETag, heartbeats, and life without them (invariant 5)."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.snapshot import ServingSnapshot, SnapshotVersion
from tests.serving.artifacts import model
from tests.serving.conftest import Artifacts
from tests.serving.running import ControlPlane, Replica, wait_until

TOKEN = "t0p-secret-token"


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    with ControlPlane(TOKEN) as running:
        yield running


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


def by_url(version: SnapshotVersion, plane: ControlPlane) -> SnapshotVersion:
    """The same version, its artifact to be downloaded from the control plane."""
    plane.artifacts[version.version] = Path(version.artifact).read_bytes()
    return SnapshotVersion(version.version, version.framework, plane.artifact_url(version.version), version.sha256)


def test_a_replica_outlives_the_control_plane_restarts_without_it_and_follows_it_again(
    tmp_path: Path, plane: ControlPlane, token_file: Path, made: Artifacts
) -> None:
    good, better = by_url(made.good, plane), by_url(made.better, plane)
    plane.snapshot = ServingSnapshot((model(good, better, canary="v2", canary_percent=50),))
    with Replica(tmp_path / "r", plane.url, "--token-file", str(token_file)) as replica:
        wait_until(lambda: plane.not_modified > 2)
        assert (replica.value("ml_serving_snapshot_age_seconds") or 0) < 2

        plane.stop()
        wait_until(lambda: (replica.value("ml_serving_snapshot_age_seconds") or 0) > 1)
        assert {replica.predict()[1]["model_version"] for _ in range(20)} == {"v1", "v2"}

        replica.stop()
        replica.start()  # nothing but its own disk to start from
        assert {replica.predict()[1]["model_version"] for _ in range(20)} == {"v1", "v2"}
        assert (replica.value("ml_serving_snapshot_age_seconds") or 0) > 1
        assert replica.value("ml_serving_snapshot_info", snapshot=plane.snapshot.hash) == 1

        plane.snapshot = ServingSnapshot((model(good),))
        plane.start()
        wait_until(lambda: replica.value("ml_serving_snapshot_info", snapshot=plane.snapshot.hash) == 1)
        assert {replica.predict()[1]["model_version"] for _ in range(20)} == {"v1"}


def test_heartbeats_tell_what_is_loaded_and_why_something_is_not(
    tmp_path: Path, plane: ControlPlane, token_file: Path, made: Artifacts
) -> None:
    plane.snapshot = ServingSnapshot((model(made.good, made.garbage, canary="v-garbage", canary_percent=10),))
    arguments = ("--token-file", str(token_file), "--advertise", "serving.example:9000")
    with Replica(tmp_path / "r", plane.url, *arguments) as replica:
        beat = wait_until(
            lambda: next((b for b in plane.heartbeats if b["errors"] and b["loaded"]["claims-risk"]), None)
        )
        assert beat["replica"] == "r1"
        assert beat["address"] == "serving.example:9000"
        assert beat["started_at"].endswith("+00:00")
        assert beat["snapshot"] == plane.snapshot.hash
        assert beat["loaded"] == {"claims-risk": ["v1"]}
        assert list(beat["errors"]) == ["claims-risk/v-garbage"]
        assert "not an ONNX file" in beat["errors"]["claims-risk/v-garbage"]

        plane.snapshot = ServingSnapshot((model(made.good, made.better),))
        changed = time.monotonic()
        wait_until(lambda: plane.heartbeats[-1]["loaded"] == {"claims-risk": ["v1", "v2"]})
        assert time.monotonic() - changed < 3, "a change is told at once, not at the next regular heartbeat"
        assert TOKEN not in replica.stderr + (replica.folder / "stdout").read_text() + replica.get("/metrics")[1]


def test_a_wrong_token_is_said_and_leaves_what_is_served_alone(
    tmp_path: Path, plane: ControlPlane, token_file: Path, made: Artifacts
) -> None:
    plane.snapshot = ServingSnapshot((model(made.good),))
    token_file.write_text("wrong")
    with Replica(tmp_path / "r", plane.url, "--token-file", str(token_file), ready=False) as replica:
        wait_until(lambda: "answered 401: check the token in --token-file" in replica.stderr)
        assert replica.get("/healthz")[0] == 200
        assert replica.get("/readyz")[0] == 503
        assert replica.predict()[1]["error"]["reason"] == "not_ready"
        token_file.write_text(TOKEN)  # replacing the file is enough
        wait_until(lambda: replica.get("/readyz")[0] == 200)
        token_file.write_text("wrong again")
        wait_until(lambda: (replica.value("ml_serving_snapshot_age_seconds") or 0) > 1)
        assert replica.predict()[0] == 200


def test_a_control_plane_that_hangs_does_not_slow_requests(
    tmp_path: Path, plane: ControlPlane, token_file: Path, made: Artifacts
) -> None:
    plane.snapshot = ServingSnapshot((model(made.good),))
    with Replica(tmp_path / "r", plane.url, "--token-file", str(token_file)) as replica:
        plane.delay = 30
        wait_until(lambda: (replica.value("ml_serving_snapshot_age_seconds") or 0) > 0.5)
        connection = replica.connect()
        started = time.monotonic()
        for _ in range(100):
            assert replica.predict(connection=connection)[0] == 200
        assert time.monotonic() - started < 2
        ended = time.monotonic()
        assert replica.stop() == 0
        assert time.monotonic() - ended < 2, "ending does not wait for a request to the control plane"


def test_artifacts_are_fetched_without_the_serving_token(
    tmp_path: Path, plane: ControlPlane, token_file: Path, made: Artifacts
) -> None:
    plane.snapshot = ServingSnapshot((model(by_url(made.good, plane)),))
    with Replica(tmp_path / "r", plane.url, "--token-file", str(token_file)) as replica:
        assert replica.predict()[0] == 200
        assert [h.get("Authorization") for h in plane.artifact_headers] == [None]
