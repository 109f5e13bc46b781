"""Business proxies: what is told of them, counted or pushed, and that the alert fires of what is exported."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.exceptions import ValidationError
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from alerts.proof_series import labelled
from controlplane.rendering import render_bundle
from drift.edits import pause_check
from drift.exporter import QualityCollector
from drift.models import BusinessProxy, DriftCheck, PushedValue
from drift.proxies import Proxy, Pushed, band_text, read_proxy
from drift.proxy_edits import save_proxy
from drift.pushed_values import push_value, version_meant
from drift.readings import load_readings, proxies_of
from drift.run import run_window
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.fleet import load_model
from models_registry.models import MLModel
from telemetry import names
from tests.alerts import tools
from tests.drift.registered import NOON, rows, serve, watched_model, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SOON = NOON + timedelta(minutes=1)
SERIES = (names.BUSINESS_PROXY, names.BUSINESS_PROXY_LOWER, names.BUSINESS_PROXY_UPPER)


@pytest.fixture
def log(plumbline_home: Path) -> Path:
    root = plumbline_home / "predictions"
    root.mkdir()
    return root


def make(check: DriftCheck, name: str, **fields: Any) -> BusinessProxy:
    proxy = BusinessProxy(model=check.model, name=name, **{"lower": 0.4, "upper": 0.6, **fields})
    save_proxy(proxy, actor=SYSTEM)
    return proxy


def store(proxy: BusinessProxy, version: str, value: float, at: datetime) -> None:
    PushedValue.objects.create(proxy=proxy, version=version_meant(proxy, version), value=value, at=at)


def page(now: datetime = SOON) -> list[tuple[str, dict[str, str], float]]:
    """The proxies' part of the exporter's page, read as Prometheus reads it."""
    registry = CollectorRegistry()
    registry.register(QualityCollector(load=lambda _: load_readings(now)))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return [(s.name, s.labels, s.value) for family in families for s in family.samples if s.name in SERIES]


def told(now: datetime = SOON) -> dict[tuple[str, str, str], float]:
    """By metric, proxy and version."""
    return {(name, labels["proxy"], labels["model_version"]): value for name, labels, value in page(now)}


def shown(now: datetime = SOON) -> dict[str, str]:
    """What the model's page tells of a proxy: its value, or why there is none."""
    row, model = MLModel.objects.get(), load_model("fraud")
    assert model is not None
    return {reading.name: reading.unknown or str(reading.value) for _, reading in proxies_of(row, model, now)}


# --- What is told ---------------------------------------------------------------------------------------------------


def test_the_share_of_a_class_is_what_the_drift_check_counted(log: Path) -> None:
    check = watched_model()
    make(check, "block_rate", predicted_class="bad", upper=None)
    write_log(log, "fraud", "v1", rows(1_000))
    verdict = run_window(check, check.model.versions.get(version="v1"), NOON).result["classes"]
    (counted,) = [share["ratio"] for share in verdict if share["name"] == "bad"]
    assert 0.4 < counted < 0.6
    assert told() == {
        (names.BUSINESS_PROXY, "block_rate", "v1"): counted,
        (names.BUSINESS_PROXY_LOWER, "block_rate", "v1"): 0.4,
    }
    assert shown() == {"block_rate": str(counted)}


def test_a_pushed_value_is_told_of_its_version_and_limits_of_each_with_traffic() -> None:
    check = watched_model()
    serve(check.model, "v1", canary="v2")
    store(make(check, "review_rate"), "v2", 0.7, NOON)
    assert told() == {
        (names.BUSINESS_PROXY, "review_rate", "v2"): 0.7,
        **{(names.BUSINESS_PROXY_LOWER, "review_rate", version): 0.4 for version in ("v1", "v2")},
        **{(names.BUSINESS_PROXY_UPPER, "review_rate", version): 0.6 for version in ("v1", "v2")},
    }
    row, model = MLModel.objects.get(), load_model("fraud")
    assert model is not None
    live, canary = (reading for _, reading in proxies_of(row, model, SOON))
    assert (live.value, live.unknown) == (None, "Nothing was pushed for this version yet.")
    assert (canary.value, canary.at, canary.outside) == (0.7, NOON, True)


