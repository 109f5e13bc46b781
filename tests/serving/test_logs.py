"""The request log and the prediction log: what they hold, and that no disk or reader can hold requests up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from serving.prediction_log import Logged, LogSchema, PredictionLog
from serving.request_log import Line, RequestLog
from telemetry import predictions
from telemetry.snapshot import SnapshotFeature
from tests.serving.artifacts import MIXED, model
from tests.serving.conftest import Artifacts
from tests.serving.running import ROOT, Replica, wait_until, write_snapshot

FEATURES = (
    SnapshotFeature("x", "numeric", 0.0, 10.0, required=True),
    SnapshotFeature('y "é', "numeric", 0.0, 10.0),
    SnapshotFeature("z'", "categorical", default="none"),
)


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory, made: Artifacts) -> Iterator[Replica]:
    """scikit-learn, categories and a canary."""
    folder = tmp_path_factory.mktemp("replica")
    write_snapshot(folder / "snapshot.json", model(made.mixed, features=MIXED))
    with Replica(folder, folder / "snapshot.json") as running:
        yield running


def logged(root: Path) -> list[dict[str, Any]]:
    """The prediction log as DuckDB reads it, oldest first."""
    if not list(root.rglob("*.parquet")):
        return []
    query = "SELECT * FROM read_parquet($files, hive_partitioning = true, union_by_name = true) ORDER BY timestamp, row"
    with duckdb.connect() as connection:
        return connection.sql(query, params={"files": f"{root}/**/*.parquet"}).to_arrow_table().to_pylist()


def row(schema: LogSchema, values: list[Any], at: float | None = None, **more: Any) -> Logged:
    return Logged(
        schema=schema,
        at=time.time() if at is None else at,
        request_id=more.get("request_id", "r"),
        route="predict",
        role="live",
        rows=[values],
        defaulted=[more.get("defaulted", [])],
        scores=[more.get("score", 0.5)],
        classes=[more.get("predicted_class", "yes")],
    )


def test_every_prediction_is_in_the_log_within_seconds_with_its_features(replica: Replica) -> None:
    replica.predict({"income": 190, "zip code": "b"}, headers={"X-Request-ID": "first"})
    batch = {"rows": [{"income": 5}, {"income": 7, "zip code": "elsewhere"}]}
    replica.predict(path="/models/claims-risk/predict_batch", body=batch, headers={"X-Request-ID": "second"})
    rows = wait_until(lambda: len(found := logged(replica.predictions)) == 3 and found, 6)
    first, second, third = rows
    assert (first["request_id"], first["row"], first["route"], first["role"]) == ("first", 0, "predict", "live")
    assert (first["feature:income"], first["feature:zip code"], first["defaulted"]) == (190.0, "b", [])
    assert first["predicted_class"] == "yes" and first["score"] > 0.9
    assert abs((datetime.now(UTC) - first["timestamp"]).total_seconds()) < 20
    assert (second["request_id"], second["row"], second["route"]) == ("second", 0, "predict_batch")
    assert (second["feature:zip code"], second["defaulted"]) == ("a", ["zip code"])
    assert (third["row"], third["feature:zip code"]) == (1, "elsewhere")
    folder = predictions.hour_folder(replica.predictions, "claims-risk", "v1", first["timestamp"])
    assert list(folder.glob("r1-*.parquet"))


def test_refused_requests_are_not_predictions(replica: Replica) -> None:
    before = len(logged(replica.predictions))
    replica.predict({"income": "much"})
    replica.predict({"income": 3}, headers={"X-Request-ID": "after-the-refusal"})
    wait_until(lambda: len(logged(replica.predictions)) > before, 6)
    assert len(logged(replica.predictions)) == before + 1


def test_the_request_log_names_everything_but_the_features(replica: Replica) -> None:
    replica.predict({"income": 123.456, "zip code": "confidential"}, headers={"X-Request-ID": "ok-1"})
    replica.predict({"income": "secret-income"}, headers={"X-Request-ID": "bad-1"})
    replica.predict({"income": 1, "secret-name": 1}, headers={"X-Request-ID": "bad-2"})
    replica.predict({"income": 1}, headers={"X-Request-ID": 'forged","status":"x'})
    wait_until(lambda: any(line["request_id"] == "bad-2" for line in replica.stdout) and len(replica.stdout) > 3)
    lines = {line["request_id"]: line for line in replica.stdout}
    good, bad = lines["ok-1"], lines["bad-1"]
    assert set(good) == {
        "time", "request_id", "model", "version", "role", "route", "rows", "status", "code", "reason", "ms",
    }  # fmt: skip
    assert (good["model"], good["version"], good["role"], good["route"]) == ("claims-risk", "v1", "live", "predict")
    assert (good["status"], good["code"], good["reason"], good["rows"]) == ("success", 200, "", 1)
    assert good["ms"] > 0
    assert (bad["status"], bad["code"], bad["reason"]) == ("error", 400, "invalid_input")
    everything = (replica.folder / "stdout").read_text() + replica.stderr
    for secret in ("123.456", "confidential", "secret-income", "secret-name", "forged"):
        assert secret not in everything


def test_ending_writes_what_waits(tmp_path: Path, made: Artifacts) -> None:
    write_snapshot(tmp_path / "snapshot.json", model(made.good))
    with Replica(tmp_path, tmp_path / "snapshot.json") as replica:
        for number in range(25):
            replica.predict(headers={"X-Request-ID": f"n-{number}"})
        assert replica.stop() == 0
    assert {r["request_id"] for r in logged(replica.predictions)} == {f"n-{n}" for n in range(25)}
    assert len(replica.stdout) == 25


def test_a_prediction_log_that_cannot_be_written_fails_no_request_and_catches_up(
    tmp_path: Path, made: Artifacts
) -> None:
    in_the_way = tmp_path / "predictions"
    in_the_way.write_text("a file where the folder should be: root too is refused here")
    write_snapshot(tmp_path / "snapshot.json", model(made.good))
    with Replica(tmp_path, tmp_path / "snapshot.json") as replica:
        connection = replica.connect()
        replica.predict(connection=connection)
        wait_until(lambda: "The prediction log can't be written" in replica.stderr)
        started = time.monotonic()
        for _ in range(200):
            assert replica.predict(connection=connection)[0] == 200
        assert time.monotonic() - started < 4
        in_the_way.unlink()
        wait_until(lambda: len(logged(in_the_way)) == 201)


def test_a_reader_that_stops_reading_the_request_log_stops_no_request(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        log = RequestLog(stream, capacity=5_000)
        log.start()
        started = time.monotonic()
        for _ in range(20_000):  # a pipe holds a few hundred
            log.write(Line(datetime.now(UTC), "r", "m", "v1", "live", "predict", 1, "success", 200, "", 1.0))
        assert time.monotonic() - started < 1
        assert log.dropped > 10_000
        os.close(reading)  # the writing thread gets EPIPE and ends
        log.stop()


def test_a_disk_that_hangs_costs_rows_never_time(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "r1", capacity=100)  # never started: nothing is ever written
    schema = LogSchema(model(features=FEATURES), "v1")
    for _ in range(150):
        log.append(row(schema, [1.0, 2.0, "a"]))
    assert log.dropped == 50
    log.flush()
    assert len(logged(tmp_path)) == 100
    log.append(row(schema, [1.0, 2.0, "a"]))
    log.flush()
    assert len(logged(tmp_path)) == 101


def test_missing_values_are_null_defaults_are_named_and_failed_predictions_have_no_score(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "r1")
    schema = LogSchema(model(features=FEATURES), "v1")
    log.append(row(schema, [1.0, float("nan"), "none"], defaulted=["z'"], score=None, predicted_class=None))
    log.flush()
    (found,) = logged(tmp_path)
    assert found['feature:y "é'] is None
    assert (found["feature:z'"], found["defaulted"]) == ("none", ["z'"])
    assert (found["score"], found["predicted_class"]) == (None, None)


def test_rows_go_to_the_hour_in_which_they_were_answered(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "r1")
    schema = LogSchema(model(features=FEATURES), "v1")
    late, early = datetime(2026, 3, 1, 9, 59, 59, 999_999, UTC), datetime(2026, 3, 1, 10, 0, 0, 0, UTC)
    for at in (late, early):
        log.append(row(schema, [1.0, 2.0, "a"], at=at.timestamp(), request_id=at.strftime("%H")))
    log.flush()
    for at in (late, early):
        folder = predictions.hour_folder(tmp_path, "claims-risk", "v1", at)
        assert [r["request_id"] for r in logged(folder)] == [at.strftime("%H")]
        assert [r["timestamp"] for r in logged(folder)] == [at]


def test_the_schema_is_the_vocabularys(tmp_path: Path) -> None:
    schema = LogSchema(model(features=FEATURES), "v1").arrow
    assert tuple(schema.names[: len(predictions.OWN_COLUMNS)]) == predictions.OWN_COLUMNS
    assert schema.names[len(predictions.OWN_COLUMNS) :] == [predictions.feature_column(f.name) for f in FEATURES]
    assert str(schema.field(predictions.TIMESTAMP).type) == "timestamp[us, tz=UTC]"
    assert [str(schema.field(predictions.feature_column(f.name)).type) for f in FEATURES] == [
        "double", "double", "string",
    ]  # fmt: skip


_WRITER = """
import sys, time
from pathlib import Path
from serving.prediction_log import Logged, LogSchema, PredictionLog
from telemetry.snapshot import SnapshotFeature, SnapshotModel
log = PredictionLog(Path(sys.argv[1]), "r1")
features = SnapshotFeature("x", "numeric"), SnapshotFeature("y", "numeric")
schema = LogSchema(SnapshotModel("m", "regression", (), features, (), None), "v1")
rows = [[float(i), i / 3] for i in range(5000)]
while True:
    n = len(rows)
    log.append(Logged(schema, time.time(), "r", "predict", "live", rows, [[]] * n, [0.5] * n, ["yes"] * n))
    log.flush()
    print("flushed", flush=True)
