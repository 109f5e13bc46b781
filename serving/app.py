"""The ASGI app: routes, admission, prediction, and what is recorded about each request."""

import asyncio
import logging
import time
from datetime import UTC, datetime

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from serving import asgi
from serving.answering import BATCH_ROUTE, NOT_READY, OVERLOADED, TIMEOUT, Outcome, answer
from serving.asgi import BodyError, Disconnected, Receive, Scope, Send, encode, respond
from serving.metrics import Metrics
from serving.models import TOO_SLOW_INLINE_SECONDS, Choice, ModelRuntime, Plan
from serving.prediction_log import Logged, PredictionLog
from serving.request_log import Line, RequestLog
from serving.rollout import Rollout
from serving.shadowing import Shadows
from serving.validation import MAX_BODY_BYTES
from telemetry import names

log = logging.getLogger(__name__)

_ALLOW_POST = (b"allow", b"POST")


class _Prediction(msgspec.Struct):
    score: float
    predicted_class: str | None


class _One(msgspec.Struct):
    score: float
    predicted_class: str | None
    model_version: str
    role: str
    request_id: str


class _Batch(msgspec.Struct):
    predictions: list[_Prediction]
    model_version: str
    role: str
    request_id: str


class App:
    """The ASGI callable. Runs on one event loop; everything that can block runs elsewhere."""

    def __init__(
        self, rollout: Rollout, metrics: Metrics, request_log: RequestLog, prediction_log: PredictionLog
    ) -> None:
        self._rollout = rollout
        self._metrics = metrics
        self._request_log = request_log
        self._prediction_log = prediction_log
        self._shadows = Shadows(prediction_log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        if scope["type"] != "http":
            raise RuntimeError(f"serving speaks HTTP only, not {scope['type']}.")
        path: str = scope["path"]
        if path.startswith("/models/"):
            name, _, route = path.removeprefix("/models/").partition("/")
            if route in names.ROUTES:
                return await self._post(scope, receive, send, name, route)
        elif path == "/predict":
            runtimes = self._rollout.runtimes
            only = next(iter(runtimes)) if len(runtimes) == 1 else ""
            return await self._post(scope, receive, send, only, "predict")
        elif path == "/metrics":
            page = await asyncio.to_thread(self._metrics.render)
            return await respond(send, 200, page, (b"content-type", CONTENT_TYPE_LATEST.encode()))
        elif path == "/healthz":
            return await respond(send, 200, b'{"status":"ok"}')
        elif path == "/readyz":
            return await self._readyz(send)
        await respond(send, 404, _error("No such page: POST /models/<name>/predict or /models/<name>/predict_batch."))

    async def _readyz(self, send: Send) -> None:
        """Ready once starting is over and a model can answer. One bad model doesn't take a replica's others away."""
        state = self._rollout.state
        ready = state.settled and (len(state.waiting) < len(state.loaded) or not state.loaded)
        document = {"ready": ready, "snapshot": state.snapshot, "loaded": state.loaded, "errors": state.errors}
        await respond(send, 200 if ready else 503, encode(document))

    async def _post(self, scope: Scope, receive: Receive, send: Send, name: str, route: str) -> None:
        if scope["method"] != "POST":
            return await respond(send, 405, _error("Use POST."), _ALLOW_POST)
        runtime = self._rollout.runtimes.get(name)
        if runtime is None and not self._rollout.state.snapshot:
            return await respond(send, 503, _error("No serving snapshot has come yet: try again.", None, "not_ready"))
        if runtime is None:  # no metric and no name in the log: neither may hold what a caller typed
            message = "No such model is served here." if name else "More than one model, or none, is served here."
            return await respond(send, 404, _error(f"{message} POST /models/<name>/predict.", "model_name"))
        await self._predict(scope, receive, send, runtime, route)

    async def _predict(self, scope: Scope, receive: Receive, send: Send, runtime: ModelRuntime, route: str) -> None:
        started = time.perf_counter()
        request_id = asgi.request_id(scope)
        refused: Outcome | None = None
        body = b""
        try:
            body = await asgi.read_body(scope, receive, MAX_BODY_BYTES)
        except BodyError as error:
            refused = Outcome(error.status, names.INVALID_INPUT, str(error), "body")
        except Disconnected:
            return
        plan = runtime.plan  # from here on one plan, whatever the rollout does
        choice = plan.split.at(runtime.next_point()) if plan.split else None
        if choice is None:
            outcome = NOT_READY
        elif refused:
            outcome = refused
        elif runtime.in_flight >= plan.model.in_flight_limit:
            outcome = OVERLOADED
        else:
            outcome = await self._answer(runtime, plan, choice, route, body, started)
        seconds = time.perf_counter() - started
        self._count(plan, choice, route, outcome, seconds)
        self._write(plan, choice, route, outcome, seconds, request_id)
        await respond(
            send, outcome.status, _body(outcome, choice, route, request_id), (b"x-request-id", request_id.encode())
        )
        if choice and plan.shadows and outcome.inputs and outcome.scores:
            self._shadows.send(plan.shadows, route, request_id, outcome.inputs, outcome.scores)

    async def _answer(
        self, runtime: ModelRuntime, plan: Plan, choice: Choice, route: str, body: bytes, started: float
    ) -> Outcome:
        """Predict, on the loop or in a thread, within the model's time-out. The slot is held until the work ends."""
        version, limit = choice.version, plan.model.timeout_seconds
        runtime.in_flight += 1
        if version.inline and route != BATCH_ROUTE:
            try:
                # Lets the requests that arrived together be admitted, or refused, before the first of them is worked
                # on: without it a burst on the loop would be invisible to the limit, the gauge and the latency.
                await asyncio.sleep(0)
                begun = time.thread_time()  # not the clock: being kept waiting by other processes is not slowness
                outcome = answer(version, route, body)
            finally:
                runtime.in_flight -= 1
            busy = time.thread_time() - begun
            if busy > TOO_SLOW_INLINE_SECONDS and version.was_slow_inline():
                name = f"{plan.model.name}/{version.version}"
                log.warning("%s took %.0f ms on the event loop: threads from now on", name, busy * 1000)
            return TIMEOUT if time.perf_counter() - started > limit else outcome
        deadline = started + limit

        def work() -> Outcome:
            # Nobody waits any more for what stood in the queue too long: working on it would only delay the next ones.
            return answer(version, route, body) if time.perf_counter() < deadline else TIMEOUT

        future = asyncio.wrap_future(runtime.in_thread(version, work))
        future.add_done_callback(lambda _: _release(runtime))
        done, _ = await asyncio.wait({future}, timeout=max(0.0, deadline - time.perf_counter()))
        return future.result() if done else TIMEOUT

    def _count(self, plan: Plan, choice: Choice | None, route: str, outcome: Outcome, seconds: float) -> None:
        metrics = choice.metrics if choice else plan.unready_metrics
        if metrics is None:
            return
        counters = metrics.routes[route]
        if outcome.reason:
            counters.error.inc()
            counters.errors[outcome.reason].inc()
        else:
            counters.success.inc()
        if outcome.reason in ("", "model_error", "timeout"):
            # A refusal takes microseconds: counted here, a flood of them would hide how slow the model is.
            counters.latency.observe(seconds)
        if outcome.inputs is None:
            return
        metrics.inputs(outcome.inputs)
        if route == BATCH_ROUTE:
            metrics.batch_size.observe(len(outcome.inputs.rows))
        if outcome.scores is not None and outcome.classes is not None:
            metrics.answered(outcome.scores, outcome.classes)

    def _write(
        self, plan: Plan, choice: Choice | None, route: str, outcome: Outcome, seconds: float, request_id: str
    ) -> None:
        rows = len(outcome.inputs.rows) if outcome.inputs else 0
        version, role = (choice.version.version, choice.role) if choice else ("", "")
        self._request_log.write(
            Line(
                time=datetime.now(UTC),
                request_id=request_id,
                model=plan.model.name,
                version=version,
                role=role,
                route=route,
                rows=rows,
                status="error" if outcome.reason else "success",
                code=outcome.status,
                reason=outcome.reason,
                ms=round(seconds * 1000, 3),
            )
        )
        if outcome.fault is not None:
            # The type alone: a framework's message may quote the features.
            fault = type(outcome.fault).__name__
            log.warning("%s/%s failed on request %s: %s", plan.model.name, version, request_id, fault)
        if choice and outcome.inputs:
            empty: list[None] = [None] * rows
            self._prediction_log.append(
                Logged(
                    schema=choice.version.log_schema,
                    at=time.time(),
                    request_id=request_id,
                    route=route,
                    role=role,
                    rows=outcome.inputs.rows,
                    defaulted=outcome.inputs.defaulted,
                    scores=outcome.scores or empty,
                    classes=outcome.classes or empty,
                )
            )


def _release(runtime: ModelRuntime) -> None:
    runtime.in_flight -= 1


def _body(outcome: Outcome, choice: Choice | None, route: str, request_id: str) -> bytes:
    if choice is None or outcome.scores is None or outcome.classes is None:
        return _error(outcome.message, outcome.field, outcome.reason)
    version, role = choice.version.version, choice.role
    if route == BATCH_ROUTE:
        predictions = [_Prediction(s, c) for s, c in zip(outcome.scores, outcome.classes, strict=True)]
        return encode(_Batch(predictions, version, role, request_id))
    return encode(_One(outcome.scores[0], outcome.classes[0], version, role, request_id))


def _error(message: str, field: str | None = None, reason: str = names.INVALID_INPUT) -> bytes:
    return encode({"error": {"reason": reason, "message": message, "field": field}})
