"""Models that are slow, hang or fail: the app driven through ASGI with predictors that behave so on command."""

import asyncio
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from serving.app import App
from serving.artifacts import ArtifactStore
from serving.loaders.predictor import Classes, Row, Scores
from serving.metrics import Metrics
from serving.models import TOO_SLOW_CALLS, TOO_SLOW_INLINE_SECONDS, Choice, LoadedVersion, ModelRuntime, Plan, load_key
from serving.prediction_log import PredictionLog
from serving.request_log import RequestLog
from serving.rollout import Rollout, RolloutState
from serving.routing import Split
from telemetry.snapshot import SnapshotVersion
from tests.serving.artifacts import model


class Predictor:
    """Sleeps for x seconds; for x below 0 keeps the processor busy for as long. Counts what it took up."""

    def __init__(self) -> None:
        self.taken_up = 0
        self.threads: set[str] = set()
        self._lock = threading.Lock()

    def predict(self, rows: Sequence[Row]) -> tuple[Scores, Classes]:
        with self._lock:
            self.taken_up += 1
            self.threads.add(threading.current_thread().name)
        seconds = float(rows[0][0] or 0)
        until = time.thread_time() - seconds
        while time.thread_time() < until:
            pass
        time.sleep(max(0.0, seconds))
        return [0.5] * len(rows), ["yes"] * len(rows)


class Served:
    """An app with one model on one predictor."""

    def __init__(self, folder: Path, predictor: Any, fast: bool = False, limit: int = 64, timeout: float = 5.0) -> None:
        version = SnapshotVersion("v1", "onnx", "/nowhere", "0" * 64)
        self.model = model(version, in_flight_limit=limit, timeout_seconds=timeout)
        self.metrics = Metrics()
        self.version = LoadedVersion(load_key(self.model, version), self.model, predictor, 0.0 if fast else 1.0)
        choice = Choice(self.version, "live", self.metrics.version(self.model, "v1"))
        self.runtime = ModelRuntime(Plan(self.model, Split([(choice, 1.0)]), None, ((choice, 1.0),)))
        rollout = Rollout(ArtifactStore(folder), self.metrics)
        rollout.runtimes = {"claims-risk": self.runtime}
        rollout.state = RolloutState("hash", {"claims-risk": ("v1",)}, {}, True, ())
        self.log = PredictionLog(folder / "predictions", "r1")
        self.app = App(rollout, self.metrics, RequestLog(io.BytesIO()), self.log)

    async def post(self, x: float, path: str = "/predict", body: Any = None) -> tuple[int, dict[str, Any]]:
        """One request; its status and JSON."""
        sent: list[dict[str, Any]] = []
        raw = json.dumps(body or {"features": {"x": x}}).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "path": path, "method": "POST", "headers": []}
        await self.app(scope, receive, send)  # type: ignore[arg-type]
        return sent[0]["status"], json.loads(sent[1]["body"])

    async def reasons(self, *waits: float) -> Counter[str]:
        """Requests that arrive together, counted by what became of them."""
        answers = await asyncio.gather(*(self.post(x) for x in waits))
        return Counter(answer.get("error", {}).get("reason", "success") for _, answer in answers)

    async def idle(self) -> None:
        """Wait until nothing is in flight."""
        while self.runtime.in_flight:
            await asyncio.sleep(0.01)

    def counted(self, reason: str) -> float:
        return self.runtime.plan.split.at(0).metrics.routes["predict"].errors[reason]._value.get()  # type: ignore[union-attr]


@pytest.fixture
def predictor() -> Predictor:
    return Predictor()


def test_a_model_that_takes_too_long_is_answered_in_time_and_holds_its_place_until_it_ends(
    tmp_path: Path, predictor: Predictor
) -> None:
    served = Served(tmp_path, predictor, timeout=0.1)

    async def run() -> None:
        started = time.monotonic()
        status, answer = await served.post(0.6)
        assert (status, answer["error"]["reason"]) == (504, "timeout")
        assert time.monotonic() - started < 0.5
        assert served.runtime.in_flight == 1, "time-outs must not pile up work without a bound"
        await served.idle()
        assert time.monotonic() - started >= 0.6

    asyncio.run(run())
    assert served.counted("timeout") == 1


