"""Editing checks: each edit with its Change, each mistake with its field."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from drift.checks import load_checks
from drift.claims import create_status
from drift.edits import check_document, delete_check, pause_check, save_check
from drift.engine.policy import FeatureLimits
from drift.models import CheckStatus, DriftCheck
from models_registry.actor import SYSTEM, Actor
from models_registry.models import Change, Feature
from tests.drift.registered import NOON, watched_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]
ANA = Actor("ana")


def test_a_changed_threshold_is_a_change_of_its_author_with_before_and_after() -> None:
    check = watched_model()
    check.psi_threshold = 0.3
    change = save_check(check, actor=ANA, reason="too many tickets")
    assert change is not None
    assert (change.kind, change.author, change.model_name) == ("threshold", "ana", "fraud")
    assert change.summary == "fraud: drift check: psi threshold 0.2 to 0.3"
    assert change.reason == "too many tickets"
    assert (change.before["psi_threshold"], change.after["psi_threshold"]) == (0.2, 0.3)


def test_saving_what_is_so_already_is_no_change() -> None:
    check = watched_model()
    count = Change.objects.count()
    assert save_check(check, actor=ANA) is None
    assert pause_check(check.model, paused=False, actor=ANA) is None
    assert Change.objects.count() == count


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("interval_seconds", 9, "greater than or equal to 10"),
        ("window_seconds", 0, "greater than or equal to 10"),
        ("psi_threshold", -0.1, "greater than or equal to 0"),
        ("missing_limit", 1.5, "less than or equal to 1"),
        ("timeout_seconds", 241, "less than or equal to 240"),
        ("source", "warehouse", "'warehouse' is not a valid choice"),
        ("population", "our customers", "can't be a version"),
        ("feature_psi_thresholds", {"wings": 0.3}, "'wings' is no feature of fraud: it has amount, country"),
        ("feature_psi_thresholds", {"amount": "high"}, "amount: 'high' is not a number from 0 to 100"),
        ("feature_psi_thresholds", {"amount": True}, "amount: True is not a number"),
        ("feature_psi_thresholds", [0.3], "Write names with their thresholds"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(field: str, value: object, message: str) -> None:
    check = watched_model()
    setattr(check, field, value)
    with pytest.raises(ValidationError) as error:
        save_check(check, actor=ANA)
    assert message in str(error.value.message_dict[field])
    assert getattr(DriftCheck.objects.get(), field) != value


def test_a_resumed_check_starts_anew() -> None:
    check = watched_model()
    version = check.model.versions.get(version="v1")
    create_status(check.pk, version.pk, NOON)
    pause_check(check.model, paused=True, actor=ANA)
    assert CheckStatus.objects.count() == 1
    change = pause_check(check.model, paused=False, actor=ANA)
    assert change is not None and change.summary == "fraud: drift check resumed"
    check.refresh_from_db()
    assert timezone.now() - check.first_due_at < timedelta(minutes=1)
    assert CheckStatus.objects.count() == 0


def test_a_deleted_check_is_a_change_with_what_it_was() -> None:
    check = watched_model(psi_threshold=0.4)
    change = delete_check(check, actor=ANA)
    assert (change.before["psi_threshold"], change.after, DriftCheck.objects.count()) == (0.4, None, 0)


def test_the_export_document_says_all_that_a_person_set() -> None:
    check = watched_model(feature_psi_thresholds={"amount": 0.5}, population="adults", paused=True)
    document = check_document(check)
    delete_check(check, actor=ANA)
    again = DriftCheck(model=check.model, **document)
    save_check(again, actor=SYSTEM)
    assert check_document(again) == document
    assert (document["population"], document["paused"]) == ("adults", True)


def test_other_rooms_get_every_check_with_its_limits_in_two_queries() -> None:
    for number in range(5):
        watched_model(f"m{number}", psi_threshold=0.3, feature_psi_thresholds={"amount": 0.5})
    Feature.objects.filter(name="country").update(missing_limit=0.2)
    with CaptureQueriesContext(connection) as captured:
        checks = load_checks()
    assert len(captured) == 2
    assert [check.model for check in checks] == ["m0", "m1", "m2", "m3", "m4"]
    policy = checks[0].policy
    assert (policy.psi, policy.limits("amount").psi) == (0.3, 0.5)
    assert policy.limits("country") == FeatureLimits(missing=0.2)