def fail(check: DriftCheck, log: Path) -> None:
    log.rename(log.with_name("unmounted"))
    run_window(check, check.model.versions.get(version="v1"), NOON + timedelta(seconds=30))


def pause(check: DriftCheck, log: Path) -> None:
    pause_check(check.model, paused=True, actor=SYSTEM)


def rename_the_class(check: DriftCheck, log: Path) -> None:
    MLModel.objects.update(classes=["good", "ugly"])


def wait(check: DriftCheck, log: Path) -> None:
    """Nothing happens."""


@pytest.mark.parametrize(
    ("happen", "at", "why", "pushed"),
    [
        (fail, SOON, "The drift check has no scores to tell.", "0.5"),
        (pause, SOON, "The drift check has no scores to tell.", "0.5"),
        (rename_the_class, SOON, "'bad' is no class of the model any more.", "0.5"),
        (wait, NOON + timedelta(hours=1), "The drift check has no scores to tell.", "0.5"),
        (
            wait,
            NOON + timedelta(hours=1, seconds=1),
            "The drift check has no scores to tell.",
            "What was pushed last is older than 1h.",
        ),
    ],
)
def test_what_is_not_fresh_is_withdrawn_with_the_reason_and_the_band_stays(
    log: Path, happen: Callable[[DriftCheck, Path], None], at: datetime, why: str, pushed: str
) -> None:
    check = watched_model()
    make(check, "block_rate", predicted_class="bad")
    store(make(check, "review_rate", max_age_seconds=3600), "v1", 0.5, NOON)
    write_log(log, "fraud", "v1", rows(1_000))
    run_window(check, check.model.versions.get(version="v1"), NOON)
    assert len(told()) == 6
    happen(check, log)
    assert shown(at) == {"block_rate": why, "review_rate": pushed}
    values = told(at)
    assert (names.BUSINESS_PROXY, "block_rate", "v1") not in values
    assert ((names.BUSINESS_PROXY, "review_rate", "v1") in values) == (pushed == "0.5")
    assert len([key for key in values if key[0] != names.BUSINESS_PROXY]) == 4


def test_a_class_that_the_baseline_does_not_know_is_said_not_to_be_counted(log: Path) -> None:
    check = watched_model()
    MLModel.objects.update(classes=["good", "bad", "unsure"])
    check.model.refresh_from_db()
    make(check, "unsure_rate", predicted_class="unsure")
    write_log(log, "fraud", "v1", rows(1_000))
    run_window(check, check.model.versions.get(version="v1"), NOON)
    assert shown() == {"unsure_rate": "The version's baseline has no predictions of 'unsure', so nobody counts them."}


def test_a_model_without_traffic_has_nothing_told() -> None:
    check = watched_model()
    store(make(check, "review_rate"), "v1", 0.5, NOON)
    traffic.withdraw(check.model, actor=SYSTEM)
    assert (told(), shown()) == ({}, {})


@pytest.mark.parametrize(
    ("lower", "upper", "value", "outside", "words"),
    [
        (0.4, 0.6, 0.4, False, "0.4 to 0.6"),
        (0.4, 0.6, 0.6, False, "0.4 to 0.6"),
        (0.4, 0.6, 0.39, True, "0.4 to 0.6"),
        (0.4, 0.6, 0.61, True, "0.4 to 0.6"),
        (None, 1234567.0, 2e6, True, "up to 1234567"),
        (None, 0.6, -9.0, False, "up to 0.6"),
        (0.4, None, 9.0, False, "0.4 and more"),
        (0.0, None, -0.1, True, "0 and more"),
    ],
)
def test_the_limits_themselves_are_within_the_band(
    lower: float | None, upper: float | None, value: float, outside: bool, words: str
) -> None:
    proxy = Proxy("n", "", lower, upper, 3600, {"v1": Pushed(value, NOON)})
    assert read_proxy(proxy, "v1", None, (), SOON).outside is outside
    assert band_text(lower, upper) == words


