"""A running replica follows its snapshot: shares, shifts, and versions that don't deserve traffic."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.snapshot import SnapshotModel, SnapshotVersion
from tests.serving.artifacts import model
from tests.serving.conftest import Artifacts
from tests.serving.running import Replica, wait_until, write_snapshot


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory, made: Artifacts) -> Iterator[Replica]:
    """One replica for the module."""
    folder = tmp_path_factory.mktemp("replica")
    write_snapshot(folder / "snapshot.json", model(made.good))
    with Replica(folder, folder / "snapshot.json") as running:
        yield running


def serve(replica: Replica, *models: SnapshotModel) -> str:
    """Hand `models` to the replica, wait until it has taken the snapshot in; its hash."""
    snapshot = write_snapshot(replica.folder / "snapshot.json", *models)
    wait_until(lambda: replica.value("ml_serving_snapshot_info", snapshot=snapshot.hash) == 1)
    return snapshot.hash


def split(made: Artifacts, percent: int) -> SnapshotModel:
    return model(made.good, made.better, canary="v2", canary_percent=percent)


def weights(replica: Replica) -> dict[tuple[str, str], float]:
    return {
        (labels["model_version"], labels["role"]): value
        for (name, pairs), value in replica.samples().items()
        if name == "ml_model_traffic_weight" and (labels := dict(pairs))
    }


def answered_by(replica: Replica, requests: int) -> Counter[str]:
    connection = replica.connect()
    versions: Counter[str] = Counter()
    for _ in range(requests):
        status, answer = replica.predict(connection=connection)
        assert status == 200, answer
        versions[answer["model_version"]] += 1
    connection.close()
    return versions


@pytest.mark.parametrize("percent", [5, 20])
def test_two_thousand_requests_are_split_within_three_points(replica: Replica, made: Artifacts, percent: int) -> None:
    serve(replica, split(made, percent))
    wait_until(lambda: ("v2", "canary") in weights(replica))
    counted = answered_by(replica, 2000)
    assert abs(counted["v2"] / 2000 - percent / 100) < 0.03
    assert weights(replica) == {("v1", "live"): 1 - percent / 100, ("v2", "canary"): percent / 100}


def test_an_answer_names_its_version_role_and_request(replica: Replica, made: Artifacts) -> None:
    serve(replica, model(made.good))
    status, answer = replica.predict(headers={"X-Request-ID": "order-17"}, path="/models/claims-risk/predict")
    assert status == 200
    assert answer.pop("score") == pytest.approx(0.25)
    assert answer == {"predicted_class": "no", "model_version": "v1", "role": "live", "request_id": "order-17"}


def test_a_batch_is_answered_by_one_version(replica: Replica, made: Artifacts) -> None:
    serve(replica, model(made.good))
    status, answer = replica.predict(
        path="/models/claims-risk/predict_batch", body={"rows": [{"x": 1, "y": 2}, {"x": 3}]}
    )
    assert status == 200
    assert [p["predicted_class"] for p in answer["predictions"]] == ["no", "no"]
    assert (answer["model_version"], answer["role"]) == ("v1", "live")


def test_rolling_back_shifts_the_traffic_of_a_running_replica_within_three_seconds(
    tmp_path: Path, made: Artifacts
) -> None:
    write_snapshot(tmp_path / "snapshot.json", split(made, 50))
    with Replica(tmp_path, tmp_path / "snapshot.json", "--poll-seconds", "1") as replica:  # the default
        wait_until(lambda: ("v2", "canary") in weights(replica))
        assert answered_by(replica, 20)["v2"] > 5
        started = time.monotonic()
        write_snapshot(tmp_path / "snapshot.json", model(made.good, made.better))
        wait_until(lambda: answered_by(replica, 20)["v2"] == 0, 3)
        assert time.monotonic() - started < 3
        assert answered_by(replica, 200) == {"v1": 200}
        assert weights(replica) == {("v1", "live"): 1.0}


def test_promoting_swaps_live_and_drops_what_left_the_snapshot(replica: Replica, made: Artifacts) -> None:
    serve(replica, split(made, 10))
    wait_until(lambda: ("v2", "canary") in weights(replica))
    serve(replica, model(made.better, live="v2"))
    assert answered_by(replica, 50) == {"v2": 50}
    left = {dict(labels)["model_version"] for (_, labels) in replica.samples() if "model_version" in dict(labels)}
    assert left == {"v2"}


@pytest.mark.parametrize("bad", ["wrong_hash", "garbage", "not_a_number"])
def test_a_bad_canary_gets_no_traffic_and_live_keeps_all_of_it(replica: Replica, made: Artifacts, bad: str) -> None:
    version: SnapshotVersion = getattr(made, bad)
    serve(replica, model(made.good))
    serve(replica, model(made.good, version, canary=version.version, canary_percent=50))
    wait_until(lambda: f"claims-risk/{version.version}" in replica.get("/readyz")[1])
    assert answered_by(replica, 100) == {"v1": 100}
    assert weights(replica) == {("v1", "live"): 1.0}
    assert replica.get("/readyz")[0] == 200
    assert f"claims-risk/{version.version} is not served" in replica.stderr


@pytest.mark.parametrize("bad", ["wrong_hash", "garbage", "not_a_number"])
def test_a_bad_live_version_never_replaces_the_good_one(replica: Replica, made: Artifacts, bad: str) -> None:
    version: SnapshotVersion = getattr(made, bad)
    serve(replica, model(made.good))
    serve(replica, model(version, live=version.version))
    wait_until(lambda: f"claims-risk/{version.version}" in replica.get("/readyz")[1])
    assert answered_by(replica, 100) == {"v1": 100}
    # What really answers is what the metrics say, although the snapshot no longer names it.
    assert weights(replica) == {("v1", "live"): 1.0}
    assert replica.value("ml_model_info", model_name="claims-risk", model_version="v1", framework="onnx") == 1


def test_traffic_never_stops_while_versions_come_and_go(replica: Replica, made: Artifacts) -> None:
    serve(replica, model(made.good))
    seen: Counter[str] = Counter()
    for wanted in (split(made, 50), model(made.better, live="v2"), model(made.third, live="v3"), model(made.good)):
        write_snapshot(replica.folder / "snapshot.json", wanted)
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            seen += answered_by(replica, 20)  # asserts that each is answered
    assert set(seen) == {"v1", "v2", "v3"}


def test_a_slow_load_of_one_model_does_not_hold_up_the_roll_back_of_another(replica: Replica, made: Artifacts) -> None:
    other = model(made.third, name="slow-to-load", live="v3")
    serve(replica, split(made, 50), other)
    wait_until(lambda: ("v2", "canary") in weights(replica))
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes the connection and never answers
        hangs = SnapshotVersion("v9", "onnx", f"http://127.0.0.1:{mute.getsockname()[1]}/artifact", "1" * 64)
        serve(replica, model(made.good, made.better), model(made.third, hangs, name="slow-to-load", live="v9"))
        wait_until(lambda: ("v2", "canary") not in weights(replica), 3)
        for _ in range(20):
            assert replica.predict(path="/models/claims-risk/predict")[1]["model_version"] == "v1"
        assert replica.predict(path="/models/slow-to-load/predict")[1]["model_version"] == "v3"


def test_a_snapshot_that_cannot_be_used_changes_nothing_and_is_named(replica: Replica, made: Artifacts) -> None:
    serve(replica, model(made.good))
    for text, said in [
        ("{", "not JSON"),
        ('{"schema":1,"models":[{"name":"../../etc"}]}', "lacks or misspells"),
        (write_snapshot(replica.folder / "other.json", model(made.good, name="../etc")).text, "can't be a name"),
        (write_snapshot(replica.folder / "other.json", model(made.good, live="v7")).text, "live is 'v7'"),
    ]:
        (replica.folder / "snapshot.json").write_text(text)
        wait_until(lambda said=said: said in replica.stderr)
        assert answered_by(replica, 5) == {"v1": 5}
    wait_until(lambda: (replica.value("ml_serving_snapshot_age_seconds") or 0) > 1)


def test_a_shadow_sees_traffic_but_answers_none_of_it(replica: Replica, made: Artifacts) -> None:
    serve(replica, model(made.good, made.better, shadows=("v2",)))
    wait_until(lambda: ("v2", "shadow") in weights(replica))
    assert answered_by(replica, 50) == {"v1": 50}
    assert weights(replica) == {("v1", "live"): 1.0, ("v2", "shadow"): 0.0}
    labels = {"model_name": "claims-risk", "model_version": "v2"}
    wait_until(lambda: replica.value("ml_shadow_score_difference_count", **labels) == 50)
    assert replica.value("ml_shadow_score_difference_sum", **labels) == pytest.approx(25.0)
    assert replica.value("ml_inference_requests_total", **labels, route="predict", status="success") == 0
