"""The quality exporter: readings as the catalogue's metrics, gathered anew for each scrape.

Nothing is kept between scrapes but a few seconds of cache, so a number that the database no longer holds is gone with
the next scrape. Where the database can't be read the scrape fails: Prometheus sees the target down, its series end,
and QualityExporterDown fires; repeating the last numbers would be a lie.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from drift.engine.verdict import FeatureVerdict, Ratio, Verdict
from drift.readings import Reading, Readings, load_readings
from telemetry import names

OF_VERSION = (names.MODEL, names.VERSION)
OF_FEATURE = (*OF_VERSION, names.FEATURE)
OF_CLASS = (*OF_VERSION, names.CLASS)
OF_PROXY = (*OF_VERSION, names.PROXY)
BASELINE, POPULATION, RELEASE = "baseline", "population", "release"
CACHE_SECONDS = 5.0

# Name -> (help, labels), in the catalogue's order.
METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    names.DRIFT_SCORE: ("How far the feature has moved from its baseline", (*OF_FEATURE, names.METHOD)),
    names.DRIFT_THRESHOLD: (
        "Threshold of the score that is in force for this window and sample size",
        (*OF_FEATURE, names.METHOD),
    ),
    names.DRIFT_DETECTED: ("1 where the score is above its threshold", (*OF_FEATURE, names.CRITICAL)),
    names.MISSING_RATIO: ("Share of the window's rows without a value", OF_FEATURE),
    names.DEFAULTED_RATIO: ("Share of the window's rows that got the default", OF_FEATURE),
    names.OUT_OF_RANGE_RATIO: ("Share of the window's rows outside the registered range", OF_FEATURE),
    names.MISSING_RATIO_LIMIT: ("Limit of ml_feature_missing_ratio", OF_FEATURE),
    names.DEFAULTED_RATIO_LIMIT: ("Limit of ml_feature_defaulted_ratio", OF_FEATURE),
    names.OUT_OF_RANGE_RATIO_LIMIT: ("Limit of ml_feature_out_of_range_ratio", OF_FEATURE),
    names.PREDICTION_DRIFT_SCORE: (
        "How far the predictions have moved from their baseline",
        (*OF_VERSION, names.METHOD),
    ),
    names.PREDICTION_BASELINE_MEDIAN: ("Median score in the baseline", OF_VERSION),
    names.CLASS_RATIO: ("Share of the window's predictions", OF_CLASS),
    names.CLASS_RATIO_BASELINE: ("Share of the baseline's predictions", OF_CLASS),
    names.BUSINESS_PROXY: ("A number that the business watches of the version", OF_PROXY),
    names.BUSINESS_PROXY_LOWER: ("Lower limit of ml_business_proxy", OF_PROXY),
    names.BUSINESS_PROXY_UPPER: ("Upper limit of ml_business_proxy", OF_PROXY),
    names.CHECK_STATE: ("1 for the state that the version's drift check is in", (*OF_VERSION, names.STATE)),
    names.CHECK_FIRST_DUE: ("When a check of the version was first due, seconds since the epoch", OF_VERSION),
    names.CHECK_LAST_SUCCESS: ("When a check of the version last worked, seconds since the epoch", OF_VERSION),
    names.CHECK_INTERVAL: ("Seconds between two checks", OF_VERSION),
    names.CHECK_DURATION: ("Seconds that the newest check took", OF_VERSION),
    names.WINDOW_ROWS: ("Rows in the newest check's window", OF_VERSION),
    names.BASELINE_INFO: ("1 for the version's frozen baseline", (*OF_VERSION, BASELINE, POPULATION)),
    names.BASELINE_AGE: ("Seconds since the end of the baseline's data, else since it was frozen", OF_VERSION),
    names.BASELINE_MAX_AGE: ("Seconds that the baseline may be old", OF_VERSION),
    names.PIPELINE_INFO: ("1 for the model's newest feature pipeline release", (names.MODEL, RELEASE)),
}

Sample = tuple[str, tuple[str, ...], float]  # metric, values of its labels, value


class QualityCollector(Collector):
    """What prometheus_client asks at each scrape. The database is asked at most every few seconds."""

    def __init__(self, load: Callable[[datetime], Readings] = load_readings, cache_seconds: float = CACHE_SECONDS):
        self._load = load
        self._cache_seconds = cache_seconds
        self._lock = threading.Lock()
        self._cached: tuple[float, Readings] | None = None

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """The names without values, so that registering asks no database."""
        return [GaugeMetricFamily(name, told, labels=labels) for name, (told, labels) in METRICS.items()]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Every family of the catalogue that has a value now; raises where the database can't be read."""
        return families(self._readings())

    def _readings(self) -> Readings:
        with self._lock:
            if self._cached is None or time.monotonic() - self._cached[0] >= self._cache_seconds:
                self._cached = (time.monotonic(), self._load(timezone.now()))
            return self._cached[1]


