"""The quality exporter, read as Prometheus reads it."""

import math
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from drift.claims import create_status
from drift.edits import pause_check
from drift.exporter import METRICS, QualityCollector
from drift.exporter_http import serve as serve_exporter
from drift.models import BusinessProxy, CheckRun, CheckStatus, DriftCheck
from drift.proxy_edits import save_proxy
from drift.readings import Readings, load_readings
from drift.run import run_window
from models_registry.actor import SYSTEM
from models_registry.models import Baseline, Feature, MLModel, ModelVersion
from telemetry import names
from tests.drift.registered import NOON, rows, serve, watched_model, write_log
from tests.fixtures.registry import make_feature, make_pipeline

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SOON = NOON + timedelta(minutes=1)
Values = dict[str, dict[tuple[tuple[str, str], ...], float]]

# The catalogue: what users' rules and dashboards refer to.
VERSION = {"model_name", "model_version"}
FEATURE = VERSION | {"feature_name"}
CATALOGUE = {
    "ml_data_drift_score": FEATURE | {"method"},
    "ml_data_drift_threshold": FEATURE | {"method"},
    "ml_data_drift_detected": FEATURE | {"critical"},
    "ml_feature_missing_ratio": FEATURE,
    "ml_feature_missing_ratio_limit": FEATURE,
    "ml_feature_defaulted_ratio": FEATURE,
    "ml_feature_defaulted_ratio_limit": FEATURE,
    "ml_feature_out_of_range_ratio": FEATURE,
    "ml_feature_out_of_range_ratio_limit": FEATURE,
    "ml_prediction_drift_score": VERSION | {"method"},
    "ml_prediction_score_baseline_median": VERSION,
    "ml_prediction_class_ratio": VERSION | {"predicted_class"},
    "ml_prediction_class_ratio_baseline": VERSION | {"predicted_class"},
    "ml_business_proxy": VERSION | {"proxy"},
    "ml_business_proxy_lower": VERSION | {"proxy"},
    "ml_business_proxy_upper": VERSION | {"proxy"},
    "ml_drift_check_state": VERSION | {"state"},
    "ml_drift_check_first_due_timestamp_seconds": VERSION,
    "ml_drift_check_last_success_timestamp_seconds": VERSION,
    "ml_drift_check_interval_seconds": VERSION,
    "ml_drift_check_duration_seconds": VERSION,
    "ml_drift_window_rows": VERSION,
    "ml_baseline_info": VERSION | {"baseline", "population"},
    "ml_baseline_age_seconds": VERSION,
    "ml_baseline_max_age_seconds": VERSION,
    "ml_feature_pipeline_info": {"model_name", "release"},
}
# What a check that came to no verdict must not tell.
SCORES = [name for name in CATALOGUE if name.startswith(("ml_data_", "ml_feature_m", "ml_feature_d", "ml_feature_o"))]
SCORES += [name for name in CATALOGUE if name.startswith("ml_prediction_")]


@pytest.fixture
def log(plumbline_home: Path) -> Path:
    root = plumbline_home / "predictions"
    root.mkdir()
    return root


def run(check: DriftCheck, version: str = "v1", end: datetime = NOON) -> CheckRun:
    return run_window(check, ModelVersion.objects.get(model=check.model, version=version), end)


def make_proxy(model: MLModel) -> None:
    save_proxy(BusinessProxy(model=model, name="block_rate", predicted_class="bad", lower=0.1, upper=0.9), actor=SYSTEM)


def scrape(now: datetime = SOON) -> Values:
    registry = CollectorRegistry()
    registry.register(QualityCollector(load=lambda _: load_readings(now)))
    found: Values = defaultdict(dict)
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found[sample.name], "one series twice"
            found[sample.name][labels] = sample.value
    return found


def of(values: Values, name: str, **labels: str) -> float:
    matching = [v for k, v in values[name].items() if labels.items() <= dict(k).items()]
    assert len(matching) == 1, (name, labels, values[name])
    return matching[0]


def states(values: Values) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for labels, value in values["ml_drift_check_state"].items():
        assert value == 1
        found[dict(labels)["model_version"]].append(dict(labels)["state"])
    return dict(found)


def test_every_metric_of_the_catalogue_is_there_with_exactly_its_labels(log: Path) -> None:
    check = watched_model()
    make_pipeline(check.model, "features-7")
    make_proxy(check.model)
    write_log(log, "fraud", "v1", rows(1_000, without="de"))
    run(check)
    values = scrape()
    assert {name: {frozenset(dict(labels)) for labels in series} for name, series in values.items()} == {
        name: {frozenset(labels)} for name, labels in CATALOGUE.items()
    }
    assert set(METRICS) == set(CATALOGUE)