"""


def test_a_kill_at_any_instant_leaves_no_half_file_for_a_reader(tmp_path: Path) -> None:
    for attempt in range(3):
        arguments = [sys.executable, "-c", _WRITER, str(tmp_path)]
        with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            for _ in range(3):
                assert writer.stdout.readline() == "flushed\n"
            time.sleep(attempt * 0.013)
            writer.send_signal(signal.SIGKILL)
    files = list(tmp_path.rglob("*.parquet"))
    assert len(files) >= 9
    for file in files:
        assert pq.read_table(file).num_rows == 5_000
    assert len({file.name for file in files}) == len(files), "a restart never reuses a name"


def test_what_a_killed_replica_left_half_written_is_removed_by_its_successor_alone(tmp_path: Path) -> None:
    folder = tmp_path / "model=m" / "version=v1" / "hour=2026-03-01T09"
    folder.mkdir(parents=True)
    left, of_another = folder / ".r1-abcd_123.tmp", folder / ".r1-2-abcd_123.tmp"
    left.touch()
    of_another.touch()
    log = PredictionLog(tmp_path, "r1")
    log.start()
    log.stop()
    assert not left.exists()
    assert of_another.exists()


@pytest.mark.parametrize("replica_name", ["", "../r1", "a/b", "r*", "x" * 200])
def test_a_replicas_name_can_never_become_a_path(tmp_path: Path, replica_name: str) -> None:
    with pytest.raises(ValueError, match="can't name a replica"):
        PredictionLog(tmp_path, replica_name)
