"""What bounds a request: size, and how many at once on the event loop. Slow models are in test_slow_models.py."""

import signal
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from serving.validation import MAX_BATCH_ROWS, MAX_BODY_BYTES
from tests.serving.artifacts import model
from tests.serving.conftest import Artifacts
from tests.serving.running import Replica, write_snapshot


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory, made: Artifacts) -> Iterator[Replica]:
    """A quick model with room for two requests, and another one."""
    folder = tmp_path_factory.mktemp("replica")
    other = model(made.better, name="other", live="v2")
    write_snapshot(folder / "snapshot.json", model(made.good, name="quick", in_flight_limit=2), other)
    with Replica(folder, folder / "snapshot.json") as running:
        yield running


def errors(replica: Replica, name: str, reason: str) -> float:
    labels = {"model_name": name, "model_version": "v1", "route": "predict", "reason": reason}
    return replica.value("ml_inference_errors_total", **labels) or 0.0


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
