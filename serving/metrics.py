"""The catalogue's metrics of the serving app. A request only ever touches children that were made for registered names.

Looking a child up by its labels costs five times what counting does, so each version's children are made once, at zero,
before it gets traffic, and are dropped with it.
"""

import threading
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase

from serving.loaders.predictor import REGRESSION
from serving.validation import Inputs
from telemetry import buckets, names
from telemetry.snapshot import SnapshotModel

disable_created_metrics()  # `_created` series would be names that the catalogue doesn't have

_PER_VERSION = (names.MODEL, names.VERSION)
_PER_ROUTE = (*_PER_VERSION, names.ROUTE)
_PER_FEATURE = (*_PER_VERSION, names.FEATURE)

_Metric = TypeVar("_Metric", bound=MetricWrapperBase)
_Series = tuple[MetricWrapperBase, tuple[str, ...]]  # a metric and the label values of one of its children


@dataclass(frozen=True, slots=True)
class RouteMetrics:
    """One version's children for one route."""

    success: Counter
    error: Counter
    errors: dict[str, Counter]  # by reason
    latency: Histogram


@dataclass(frozen=True, slots=True)
class VersionMetrics:
    """One version's children. They stay usable after the version is gone; then they are on no page any more."""

    routes: dict[str, RouteMetrics]
    classes: dict[str, Counter]
    score: Histogram | None  # regressions have none: its buckets are a probability's
    values: dict[str, Counter]
    missing: dict[str, Counter]
    defaulted: dict[str, Counter]
    out_of_range: dict[str, Counter]
    batch_size: Histogram
    shadow_difference: Histogram | None
    labels: tuple[_Series, ...]  # what to remove with the version

    def inputs(self, inputs: Inputs) -> None:
        """Count rows that were valid, whatever became of them."""
        count = len(inputs.rows)
        for values in self.values.values():
            values.inc(count)
        for name, missing in inputs.missing.items():
            self.missing[name].inc(missing)
        for name, outside in inputs.out_of_range.items():
            self.out_of_range[name].inc(outside)
        for defaulted in inputs.defaulted:
            for name in defaulted:
                self.defaulted[name].inc()

    def answered(self, scores: Sequence[float], classes: Sequence[str | None]) -> None:
        """Count predictions; a class that isn't registered, and a regression's none, is `other`."""
        for predicted, count in Counts(classes).items():
            (self.classes.get(predicted or names.OTHER_CLASS) or self.classes[names.OTHER_CLASS]).inc(count)
        if self.score is not None:
            for score in scores:
                self.score.observe(score)


class LoadedInfo(NamedTuple):
    """A version that is loaded; also the labels of ml_model_info."""

    model: str
    version: str
    framework: str


class AppliedVersion(NamedTuple):
    """A version in a role, and the share of requests that it really gets."""

    model: str
    version: str
    role: str
    weight: float