# --- Pushing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations((3, 2, 1))))
def test_the_newest_value_stays_in_whatever_order_they_come(order: tuple[int, ...]) -> None:
    proxy, now = make(watched_model(), "review_rate"), timezone.now()
    version = version_meant(proxy, "")
    for hours in order:
        push_value(proxy, version, hours / 10, now - timedelta(hours=hours))
    kept = PushedValue.objects.get()
    assert (kept.value, kept.at, kept.version.version) == (0.1, now - timedelta(hours=1), "v1")


def test_a_push_that_is_repeated_changes_nothing_and_a_correction_replaces_it() -> None:
    proxy, now = make(watched_model(), "review_rate"), timezone.now()
    version = version_meant(proxy, "v2")
    for value in (0.5, 0.5, 0.55):
        assert push_value(proxy, version, value, now)
        assert PushedValue.objects.get().value == value
    assert not push_value(proxy, version, 0.1, now - timedelta(seconds=1))
    assert PushedValue.objects.get().value == 0.55


@pytest.mark.parametrize(
    ("fields", "value", "age", "field", "why"),
    [
        ({"predicted_class": "bad"}, 0.5, 0, "value", "is counted by the drift check"),
        ({}, float("nan"), 0, "value", "nan is no number"),
        ({}, float("inf"), 0, "value", "inf is no number"),
        ({}, 0.5, -120, "at", "is in the future"),
        ({"max_age_seconds": 60}, 0.5, 90, "at", "more than 60 s ago"),
    ],
)
def test_a_value_that_can_not_be_told_is_refused_by_field(
    fields: dict[str, Any], value: float, age: int, field: str, why: str
) -> None:
    proxy = make(watched_model(), "review_rate", **fields)
    with pytest.raises(ValidationError) as refused:
        push_value(proxy, version_meant(proxy, "v1"), value, timezone.now() - timedelta(seconds=age))
    assert why in " ".join(refused.value.message_dict[field])
    assert not PushedValue.objects.exists()


# --- That it is watched ---------------------------------------------------------------------------------------------


def firing(minute: int, *proxies: str) -> dict[str, Any]:
    """promtool's test that exactly these fire in that minute."""
    return {
        "expr": 'count by (model_name, model_version, proxy) (ALERTS{alertstate="firing"})',
        "eval_time": f"{minute}m",
        "exp_samples": [
            {"labels": f'{{model_name="fraud",model_version="v1",proxy="{proxy}"}}', "value": 1} for proxy in proxies
        ],
    }


def test_the_alert_fires_from_what_the_exporter_tells(log: Path, tmp_path: Path) -> None:
    check = watched_model()
    make(check, "block_rate", predicted_class="bad", lower=None, upper=0.3)
    make(check, "pass_rate", predicted_class="good")
    store(make(check, "review_rate", lower=0.2, upper=None), "v1", 0.1, NOON)
    store(make(check, "escalation_rate"), "v1", 0.5, NOON)
    write_log(log, "fraud", "v1", rows(1_000))
    run_window(check, check.model.versions.get(version="v1"), NOON)
    files = render_bundle().files
    (tmp_path / "rule.yml").write_text(files["prometheus/rules/quality/MLBusinessProxyOutOfBand.yml"], encoding="utf-8")
    applied = {names.MODEL: "fraud", names.VERSION: "v1", names.ROLE: "live"}
    series = [*page(), (names.TRAFFIC_WEIGHT, applied, 1.0)]
    test = {
        "interval": "1m",
        "input_series": [{"series": labelled(name, of), "values": f"{value}x60"} for name, of, value in series],
        "promql_expr_test": [firing(29), firing(31, "block_rate", "review_rate")],
    }
    (tmp_path / "test.yml").write_text(
        yaml.safe_dump({"rule_files": ["rule.yml"], "evaluation_interval": "30s", "tests": [test]}), encoding="utf-8"
    )
    outcome = tools.run(tools.PROMTOOL, "test", "rules", "test.yml", folder=tmp_path)
    assert outcome.accepted, outcome.text