def test_a_drifted_critical_feature_is_told_with_score_and_threshold(log: Path) -> None:
    check = watched_model()
    write_log(log, "fraud", "v1", rows(1_000, without="de"))
    run(check)
    values = scrape()
    country = {"model_name": "fraud", "model_version": "v1", "feature_name": "country"}
    assert of(values, "ml_data_drift_score", **country, method="psi") > 1
    assert of(values, "ml_data_drift_threshold", **country, method="psi") == 0.2
    assert of(values, "ml_data_drift_detected", **country, critical="true") == 1
    assert of(values, "ml_data_drift_detected", feature_name="amount", critical="false") == 0
    assert states(values) == {"v1": ["drifted"]}
    assert of(values, "ml_drift_window_rows") == 1_000


def test_ratios_come_with_the_limits_that_alerts_compare_them_with(log: Path) -> None:
    check = watched_model(out_of_range_limit=0.03)
    write_log(log, "fraud", "v1", rows(1_000, shift=200))
    run(check)
    values = scrape()
    assert of(values, "ml_feature_out_of_range_ratio", feature_name="amount") > 0.03
    assert of(values, "ml_feature_out_of_range_ratio_limit", feature_name="amount") == 0.03
    for kind in ("missing", "defaulted", "out_of_range"):
        assert values[f"ml_feature_{kind}_ratio"].keys() == values[f"ml_feature_{kind}_ratio_limit"].keys()


def test_class_shares_add_up_and_unregistered_classes_are_other(log: Path) -> None:
    check = watched_model()
    write_log(log, "fraud", "v1", rows(1_000))
    MLModel.objects.filter(pk=check.model_id).update(classes=["good", "ugly"])
    run(check)
    values = scrape()
    assert {dict(labels)["predicted_class"] for labels in values["ml_prediction_class_ratio"]} == {"good", "other"}
    assert math.isclose(sum(values["ml_prediction_class_ratio"].values()), 1)
    assert math.isclose(sum(values["ml_prediction_class_ratio_baseline"].values()), 1)
    assert of(values, "ml_prediction_score_baseline_median") == pytest.approx(0.5, abs=0.02)


def test_live_and_canary_have_a_state_each_and_who_has_no_traffic_has_none(log: Path) -> None:
    check = watched_model()
    assert states(scrape()) == {"v1": ["never_run"]}
    serve(check.model, "v1", canary="v2")
    write_log(log, "fraud", "v1", rows(1_000))
    run(check)
    run(check, "v2")
    assert states(scrape()) == {"v1": ["ok"], "v2": ["baseline_mismatch"]}


def test_a_model_whose_check_is_not_made_yet_has_never_run() -> None:
    check = watched_model()
    DriftCheck.objects.all().delete()
    values = scrape()
    assert states(values) == {"v1": ["never_run"]}
    assert of(values, "ml_drift_check_interval_seconds", model_name=check.model.name) == 900


def assert_withdrawn(values: Values) -> None:
    assert [name for name in SCORES if values.get(name)] == []


def fail_the_source(check: DriftCheck, log: Path) -> None:
    log.rename(log.with_name("unmounted"))
    run(check, end=NOON + timedelta(minutes=10))


def let_the_baseline_age(check: DriftCheck, log: Path) -> None:
    Baseline.objects.update(data_until=NOON - timedelta(days=900))
    run(check, end=NOON + timedelta(minutes=10))


def add_a_feature(check: DriftCheck, log: Path) -> None:
    Feature.objects.create(model=check.model, name="hour", position=9)
    run(check, end=NOON + timedelta(minutes=10))


def send_few_rows(check: DriftCheck, log: Path) -> None:
    write_log(log, "fraud", "v1", rows(20), end=NOON + timedelta(hours=2))
    run(check, end=NOON + timedelta(hours=2))


def pause(check: DriftCheck, log: Path) -> None:
    pause_check(check.model, paused=True, actor=SYSTEM)


@pytest.mark.parametrize(
    ("happen", "state", "at"),
    [
        (fail_the_source, "source_failed", NOON + timedelta(minutes=11)),
        (let_the_baseline_age, "baseline_stale", NOON + timedelta(minutes=11)),
        (add_a_feature, "baseline_mismatch", NOON + timedelta(minutes=11)),
        (send_few_rows, "insufficient_data", NOON + timedelta(hours=2, minutes=1)),
        (pause, "paused", SOON),
    ],
)
def test_the_scores_of_a_check_that_came_to_no_verdict_are_withdrawn(
    log: Path, happen: Callable[[DriftCheck, Path], None], state: str, at: datetime
) -> None:
    check = watched_model()
    write_log(log, "fraud", "v1", rows(1_000, without="de"))
    run(check)
    assert of(scrape(), "ml_data_drift_detected", feature_name="country") == 1
    happen(check, log)
    values = scrape(at)
    assert states(values) == {"v1": [state]}
    assert_withdrawn(values)


