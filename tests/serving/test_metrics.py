"""The metrics page against the catalogue."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.metrics import Metrics
from telemetry import names
from telemetry.snapshot import SnapshotFeature
from tests.serving.artifacts import model
from tests.serving.conftest import Artifacts
from tests.serving.running import Replica, wait_until, write_snapshot

VERSION = {names.MODEL, names.VERSION}
CATALOGUE: dict[str, tuple[str, set[str]]] = {
    names.REQUESTS: ("counter", {*VERSION, names.ROUTE, names.STATUS}),
    names.ERRORS: ("counter", {*VERSION, names.ROUTE, names.REASON}),
    names.LATENCY: ("histogram", {*VERSION, names.ROUTE}),
    names.SCORE: ("histogram", VERSION),
    names.PREDICTIONS: ("counter", {*VERSION, names.CLASS}),
    names.FEATURE_VALUES: ("counter", {*VERSION, names.FEATURE}),
    names.FEATURE_MISSING: ("counter", {*VERSION, names.FEATURE}),
    names.FEATURE_DEFAULTED: ("counter", {*VERSION, names.FEATURE}),
    names.FEATURE_OUT_OF_RANGE: ("counter", {*VERSION, names.FEATURE}),
    names.BATCH_SIZE: ("histogram", VERSION),
    names.IN_FLIGHT: ("gauge", {names.MODEL}),
    names.IN_FLIGHT_LIMIT: ("gauge", {names.MODEL}),
    names.QUEUE_DEPTH: ("gauge", {names.MODEL}),
    names.MODEL_INFO: ("gauge", {*VERSION, names.FRAMEWORK}),
    names.TRAFFIC_WEIGHT: ("gauge", {*VERSION, names.ROLE}),
    names.SNAPSHOT_INFO: ("gauge", {"snapshot"}),
    names.SNAPSHOT_AGE: ("gauge", set()),
    names.SHADOW_DIFFERENCE: ("histogram", VERSION),
}  # names.FEATURE_FETCH is for apps that fetch features themselves; this one doesn't
PROCESS = {"process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"}
FEATURES = (
    SnapshotFeature("x", "numeric", 0.0, 10.0, required=True),
    SnapshotFeature('y "quoted\\', "numeric", 0.0, 10.0, default=1.0),
)


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory, made: Artifacts) -> Iterator[Replica]:
    folder = tmp_path_factory.mktemp("replica")
    split = model(made.good, made.better, made.third, features=FEATURES, canary="v2", canary_percent=0, shadows=("v3",))
    write_snapshot(folder / "snapshot.json", split)
    with Replica(folder, folder / "snapshot.json") as running:
        wait_until(lambda: "v3" in running.get("/readyz")[1])
        yield running


def test_names_types_and_label_sets_are_the_catalogues(replica: Replica) -> None:
    found = {}
    for family in text_string_to_metric_families(replica.get("/metrics")[1]):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name.startswith("ml_"):
            labels = [set(s.labels) - {"le"} for s in family.samples]
            assert labels and all(each == labels[0] for each in labels), name
            found[name] = (family.type, labels[0])
    assert found == CATALOGUE


def test_the_process_tells_its_start_cpu_and_memory(replica: Replica) -> None:
    assert {name for name, _ in replica.samples()} >= PROCESS


def test_no_series_are_there_beside_the_catalogues(replica: Replica) -> None:
    known = {f"{n}{suffix}" for n in CATALOGUE for suffix in ("", "_bucket", "_sum", "_count")}
    odd = {n for n, _ in replica.samples() if n not in known and not n.startswith("process_")}
    assert odd == set()


def test_every_registered_label_value_is_there_at_zero_from_the_first_scrape(tmp_path: Path, made: Artifacts) -> None:
    snapshot = model(made.good, made.garbage, features=FEATURES, canary="v-garbage", canary_percent=10)
    write_snapshot(tmp_path / "snapshot.json", snapshot)
    with Replica(tmp_path, tmp_path / "snapshot.json") as fresh:
        samples = fresh.samples()
    for version in ("v1", "v-garbage"):  # the one that won't load as well: its absence must not look like no traffic

        def at_zero(name: str, version: str = version, **labels: str) -> None:
            key = (name, frozenset({names.MODEL: "claims-risk", names.VERSION: version, **labels}.items()))
            assert samples.get(key) == 0.0, (name, labels)

        for route in names.ROUTES:
            for status in names.STATUSES:
                at_zero(names.REQUESTS, route=route, status=status)
            for reason in names.REASONS:
                at_zero(names.ERRORS, route=route, reason=reason)
            at_zero(f"{names.LATENCY}_count", route=route)
        for predicted in ("no", "yes", names.OTHER_CLASS):
            at_zero(names.PREDICTIONS, predicted_class=predicted)
        for feature in FEATURES:
            for name in (
                names.FEATURE_VALUES,
                names.FEATURE_MISSING,
                names.FEATURE_DEFAULTED,
                names.FEATURE_OUT_OF_RANGE,
            ):
                at_zero(name, feature_name=feature.name)
        at_zero(f"{names.SCORE}_count")
        at_zero(f"{names.BATCH_SIZE}_count")
    loaded = {dict(labels)[names.VERSION] for name, labels in samples if name == names.MODEL_INFO}
    assert loaded == {"v1"}


def test_requests_are_counted_by_what_became_of_them(replica: Replica) -> None:
    before = replica.samples()
    assert replica.predict({"x": 1})[0] == 200
    assert replica.predict({"x": 99, 'y "quoted\\': 1})[0] == 200
    assert replica.predict({"x": "1"})[0] == 400
    batch = {"rows": [{"x": 1}, {"x": 2}, {"x": -1}]}
    assert replica.predict(path="/models/claims-risk/predict_batch", body=batch)[0] == 200
    after = replica.samples()

    def grown(name: str, **labels: str) -> float:
        key = (name, frozenset({names.MODEL: "claims-risk", names.VERSION: "v1", **labels}.items()))
        return after[key] - before[key]

    assert grown(names.REQUESTS, route="predict", status="success") == 2
    assert grown(names.REQUESTS, route="predict", status="error") == 1
    assert grown(names.REQUESTS, route="predict_batch", status="success") == 1
    assert grown(names.ERRORS, route="predict", reason="invalid_input") == 1
    assert grown(f"{names.LATENCY}_count", route="predict") == 2
    assert grown(f"{names.SCORE}_count") == 5
    assert grown(f"{names.SCORE}_bucket", le="0.3") == 5
    assert grown(f"{names.SCORE}_bucket", le="0.2") == 0
    assert grown(names.PREDICTIONS, predicted_class="no") == 5
    assert grown(names.PREDICTIONS, predicted_class="yes") == 0
    assert grown(names.FEATURE_VALUES, feature_name="x") == 5
    assert grown(names.FEATURE_OUT_OF_RANGE, feature_name="x") == 2
    assert grown(names.FEATURE_DEFAULTED, feature_name='y "quoted\\') == 4
    assert grown(names.FEATURE_MISSING, feature_name="x") == 0
    assert grown(f"{names.BATCH_SIZE}_sum") == 3


def test_no_request_can_make_a_label_value(replica: Replica) -> None:
    before = {key for key in replica.samples() if key[0].startswith("ml_")}
    for path in ("/models/nope/predict", "/models/claims-risk/nope", "/models/a%22b/predict", "/x"):
        status, answer = replica.predict(path=path)
        assert status == 404
        assert "nope" not in str(answer)
    replica.predict({"x": 1, "invented": 2})
    replica.predict({"x": 1}, headers={"X-Request-ID": "invented"})
    replica.predict(path="/models/claims-risk/predict_batch", body=b"{")
    assert {key for key in replica.samples() if key[0].startswith("ml_")} == before


def test_a_version_that_leaves_takes_its_series_along_and_a_feature_too() -> None:
    metrics = Metrics()
    both = model(features=FEATURES)
    kept, gone = metrics.version(both, "v1"), metrics.version(both, "v2")
    kept.routes["predict"].success.inc(3)
    fewer = model(features=FEATURES[:1])
    metrics.version(fewer, "v1")
    metrics.forget({("claims-risk", "v1")}, set())
    gone.routes["predict"].success.inc()  # a request that was in flight
    page = metrics.render().decode()
    assert "v2" not in page
    assert "quoted" not in page
    assert 'route="predict",status="success"} 3.0' in page


def test_a_version_that_stops_being_a_shadow_keeps_its_counts_and_loses_its_difference() -> None:
    metrics = Metrics()
    shadow = metrics.version(model(shadows=("v2",)), "v2")
    shadow.routes["predict"].success.inc(3)
    assert "ml_shadow_score_difference_count{" in metrics.render().decode()
    metrics.version(model(), "v2").routes["predict"].success.inc()
    page = metrics.render().decode()
    assert "ml_shadow_score_difference_count{" not in page
    assert 'route="predict",status="success"} 4.0' in page


def test_a_regression_has_no_score_buckets_and_its_predictions_are_other() -> None:
    metrics = Metrics()
    metrics.version(model(task="regression", classes=()), "v1").answered([12.5, -3.0], [None, None])
    page = metrics.render().decode()
    assert "ml_prediction_score_bucket" not in page
    assert 'predicted_class="other"} 2.0' in page