class Metrics:
    """The app's own registry of metrics, and the children in use."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, text: str, labels: Iterable[str]) -> Counter:
            return Counter(name, text, tuple(labels), registry=registry)

        def histogram(name: str, text: str, labels: Iterable[str], bounds: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, tuple(labels), buckets=bounds, registry=registry)

        def gauge(name: str, text: str, labels: Iterable[str]) -> Gauge:
            return Gauge(name, text, tuple(labels), registry=registry)

        self.requests = counter(names.REQUESTS, "Requests answered.", (*_PER_ROUTE, names.STATUS))
        self.errors = counter(names.ERRORS, "Requests answered with an error.", (*_PER_ROUTE, names.REASON))
        self.latency = histogram(
            names.LATENCY, "Seconds of requests that reached the model.", _PER_ROUTE, buckets.LATENCY_SECONDS
        )
        self.score = histogram(names.SCORE, "Scores of answered predictions.", _PER_VERSION, buckets.SCORE)
        self.predictions = counter(names.PREDICTIONS, "Rows predicted.", (*_PER_VERSION, names.CLASS))
        self.values = counter(
            names.FEATURE_VALUES, "Rows looked at; what the other feature counters are a part of.", _PER_FEATURE
        )
        self.missing = counter(names.FEATURE_MISSING, "Rows without the feature, and without a default.", _PER_FEATURE)
        self.defaulted = counter(names.FEATURE_DEFAULTED, "Rows filled with the default.", _PER_FEATURE)
        self.out_of_range = counter(
            names.FEATURE_OUT_OF_RANGE, "Rows outside the registered range or categories; served.", _PER_FEATURE
        )
        self.batch_size = histogram(
            names.BATCH_SIZE, "Rows of a predict_batch request.", _PER_VERSION, buckets.BATCH_ROWS
        )
        self.in_flight = gauge(names.IN_FLIGHT, "Requests being answered.", (names.MODEL,))
        self.in_flight_limit = gauge(
            names.IN_FLIGHT_LIMIT, "Requests in flight from which more are refused.", (names.MODEL,)
        )
        self.queue_depth = gauge(names.QUEUE_DEPTH, "Requests in flight that wait for a thread.", (names.MODEL,))
        self.model_info = gauge(names.MODEL_INFO, "A loaded version.", (*_PER_VERSION, names.FRAMEWORK))
        self.weight = gauge(
            names.TRAFFIC_WEIGHT, "Share of requests that this replica gives the version.", (*_PER_VERSION, names.ROLE)
        )
        self.snapshot_info = gauge(names.SNAPSHOT_INFO, "The snapshot that is served from.", ("snapshot",))
        self.snapshot_age = gauge(names.SNAPSHOT_AGE, "Seconds since the source last confirmed the snapshot.", ())
        self.shadow_difference = histogram(
            names.SHADOW_DIFFERENCE,
            "Shadow's score minus the answer's, absolute.",
            _PER_VERSION,
            buckets.SCORE_DIFFERENCE,
        )
        self._versions: dict[tuple[str, str], tuple[SnapshotModel, VersionMetrics]] = {}
        self._models: set[str] = set()
        self._loaded: set[tuple[str, ...]] = set()  # label values of the gauge's present series
        self._weighted: set[tuple[str, ...]] = set()
        self._snapshots: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()  # the rollout writes while a scrape reads

    def render(self) -> bytes:
        """The page for /metrics. Tenths of a second with thousands of series: call it off the event loop."""
        with self._lock:
            return generate_latest(self._registry)

    def version(self, model: SnapshotModel, version: str) -> VersionMetrics:
        """The children of a version, made at zero when they aren't there yet or its features or classes changed."""
        with self._lock:
            known = self._versions.get((model.name, version))
            if known and _same_series(known[0], model, version):
                return known[1]
            made = self._make(model, version)
            self._versions[model.name, version] = (model, made)
            if known:
                kept = set(made.labels)
                _remove(entry for entry in known[1].labels if entry not in kept)
            return made

    def watch_model(self, name: str, limit: int, in_flight: Callable[[], float], waiting: Callable[[], float]) -> None:
        """Export a model's gauges, read when they are scraped."""
        with self._lock:
            self._models.add(name)
            self.in_flight.labels(name).set_function(in_flight)
            self.queue_depth.labels(name).set_function(waiting)
            self.in_flight_limit.labels(name).set(limit)

    def forget(self, versions: set[tuple[str, str]], models: set[str]) -> None:
        """Drop the series of every version and model but these."""
        with self._lock:
            for key in self._versions.keys() - versions:
                _remove(self._versions.pop(key)[1].labels)
            for name in self._models - models:
                for gauge in (self.in_flight, self.queue_depth, self.in_flight_limit):
                    gauge.remove(name)
            self._models &= models

    def applied(self, snapshot: str, loaded: set[LoadedInfo], versions: set[AppliedVersion]) -> None:
        """Export what is loaded and the shares in force, and which snapshot they come from."""
        with self._lock:
            _replace(self.model_info, {tuple(each): 1.0 for each in loaded}, self._loaded)
            self._loaded = {tuple(each) for each in loaded}
            weights: dict[tuple[str, ...], float] = {
                (each.model, each.version, each.role): each.weight for each in versions
            }
            _replace(self.weight, weights, self._weighted)
            self._weighted = set(weights)
            _replace(self.snapshot_info, {(snapshot,): 1.0}, self._snapshots)
            self._snapshots = {(snapshot,)}

    def _make(self, model: SnapshotModel, version: str) -> VersionMetrics:
        key = (model.name, version)
        labels: list[_Series] = []

        def child(metric: _Metric, *more: str) -> _Metric:
            labels.append((metric, (*key, *more)))
            return metric.labels(*key, *more)

        features = [feature.name for feature in model.features]
        probability = model.task != REGRESSION
        return VersionMetrics(
            routes={
                route: RouteMetrics(
                    success=child(self.requests, route, "success"),
                    error=child(self.requests, route, "error"),
                    errors={reason: child(self.errors, route, reason) for reason in names.REASONS},
                    latency=child(self.latency, route),
                )
                for route in names.ROUTES
            },
            classes={each: child(self.predictions, each) for each in {*model.classes, names.OTHER_CLASS}},
            score=child(self.score) if probability else None,
            values={name: child(self.values, name) for name in features},
            missing={name: child(self.missing, name) for name in features},
            defaulted={name: child(self.defaulted, name) for name in features},
            out_of_range={name: child(self.out_of_range, name) for name in features},
            batch_size=child(self.batch_size),
            shadow_difference=child(self.shadow_difference) if version in model.shadows else None,
            labels=tuple(labels),
        )


def _same_series(one: SnapshotModel, other: SnapshotModel, version: str) -> bool:
    def parts(model: SnapshotModel) -> tuple[object, ...]:
        return model.task, model.classes, {feature.name for feature in model.features}, version in model.shadows

    return parts(one) == parts(other)


def _replace(gauge: Gauge, values: Mapping[tuple[str, ...], float], present: set[tuple[str, ...]]) -> None:
    for gone in present - values.keys():
        gauge.remove(*gone)
    for labels, value in values.items():
        gauge.labels(*labels).set(value)


def _remove(series: Iterable[_Series]) -> None:
    for metric, values in series:
        metric.remove(*values)
