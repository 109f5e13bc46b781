"""One check run end to end, on a real log and a real database."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from drift.engine.profile import Profile
from drift.engine.verdict import from_document
from drift.models import CheckRun, CheckStatus, DriftCheck
from drift.run import run_window
from models_registry.models import Baseline, Feature, ModelVersion
from tests.drift.registered import NOON, baseline_profile, give_baseline, rows, serve, watched_model, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def log(plumbline_home: Path) -> Path:
    root = plumbline_home / "predictions"
    root.mkdir()
    return root


def run(check: DriftCheck, version: str = "v1") -> CheckRun:
    return run_window(check, ModelVersion.objects.get(model=check.model, version=version), NOON)


def test_traffic_like_the_baseline_is_ok(log: Path) -> None:
    check = watched_model()
    write_log(log, "fraud", "v1", rows(1_000))
    done = run(check)
    assert (done.state, done.reason, done.rows) == ("ok", "Nothing drifted.", 1_000)
    assert done.duration_seconds is not None and done.duration_seconds < 10
    status = CheckStatus.objects.get(version=done.version)
    assert (status.latest, status.last_success_at) == (done, done.finished_at)


def test_a_country_that_is_gone_is_drift(log: Path) -> None:
    check = watched_model()
    write_log(log, "fraud", "v1", rows(1_000, without="de"))
    done = run(check)
    assert (done.state, done.reason) == ("drifted", "country drifted.")
    assert from_document(done.result).drifted_features() == ["country"]


def test_only_the_windows_rows_of_that_version_count(log: Path) -> None:
    check = watched_model(window_seconds=600)
    serve(check.model, "v1", canary="v2")
    write_log(log, "fraud", "v1", rows(300))
    write_log(log, "fraud", "v1", rows(300, without="de"), end=NOON - timedelta(minutes=10))
    write_log(log, "fraud", "v2", rows(300, without="de"))
    assert (run(check).state, run(check).rows) == ("ok", 300)


def test_values_outside_the_registered_range_and_defaults_are_counted(log: Path) -> None:
    check = watched_model()
    columns = rows(1_000, shift=200)
    columns["defaulted"] = columns["defaulted"].to_pylist()
    columns["defaulted"][:100] = [["country"]] * 100
    write_log(log, "fraud", "v1", columns)
    amount, country = from_document(run(check).result).features
    assert amount.out_of_range is not None and amount.out_of_range.value == pytest.approx(0.12, abs=0.04)
    assert (amount.exceeded(), country.exceeded()) == (["out of range"], ["defaulted"])


def test_limits_come_from_the_feature_else_from_the_check(log: Path) -> None:
    check = watched_model(missing_limit=0.07, feature_psi_thresholds={"amount": 3})
    Feature.objects.filter(model=check.model, name="country").update(missing_limit=0.5)
    write_log(log, "fraud", "v1", rows(1_000, shift=400))
    amount, country = from_document(run(check).result).features
    assert amount.missing is not None and country.missing is not None and amount.drift is not None
    assert (amount.missing.limit, country.missing.limit, amount.drift.threshold) == (0.07, 0.5, 3)


def test_the_same_window_is_run_once(log: Path) -> None:
    check = watched_model()
    file = write_log(log, "fraud", "v1", rows(1_000))
    first = run(check)
    file.unlink()
    again = run(check)
    assert (again.pk, again.state, again.attempts) == (first.pk, "ok", 1)
    assert again.finished_at == first.finished_at


def test_a_window_without_rows_has_too_little_data(log: Path) -> None:
    done = run(watched_model())
    assert (done.state, done.reason) == ("insufficient_data", "The window has 0 rows and a verdict needs 200.")


def test_a_log_that_is_not_there_is_a_failed_source_not_an_empty_window(plumbline_home: Path) -> None:
    done = run(watched_model())
    assert done.state == "source_failed"
    assert "predictions can't be reached: mount it, or set PREDICTIONS_DIR" in done.reason
    assert CheckStatus.objects.get(version=done.version).last_success_at is None


def test_a_damaged_log_is_a_failed_source(log: Path) -> None:
    check = watched_model()
    write_log(log, "fraud", "v1", rows(300)).write_bytes(b"PAR1 and no more")
    assert run(check).state == "source_failed"


def test_a_source_that_this_version_does_not_know_is_a_failed_source(log: Path) -> None:
    check = watched_model()
    DriftCheck.objects.update(source="warehouse")
    check.refresh_from_db()
    assert (run(check).state, run(check).reason) == (
        "source_failed",
        "The source 'warehouse' is unknown to this version.",
    )


def test_a_log_with_other_types_than_the_baseline_is_a_mismatch(log: Path) -> None:
    check = watched_model()
    write_log(log, "fraud", "v1", {**rows(300), "feature:amount": ["a lot"] * 300})
    done = run(check)
    assert (done.state, done.reason) == (
        "baseline_mismatch",
        "'feature:amount' is numeric in the baseline and VARCHAR in the data.",
    )


def test_an_error_of_our_own_is_a_failed_source_and_is_raised(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = watched_model()
    write_log(log, "fraud", "v1", rows(300))

    def broken(*_: object) -> None:
        raise KeyError("feature")

    monkeypatch.setattr("drift.run.compare", broken)
    with pytest.raises(KeyError):
        run(check)
    done = CheckRun.objects.get()
    assert (done.state, done.reason) == ("source_failed", "The check itself failed: KeyError: 'feature'")


# Invariant 6: never against a baseline that is unfrozen, stale, too small, of another population or another schema.


def make_unfrozen(baseline: Baseline) -> None:
    Baseline.objects.filter(pk=baseline.pk).update(frozen_at=None)


def make_stale(baseline: Baseline) -> None:
    Baseline.objects.filter(pk=baseline.pk).update(data_until=timezone.now() - timedelta(days=181))


def make_edited(baseline: Baseline) -> None:
    profile = {**baseline.profile, "rows": baseline.profile["rows"] + 1}
    Baseline.objects.filter(pk=baseline.pk).update(profile=profile)


def make_small(baseline: Baseline) -> None:
    DriftCheck.objects.update(min_baseline_rows=5_001)


def make_of_others(baseline: Baseline) -> None:
    DriftCheck.objects.update(population="children")


def add_a_feature(baseline: Baseline) -> None:
    Feature.objects.create(model=baseline.model, name="hour", position=9)


def drop_a_feature(baseline: Baseline) -> None:
    Feature.objects.filter(model=baseline.model, name="country").delete()


def change_a_kind(baseline: Baseline) -> None:
    Feature.objects.filter(model=baseline.model, name="amount").update(kind="categorical")


def take_it_away(baseline: Baseline) -> None:
    ModelVersion.objects.filter(baseline=baseline).update(baseline=None)


@pytest.mark.parametrize(
    ("spoil", "state", "reason"),
    [
        (make_unfrozen, "baseline_mismatch", "isn't frozen"),
        (make_stale, "baseline_stale", "181.0 days old and may be 180.0"),
        (make_edited, "baseline_mismatch", "content has changed since it was frozen"),
        (make_small, "insufficient_data", "has 5000 rows and a comparison needs 5001"),
        (make_of_others, "baseline_mismatch", "of the population 'all', the traffic of 'children'"),
        (add_a_feature, "baseline_mismatch", "it lacks hour"),
        (drop_a_feature, "baseline_mismatch", "it has country, which the model has not"),
        (change_a_kind, "baseline_mismatch", "amount is numeric in it and categorical in the model"),
        (take_it_away, "baseline_mismatch", "has no baseline"),
    ],
)
def test_a_baseline_that_can_not_be_trusted_is_never_scored_against(
    log: Path, spoil: Any, state: str, reason: str
) -> None:
    check = watched_model()
    write_log(log, "fraud", "v1", rows(1_000, without="de"))
    spoil(Baseline.objects.get(model=check.model))
    check.refresh_from_db()
    done = run(check)
    assert done.state == state
    assert reason in done.reason
    assert (done.result["features"], done.result["prediction"]) == ([], None)


def test_a_canary_is_measured_against_its_own_baseline_and_of_the_live_versions_population(log: Path) -> None:
    check = watched_model()
    give_baseline(check.model, "v2", population="children")
    serve(check.model, "v1", canary="v2")
    write_log(log, "fraud", "v2", rows(1_000))
    done = run(check, "v2")
    assert (done.state, "population 'children', the traffic of 'all'" in done.reason) == ("baseline_mismatch", True)


def test_a_profile_whose_numbers_were_written_as_integers_is_still_the_frozen_one(log: Path) -> None:
    check = watched_model()
    document = replace(baseline_profile(), score_median=None).document()
    document["features"]["amount"]["minimum"] = 100  # as a JavaScript client would send 100.0
    give_baseline(check.model, "v1", name="by-hand", profile=document)
    write_log(log, "fraud", "v1", rows(1_000))
    assert run(check).state == "ok"


def test_a_frozen_profile_survives_the_database(log: Path) -> None:
    check = watched_model()
    profile = baseline_profile()
    amount = replace(profile.features["amount"], maximum=1e16, minimum=-0.0)
    huge = Profile(profile.rows, {**profile.features, "amount": amount}, profile.score, 1e-9, profile.classes)
    give_baseline(check.model, "v1", name="huge", profile=huge.document())
    write_log(log, "fraud", "v1", rows(1_000))
    assert run(check).state == "ok"


def test_old_runs_of_the_version_are_deleted(log: Path) -> None:
    check = watched_model()
    version = ModelVersion.objects.get(model=check.model, version="v1")
    old = NOON - timedelta(days=400)
    CheckRun.objects.create(drift_check=check, version=version, window_start=old, window_end=old)
    write_log(log, "fraud", "v1", rows(300))
    run(check)
    assert list(CheckRun.objects.values_list("window_end", flat=True)) == [NOON]