def test_more_requests_than_the_limit_are_refused_at_once(tmp_path: Path, predictor: Predictor) -> None:
    served = Served(tmp_path, predictor, limit=3)
    assert asyncio.run(served.reasons(*[0.2] * 8)) == {"success": 3, "overloaded": 5}
    assert served.counted("overloaded") == 5
    assert served.runtime.in_flight == served.runtime.waiting == 0


def test_what_waited_too_long_for_a_thread_is_not_worked_on_for_nobody(tmp_path: Path, predictor: Predictor) -> None:
    served = Served(tmp_path, predictor, timeout=0.1)

    async def run() -> None:
        assert await served.reasons(*[0.3] * 30) == {"timeout": 30}
        assert served.runtime.waiting == 26
        started = time.monotonic()
        await served.idle()
        assert time.monotonic() - started < 1

    asyncio.run(run())
    assert predictor.taken_up == 4, "one for each thread; 26 were given up"


def test_a_slow_model_leaves_the_event_loop_free(tmp_path: Path, predictor: Predictor) -> None:
    served = Served(tmp_path, predictor)

    async def run() -> None:
        slow = asyncio.create_task(served.post(0.5))
        started = time.monotonic()
        await asyncio.sleep(0.01)
        assert time.monotonic() - started < 0.3
        assert (await slow)[0] == 200

    asyncio.run(run())


def test_a_fast_model_runs_on_the_loop_until_it_turns_out_slow(tmp_path: Path, predictor: Predictor) -> None:
    served = Served(tmp_path, predictor, fast=True)
    here = threading.current_thread().name

    async def run() -> None:
        await served.post(0)
        assert predictor.threads == {here}
        for _ in range(TOO_SLOW_CALLS):
            assert served.version.inline
            await served.post(-TOO_SLOW_INLINE_SECONDS * 1.2)
        assert not served.version.inline
        predictor.threads.clear()
        await served.post(0)
        assert here not in predictor.threads

    asyncio.run(run())


def test_being_kept_waiting_by_others_does_not_make_a_version_slow(tmp_path: Path, predictor: Predictor) -> None:
    served = Served(tmp_path, predictor, fast=True)
    asyncio.run(
        served.reasons(*[TOO_SLOW_INLINE_SECONDS * 1.5] * (TOO_SLOW_CALLS + 1))
    )  # the clock runs, the processor not
    assert served.version.inline


def test_batches_never_hold_up_the_loop(tmp_path: Path, predictor: Predictor) -> None:
    served = Served(tmp_path, predictor, fast=True)
    rows = {"rows": [{"x": 0}, {"x": 0}]}
    status, answer = asyncio.run(served.post(0, "/models/claims-risk/predict_batch", rows))
    assert status == 200
    assert len(answer["predictions"]) == 2
    assert threading.current_thread().name not in predictor.threads


@pytest.mark.parametrize("fast", [True, False], ids=["on the loop", "in threads"])
@pytest.mark.parametrize("outcome", [ValueError("income is 52.5"), ([float("nan")], ["yes"]), ([], [])], ids=str)
def test_a_model_that_fails_is_a_model_error_that_repeats_no_input(
    tmp_path: Path, outcome: Any, fast: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        def predict(self, rows: Sequence[Row]) -> Any:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

    served = Served(tmp_path, Failing(), fast=fast)
    status, answer = asyncio.run(served.post(52.5))
    assert (status, answer["error"]["reason"]) == (500, "model_error")
    assert "52.5" not in str(answer) + caplog.text
    assert served.counted("model_error") == 1
    assert served.runtime.in_flight == 0
    served.log.flush()
    assert len(list((tmp_path / "predictions").rglob("*.parquet"))) == 1, "its input is what one wants to look at"
