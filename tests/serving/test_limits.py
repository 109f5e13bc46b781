"""What bounds a request: size, time, and how many at once."""

import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.validation import MAX_BATCH_ROWS, MAX_BODY_BYTES
from telemetry.snapshot import SnapshotFeature
from tests.serving.artifacts import model
from tests.serving.conftest import Artifacts
from tests.serving.running import Replica, wait_until, write_snapshot

# x is how much work a row is, 8000 being about a second. The synthetic row has 0: the version looks fast until used.
WORK = (
    SnapshotFeature("x", "numeric", 0.0, 0.0, required=True),
    SnapshotFeature("y", "numeric", 0.0, 0.0, default=0.0),
)


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory, made: Artifacts) -> Iterator[Replica]:
    """A model whose requests say how long they take, and a quick one beside it."""
    folder = tmp_path_factory.mktemp("replica")
    write_snapshot(
        folder / "snapshot.json",
        model(made.slow, name="slow", live="v-slow", features=WORK, in_flight_limit=2, timeout_seconds=0.3),
        model(made.good, name="quick", in_flight_limit=2),
    )
    with Replica(folder, folder / "snapshot.json") as running:
        # A few slow calls on the loop move the version to threads, as they would in production.
        for _ in range(3):
            assert "threads from now on" not in running.stderr
            running.predict({"x": 1000}, path="/models/slow/predict")
        wait_until(lambda: "threads from now on" in running.stderr)
        yield running


def errors(replica: Replica, name: str, reason: str) -> float:
    labels = {"model_name": name, "route": "predict", "reason": reason}
    version = "v-slow" if name == "slow" else "v1"
    return replica.value("ml_inference_errors_total", **labels, model_version=version) or 0.0


def test_a_model_that_takes_too_long_is_answered_in_time_and_counted(replica: Replica) -> None:
    before = errors(replica, "slow", "timeout")
    started = time.monotonic()
    status, answer = replica.predict({"x": 8000}, path="/models/slow/predict")
    assert status == 504
    assert answer["error"]["reason"] == "timeout"
    assert time.monotonic() - started < 2
    assert errors(replica, "slow", "timeout") == before + 1
    # The slot stays taken until the work has really ended: time-outs can't pile up work without a bound.
    assert replica.value("ml_inference_in_flight", model_name="slow") == 1
    wait_until(lambda: replica.value("ml_inference_in_flight", model_name="slow") == 0)


def test_more_requests_than_the_limit_are_refused_at_once_and_others_models_do_not_notice(replica: Replica) -> None:
    before = errors(replica, "slow", "overloaded")
    with ThreadPoolExecutor(6) as pool:
        slow = [pool.submit(replica.predict, {"x": 8000}, path="/models/slow/predict") for _ in range(5)]
        wait_until(lambda: replica.value("ml_inference_in_flight", model_name="slow") == 2)
        started = time.monotonic()
        assert replica.predict(path="/models/quick/predict")[0] == 200
        assert replica.get("/healthz")[0] == 200
        assert time.monotonic() - started < 1
        answers = Counter(future.result()[1]["error"]["reason"] for future in slow)
    assert answers == {"timeout": 2, "overloaded": 3}
    assert errors(replica, "slow", "overloaded") == before + 3
    assert replica.value("ml_inference_in_flight_limit", model_name="slow") == 2
    wait_until(lambda: replica.value("ml_inference_in_flight", model_name="slow") == 0)
    assert replica.value("ml_inference_queue_depth", model_name="slow") == 0


def test_a_burst_on_a_fast_model_is_seen_by_the_limit_too(replica: Replica) -> None:
    before = errors(replica, "quick", "overloaded")
    connections = [replica.connect() for _ in range(16)]
    for connection in connections:
        assert replica.predict(connection=connection, path="/models/quick/predict")[0] == 200
    replica.process.send_signal(signal.SIGSTOP)  # so that all have come when it looks
    try:
        for connection in connections:
            connection.request("POST", "/models/quick/predict", b'{"features": {"x": 1}}')
    finally:
        replica.process.send_signal(signal.SIGCONT)
    answers: Counter[int] = Counter()
    for connection in connections:
        answers[connection.getresponse().status] += 1
        connection.close()
    assert answers[200] + answers[503] == 16
    assert answers[200] >= 2
    assert answers[503] >= 8, "a burst must not queue up on the loop unseen"
    assert errors(replica, "quick", "overloaded") == before + answers[503]
    assert replica.value("ml_inference_in_flight", model_name="quick") == 0


def test_a_body_that_is_too_large_is_refused_before_it_is_read(replica: Replica) -> None:
    with socket.create_connection(("127.0.0.1", replica.port), timeout=10) as connection:
        head = f"POST /models/quick/predict HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")
    assert errors(replica, "quick", "invalid_input") >= 1


def test_a_body_without_an_announced_length_is_bounded_too(replica: Replica) -> None:
    with socket.create_connection(("127.0.0.1", replica.port), timeout=10) as connection:
        connection.sendall(b"POST /models/quick/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n%s\r\n" % (65536, b"x" * 65536)
        try:
            for _ in range(MAX_BODY_BYTES // 65536 + 2):
                connection.sendall(chunk)
        except OSError:
            pass  # it has answered and closed already
        else:
            assert connection.recv(1000).startswith(b"HTTP/1.1 413")
    assert replica.predict(path="/models/quick/predict")[0] == 200


def test_a_batch_larger_than_the_limit_is_refused(replica: Replica) -> None:
    rows = [{"x": 1}] * (MAX_BATCH_ROWS + 1)
    status, answer = replica.predict(path="/models/quick/predict_batch", body={"rows": rows})
    assert status == 400
    assert answer["error"]["field"] == "rows"
    assert replica.predict(path="/models/quick/predict_batch", body={"rows": rows[1:]})[0] == 200


def test_a_caller_that_goes_away_mid_body_leaves_nothing_behind(replica: Replica) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", replica.port), timeout=10) as connection:
            connection.sendall(b'POST /models/quick/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"fea')
    assert replica.predict(path="/models/quick/predict")[0] == 200
    assert replica.value("ml_inference_in_flight", model_name="quick") == 0
    assert "Traceback" not in replica.stderr


def test_only_post_predicts_and_predict_alone_needs_a_single_model(replica: Replica) -> None:
    assert replica.get("/models/quick/predict")[0] == 405
    assert replica.predict(path="/predict")[0] == 404
    assert replica.get("/nowhere")[0] == 404