def test_an_old_verdict_does_not_look_fresh(log: Path) -> None:
    check = watched_model()
    write_log(log, "fraud", "v1", rows(1_000, without="de"))
    done = run(check)
    assert states(scrape(NOON + timedelta(minutes=31))) == {"v1": ["drifted"]}
    values = scrape(NOON + timedelta(minutes=31, seconds=1))
    assert states(values) == {"v1": ["insufficient_data"]}
    assert_withdrawn(values)
    assert not values["ml_drift_window_rows"]
    assert done.finished_at is not None
    assert of(values, "ml_drift_check_last_success_timestamp_seconds") == done.finished_at.timestamp()


def test_first_due_is_the_end_of_the_interval_in_which_the_version_got_traffic() -> None:
    check = watched_model()
    version = check.model.versions.get(version="v1")
    create_status(check.pk, version.pk, NOON + timedelta(seconds=1))
    values = scrape()
    due = (NOON + timedelta(minutes=10)).timestamp()
    assert of(values, "ml_drift_check_first_due_timestamp_seconds") == due
    assert not values["ml_drift_check_last_success_timestamp_seconds"]
    assert of(values, "ml_drift_check_interval_seconds") == 600


def test_the_baseline_is_told_with_its_age_in_seconds() -> None:
    watched_model()
    Baseline.objects.update(data_until=SOON - timedelta(hours=5), max_age_days=2)
    values = scrape()
    assert of(values, "ml_baseline_info", baseline="of-v1", population="all") == 1
    assert of(values, "ml_baseline_age_seconds") == 5 * 3600
    assert of(values, "ml_baseline_max_age_seconds") == 2 * 86400
    Baseline.objects.update(frozen_at=None)
    assert not scrape()["ml_baseline_info"]


def test_the_number_of_queries_does_not_depend_on_the_number_of_models(log: Path) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            scrape()
        return len(captured)

    make_proxy(run(watched_model("m0")).drift_check.model)
    one = queries()
    for number in range(1, 8):
        make_proxy(run(watched_model(f"m{number}")).drift_check.model)
    assert len(scrape()["ml_drift_check_state"]) == 8
    assert queries() == one <= 20


def test_a_deleted_run_leaves_a_version_that_never_ran() -> None:
    check = watched_model()
    run(check)
    CheckRun.objects.all().delete()
    CheckStatus.objects.update(latest_window_end=None)
    assert states(scrape()) == {"v1": ["never_run"]}


def test_the_names_are_those_of_the_shared_vocabulary() -> None:
    shared = {value for value in vars(names).values() if isinstance(value, str)}
    assert set(METRICS) <= shared


# Over HTTP


@pytest.fixture
def exporter() -> Iterator[Callable[[Callable[[datetime], Readings]], str]]:
    servers = []

    def start(load: Callable[[datetime], Readings], cache_seconds: float = 0.0) -> str:
        server = serve_exporter("127.0.0.1", 0, QualityCollector(load, cache_seconds))
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_database_that_can_not_be_read_fails_the_scrape_instead_of_repeating_it(exporter: Any) -> None:
    answers: list[Readings | Exception] = [
        Readings((), {"fraud": "features-1"}),
        OperationalError("the password is hunter2"),
        Readings((), {"fraud": "features-2"}),
    ]

    def load(_: datetime) -> Readings:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    url = exporter(load)
    assert 'release="features-1"' in get(f"{url}/metrics")[1]
    status, body = get(f"{url}/metrics")
    assert (status, "features-1" in body, "hunter2" in body) == (503, False, False)
    assert 'release="features-2"' in get(f"{url}/metrics")[1]


def test_a_burst_of_scrapes_asks_the_database_once(exporter: Any) -> None:
    asked = []

    def load(now: datetime) -> Readings:
        asked.append(now)
        return Readings((), {})

    url = exporter(load, cache_seconds=30)
    assert [get(f"{url}/metrics")[0] for _ in range(5)] == [200] * 5
    assert len(asked) == 1


def test_any_feature_name_survives_the_text_format(log: Path, exporter: Any) -> None:
    """As Prometheus gets it: over HTTP, whatever the name would mean to the format."""
    check = watched_model()
    write_log(log, "fraud", "v1", rows(1_000))
    done = run(check)
    typed = {'a "b" \\n {c=",}', "# HELP x", "back\\slash\\", "größe, 特徴 🚀", "two  spaces"}
    amount = next(feature for feature in done.result["features"] if feature["name"] == "amount")
    done.result["features"] = [{**amount, "name": name} for name in typed]
    done.save()
    for name in typed:
        make_feature(check.model, name)
    readings = load_readings(SOON)
    _, page = get(f"{exporter(lambda _: readings)}/metrics")
    [scores] = [f for f in text_string_to_metric_families(page) if f.name == "ml_data_drift_score"]
    assert sorted(sample.labels["feature_name"] for sample in scores.samples) == sorted(typed)


def test_other_addresses_are_not_there_and_health_needs_no_database(exporter: Any) -> None:
    def load(_: datetime) -> Readings:
        raise OperationalError("gone")

    url = exporter(load)
    assert get(f"{url}/healthz") == (200, "ok\n")
    assert get(f"{url}/")[0] == 404
