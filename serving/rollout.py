"""Makes what is served follow the snapshot: load, prove, then switch. Level-triggered; a failed load costs nothing.

Each round (`_converge`) compares the snapshot with what is loaded and replaces each model's plan at once. It runs for a
new snapshot, when a load ends, and when a failed load is due again. Loads run beside it, so a slow download of one
model never holds up another's roll back.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from serving import loaders
from serving.artifacts import ArtifactError, ArtifactStore
from serving.loaders.predictor import LoadError
from serving.metrics import AppliedVersion, LoadedInfo, Metrics
from serving.models import Choice, LoadedVersion, LoadKey, ModelRuntime, Plan, load_key
from serving.routing import Split
from serving.warming import warm
from telemetry.snapshot import ServingSnapshot, SnapshotModel

log = logging.getLogger(__name__)

LOAD_THREADS = 4
RETRY_SECONDS = (2.0, 5.0, 15.0, 30.0, 60.0)  # after each failed load of a version; the last one again and again


@dataclass
class _Failure:
    message: str
    times: int
    due: float  # monotonic clock


@dataclass(frozen=True)
class RolloutState:
    """What heartbeats and the readiness page say."""

    snapshot: str
    loaded: Mapping[str, tuple[str, ...]]
    errors: Mapping[str, str]  # "model/version" -> why it isn't loaded
    settled: bool  # every version of some snapshot was loaded or has failed: starting is over
    waiting: tuple[str, ...]  # models that can't answer


EMPTY = RolloutState("", {}, {}, False, ())


class Rollout:
    """Owns the runtimes that the app reads. Only its own thread replaces plans."""

    def __init__(self, store: ArtifactStore, metrics: Metrics) -> None:
        self.on_change: Callable[[], None] = lambda: None  # called whenever `state` becomes another one
        self.runtimes: dict[str, ModelRuntime] = {}  # replaced whole, so a reader needs no lock
        self.state = EMPTY
        self._store = store
        self._metrics = metrics
        self._wanted: ServingSnapshot | None = None
        self._loaded: dict[LoadKey, LoadedVersion] = {}
        self._loading: set[LoadKey] = set()
        self._failures: dict[LoadKey, _Failure] = {}
        self._lock = threading.Lock()  # of the three above and _wanted
        self._wake = threading.Event()
        self._stopping = False
        self._loaders = ThreadPoolExecutor(LOAD_THREADS, thread_name_prefix="load")
        self._thread = threading.Thread(target=self._run, name="rollout", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following; what is loaded stays."""
        self._stopping = True
        self._wake.set()
        self._loaders.shutdown(wait=False, cancel_futures=True)

    def follow(self, snapshot: ServingSnapshot) -> None:
        """Take `snapshot` as what is wanted. Returns at once."""
        with self._lock:
            self._wanted = snapshot
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._next_due())
            self._wake.clear()
            try:
                self._converge()
            except Exception:  # the thread must outlive a fault: what is served stays as it is
                log.exception("Following the serving snapshot failed")
                time.sleep(1.0)

    def _next_due(self) -> float | None:
        """Seconds until a failed load is to be tried again, or None when there is none."""
        with self._lock:
            due = [failure.due for key, failure in self._failures.items() if key not in self._loading]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _converge(self) -> None:
        if self._stopping:
            return
        with self._lock:
            wanted = self._wanted
        if wanted is None:
            return
        keys = {load_key(model, version): model for model in wanted.models for version in model.versions}
        self._forget_unwanted(keys)
        self._start_loads(keys)
        with self._lock:
            loaded = dict(self._loaded)
        runtimes = {}
        for model in wanted.models:
            plan = self._plan(model, loaded)
            runtime = self.runtimes.get(model.name)
            if runtime is None:
                runtime = ModelRuntime(plan)
            else:
                runtime.plan = plan  # one reference: a request sees the old plan or the new one, whole
            runtimes[model.name] = runtime
            self._watch(runtime)
        self.runtimes = runtimes
        self._publish(wanted, set(keys))

    def _watch(self, runtime: ModelRuntime) -> None:
        model = runtime.plan.model
        self._metrics.watch_model(model.name, model.in_flight_limit, lambda: runtime.in_flight, lambda: runtime.waiting)

    def _forget_unwanted(self, keys: Mapping[LoadKey, SnapshotModel]) -> None:
        with self._lock:
            for key in self._loaded.keys() - keys.keys():
                del self._loaded[key]  # a plan that still answers with it, and requests in flight, keep it alive
            for key in self._failures.keys() - keys.keys():
                del self._failures[key]

    def _start_loads(self, keys: Mapping[LoadKey, SnapshotModel]) -> None:
        now = time.monotonic()
        with self._lock:
            for key, model in keys.items():
                failure = self._failures.get(key)
                due = failure is None or failure.due <= now
                if due and key not in self._loaded and key not in self._loading:
                    self._loading.add(key)
                    self._loaders.submit(self._load, key, model)

    def _load(self, key: LoadKey, model: SnapshotModel) -> None:
        """Fetch, check, load and warm one version; runs on a loader thread."""
        version = key.version
        failure, made = "", None
        try:
            path = self._store.fetch(version.artifact, version.sha256)
            predictor = loaders.load(version.framework, path, model)
            made = LoadedVersion(key, model, predictor, warm(predictor, model))
        except (ArtifactError, LoadError) as error:
            failure = str(error)
        except Exception as error:  # a framework's own fault must end as this version's failure, not as a lost thread
            failure = f"Loading failed: {error!r}"
            log.exception("Loading %s/%s failed", key.model, version.version)
        with self._lock:
            self._loading.discard(key)
            earlier = self._failures.get(key)
            if made is None:
                times = earlier.times + 1 if earlier else 1
                wait = RETRY_SECONDS[min(times, len(RETRY_SECONDS)) - 1]
                self._failures[key] = _Failure(failure, times, time.monotonic() + wait)
            else:
                self._failures.pop(key, None)
                self._loaded[key] = made
        if made is None and (earlier is None or earlier.message != failure):  # not again at every retry
            log.error("%s/%s is not served: %s", key.model, version.version, failure)
        elif made is not None:
            log.info("%s/%s is loaded and warm%s", key.model, version.version, "" if made.inline else ", in threads")
        self._wake.set()

    def _plan(self, model: SnapshotModel, loaded: Mapping[LoadKey, LoadedVersion]) -> Plan:
        """The plan for `model` from what is loaded.

        1. Live is the wanted version, or until it is loaded (for ever, if it is bad) the one that is live now.
        2. The canary gets its percent once it is loaded; until then live keeps all.
        3. Without a live version that is loaded nothing answers: a canary is never given more than its share.
        """
        versions = {version.version: loaded.get(load_key(model, version)) for version in model.versions}
        live = canary = None
        if model.live:
            live = versions.get(model.live) or self._present(model, "live")
        if model.canary and (live or not model.live):
            canary = versions.get(model.canary) or self._present(model, "canary", model.canary)
        if live and canary and canary.version == live.version:
            canary = None  # it still stands in for a live version that isn't loaded
        percent = 0 if canary is None else model.canary_percent if live else 100
        weighted = [(live, "live", 100 - percent), (canary, "canary", percent)]
        shares = tuple((self._choice(v, role), share / 100) for v, role, share in weighted if v is not None)
        shadows = [v for name in model.shadows if (v := versions.get(name)) is not None] if shares else []
        answering = {choice.version.version for choice, _ in shares}
        for version in model.versions:  # at zero from the first scrape, loaded or not
            if version.version not in answering:
                self._metrics.version(model, version.version)
        named = model.live or model.canary
        answers = any(share > 0 for _, share in shares)
        return Plan(
            model=model,
            split=Split(shares) if answers else None,
            unready_metrics=self._metrics.version(model, named) if named and not answers else None,
            shares=shares,
            shadows=tuple(self._choice(v, "shadow") for v in shadows if v.version not in answering),
        )

    def _choice(self, version: LoadedVersion, role: str) -> Choice:
        return Choice(version, role, self._metrics.version(version.model, version.version))

    def _present(self, model: SnapshotModel, role: str, version: str | None = None) -> LoadedVersion | None:
        """What answers in `role` at present, where that is `version` (or whichever, when none is given)."""
        runtime = self.runtimes.get(model.name)
        chosen = (c.version for c, _ in runtime.plan.shares if c.role == role) if runtime else iter(())
        return next((v for v in chosen if version in (None, v.version)), None)

    def _publish(self, wanted: ServingSnapshot, keys: set[LoadKey]) -> None:
        """Say what is in force: gauges, heartbeats, readiness; drop what is gone."""
        plans = [runtime.plan for runtime in self.runtimes.values()]
        applied = [
            AppliedVersion(plan.model.name, c.version.version, c.role, share)
            for plan in plans
            for c, share in (*plan.shares, *((shadow, 0.0) for shadow in plan.shadows))
        ]
        answering = {plan.model.name for plan in plans if plan.split is not None}
        in_use = [c.version for plan in plans for c in (*(c for c, _ in plan.shares), *plan.shadows)]
        with self._lock:
            # Versions on stand-by count as loaded, but only beside one that answers: a model that can't answer has to
            # look absent to whoever asks Prometheus whether anyone has it loaded.
            ready = {v for v in (*in_use, *self._loaded.values()) if v.model.name in answering}
            errors = {f"{k.model}/{k.version.version}": f.message for k, f in self._failures.items()}
            done = not self._loading and all(key in self._loaded or key in self._failures for key in keys)
        loaded: dict[str, set[str]] = {plan.model.name: set() for plan in plans}
        for version in ready:
            loaded[version.model.name].add(version.version)
        self._metrics.applied(
            wanted.hash, {LoadedInfo(v.model.name, v.version, v.framework) for v in ready}, set(applied)
        )
        self._metrics.forget(
            {(m.name, v.version) for m in wanted.models for v in m.versions} | {(a.model, a.version) for a in applied},
            set(self.runtimes),
        )
        state = RolloutState(
            snapshot=wanted.hash,
            loaded={model: tuple(sorted(versions)) for model, versions in loaded.items()},
            errors=errors,
            settled=self.state.settled or done,
            waiting=tuple(plan.model.name for plan in plans if plan.split is None),
        )
        if state != self.state:
            self.state = state
            self.on_change()
            if done:
                _settle_memory()
                self._store.prune({key.version.sha256.lower() for key in keys})


def _settle_memory() -> None:
    """Take what is loaded out of the garbage collector's rounds.

    Frameworks and models are hundreds of thousands of objects: a full collection over them holds up every request by
    50 ms, at moments of its own choosing. Here it is paid once per change of what is loaded.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
