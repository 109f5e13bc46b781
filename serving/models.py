"""What is loaded, and the plan by which a model's requests are answered. Plans are replaced whole, never changed."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from serving.loaders.predictor import Predictor
from serving.metrics import VersionMetrics
from serving.prediction_log import LogSchema
from serving.routing import Split, points
from serving.validation import Validator
from telemetry.snapshot import SnapshotModel, SnapshotVersion

# A version that answers one row faster than this is called on the event loop: handing it to a thread and back costs
# about 0.1 ms and a fight for the interpreter's lock, ten times what ONNX Runtime needs for a row (0.01 ms) and half of
# what scikit-learn does (0.2 ms). A slower one would hold up every other request, so it gets threads, as batches do.
INLINE_SECONDS = 0.001
# Calls that keep the event loop busy for this long move the version to threads for good: warming up can't foresee every
# input. A few, since a single one may only have met a garbage collection.
TOO_SLOW_INLINE_SECONDS = 0.02
TOO_SLOW_CALLS = 3
THREADS = 4


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class LoadKey:
    """What makes two loads the same: a changed artifact, feature or class means loading and warming anew."""

    model: str
    version: SnapshotVersion
    signature: tuple[object, ...]


def load_key(model: SnapshotModel, version: SnapshotVersion) -> LoadKey:
    """The key of `version` as part of `model`."""
    return LoadKey(model.name, version, (model.task, model.classes, model.features))


class LoadedVersion:
    """A version that was checksummed, loaded and warmed.

    Nobody unloads it: plans and requests in flight refer to it, and when the last of them is gone so is the artifact,
    and its threads end (an executor's do once it is unreachable).
    """

    def __init__(self, key: LoadKey, model: SnapshotModel, predictor: Predictor, row_seconds: float) -> None:
        self.model = model
        self.version = key.version.version
        self.framework = key.version.framework
        self.predictor = predictor
        self.validator = Validator(model.features)
        self.log_schema = LogSchema(model, self.version)
        self.inline = row_seconds < INLINE_SECONDS
        self._slow_calls = 0
        # Threads of its own, so that a version that hangs can't take those of another one. They start when needed.
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"{model.name}/{self.version}")

    def was_slow_inline(self) -> bool:
        """Take note of a call that held up the event loop; True when that moves the version to threads."""
        self._slow_calls += 1
        self.inline = self._slow_calls < TOO_SLOW_CALLS
        return not self.inline


@dataclass(frozen=True, slots=True)
class Choice:
    """A version that can be chosen for a request."""

    version: LoadedVersion
    role: str
    metrics: VersionMetrics


@dataclass(frozen=True)
class Plan:
    """How a model's requests are answered from now on."""

    model: SnapshotModel
    split: Split[Choice] | None  # None: nothing is loaded that may answer
    unready_metrics: VersionMetrics | None  # where refusals are counted then; None when no version has traffic
    shares: tuple[tuple[Choice, float], ...] = ()
    shadows: tuple[Choice, ...] = ()


class ModelRuntime:
    """A model's plan, and what is in flight; it outlives plans. `in_flight` is only changed on the event loop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.in_flight = 0
        self.next_point = points()
        self._waiting = 0
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """Requests in flight for which no thread is free yet."""
        return self._waiting

    def in_thread(self, version: LoadedVersion, work: Callable[[], Result]) -> "Future[Result]":
        """Run `work` on one of the version's threads; until one is free it counts as waiting."""

        def run() -> Result:
            with self._lock:
                self._waiting -= 1
            return work()

        with self._lock:
            self._waiting += 1
        return version.threads.submit(run)