def families(readings: Readings) -> list[GaugeMetricFamily]:
    """The metric families of `readings`; one without a value is left out."""
    values: dict[str, list[tuple[tuple[str, ...], float]]] = defaultdict(list)
    for metric, labels, value in samples(readings):
        values[metric].append((labels, value))
    found = []
    for name, (told, labels) in METRICS.items():
        if name in values:
            family = GaugeMetricFamily(name, told, labels=labels)
            for label_values, value in values[name]:
                family.add_metric(label_values, value)
            found.append(family)
    return found


def samples(readings: Readings) -> Iterator[Sample]:
    """Every value of every metric."""
    for reading in readings.versions:
        yield from _check(reading)
        yield from _baseline(reading)
        if reading.verdict is not None:
            yield from _verdict(reading, reading.verdict)
        yield from _proxies(reading)
    for model, release in sorted(readings.pipelines.items()):
        yield names.PIPELINE_INFO, (model, release), 1.0


def _check(reading: Reading) -> Iterator[Sample]:
    version = (reading.model, reading.version)
    yield names.CHECK_STATE, (*version, reading.state), 1.0
    yield names.CHECK_FIRST_DUE, version, reading.first_due.timestamp()
    yield names.CHECK_INTERVAL, version, float(reading.interval_seconds)
    if reading.last_success is not None:
        yield names.CHECK_LAST_SUCCESS, version, reading.last_success.timestamp()
    if reading.duration_seconds is not None:
        yield names.CHECK_DURATION, version, reading.duration_seconds
    if reading.rows is not None:
        yield names.WINDOW_ROWS, version, float(reading.rows)


def _baseline(reading: Reading) -> Iterator[Sample]:
    version, baseline = (reading.model, reading.version), reading.baseline
    if baseline is None or baseline.frozen_at is None:
        return
    yield names.BASELINE_INFO, (*version, baseline.name, baseline.population), 1.0
    yield names.BASELINE_MAX_AGE, version, baseline.max_age_days * 86400.0
    if reading.baseline_age_seconds is not None:
        yield names.BASELINE_AGE, version, reading.baseline_age_seconds


def _verdict(reading: Reading, verdict: Verdict) -> Iterator[Sample]:
    version = (reading.model, reading.version)
    for feature in verdict.features:
        # Of a feature that was deleted since the check there is nothing to tell.
        if feature.name in reading.critical:
            yield from _feature((*version, feature.name), feature, reading.critical[feature.name])
    if verdict.prediction is not None:
        yield names.PREDICTION_DRIFT_SCORE, (*version, verdict.prediction.method), verdict.prediction.score
    if verdict.score_baseline_median is not None:
        yield names.PREDICTION_BASELINE_MEDIAN, version, verdict.score_baseline_median
    yield from _classes(version, reading, verdict)


def _feature(labels: tuple[str, str, str], feature: FeatureVerdict, critical: bool) -> Iterator[Sample]:
    if feature.drift is not None:
        yield names.DRIFT_SCORE, (*labels, feature.drift.method), feature.drift.score
        yield names.DRIFT_THRESHOLD, (*labels, feature.drift.method), feature.drift.threshold
        yield names.DRIFT_DETECTED, (*labels, str(critical).lower()), float(feature.drift.drifted)
    ratios: tuple[tuple[str, str, Ratio | None], ...] = (
        (names.MISSING_RATIO, names.MISSING_RATIO_LIMIT, feature.missing),
        (names.DEFAULTED_RATIO, names.DEFAULTED_RATIO_LIMIT, feature.defaulted),
        (names.OUT_OF_RANGE_RATIO, names.OUT_OF_RANGE_RATIO_LIMIT, feature.out_of_range),
    )
    for metric, limit_metric, ratio in ratios:
        if ratio is not None:
            yield metric, labels, ratio.value
            yield limit_metric, labels, ratio.limit


def _classes(version: tuple[str, str], reading: Reading, verdict: Verdict) -> Iterator[Sample]:
    """Shares by class. Classes come from a profile: those that aren't registered are `other`."""
    now: defaultdict[str, float] = defaultdict(float)
    before: defaultdict[str, float] = defaultdict(float)
    for share in verdict.classes:
        name = share.name if share.name in reading.classes else names.OTHER_CLASS
        now[name] += share.ratio
        before[name] += share.baseline
    for name in sorted(now):
        yield names.CLASS_RATIO, (*version, name), now[name]
        yield names.CLASS_RATIO_BASELINE, (*version, name), before[name]


def _proxies(reading: Reading) -> Iterator[Sample]:
    """Limits always, the value where it is known. A band with one side has one limit."""
    for proxy in reading.proxies:
        labels = (reading.model, reading.version, proxy.name)
        told = (
            (names.BUSINESS_PROXY, proxy.value),
            (names.BUSINESS_PROXY_LOWER, proxy.lower),
            (names.BUSINESS_PROXY_UPPER, proxy.upper),
        )
        for metric, value in told:
            if value is not None:
                yield metric, labels, value
