"""The check in the admin."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from drift.edits import SETTINGS
from drift.models import CheckRun, DriftCheck
from drift.run import run_window
from models_registry.models import Change
from tests.drift.registered import NOON, watched_model
from tests.fixtures.registry import Registry

pytestmark = [pytest.mark.django_db]


@pytest.fixture
def check(registry: Registry) -> DriftCheck:
    return DriftCheck.objects.create(model=registry.model)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def form(check: DriftCheck, **changes: object) -> dict[str, object]:
    fields = {name: getattr(check, name) for name in SETTINGS if name not in ("paused", "feature_psi_thresholds")}
    return {**fields, "feature_psi_thresholds": "{}", **changes}


def test_an_editor_changes_a_threshold_and_a_change_is_written(owner: User, check: DriftCheck) -> None:
    client = signed_in(owner)
    page = reverse("admin:drift_driftcheck_change", args=[check.pk])
    assert client.get(page).status_code == 200
    answer = client.post(page, form(check, psi_threshold="0.45"))
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert DriftCheck.objects.get().psi_threshold == 0.45
    change = Change.objects.get(kind="threshold")
    assert (change.author, change.summary) == ("owner", "fraud: drift check: psi threshold 0.2 to 0.45")


def test_a_wrong_threshold_names_its_field(owner: User, check: DriftCheck) -> None:
    page = reverse("admin:drift_driftcheck_change", args=[check.pk])
    answer = signed_in(owner).post(page, form(check, feature_psi_thresholds='{"wings": 0.3}'))
    assert answer.status_code == 200
    assert "is no feature of fraud" in answer.content.decode()


def test_a_viewer_reads_and_can_not_change(teammate: User, check: DriftCheck) -> None:
    client = signed_in(teammate)
    assert client.get(reverse("admin:drift_driftcheck_changelist")).status_code == 200
    page = reverse("admin:drift_driftcheck_change", args=[check.pk])
    assert client.get(page).status_code == 200
    assert client.post(page, form(check, psi_threshold="0.45")).status_code == 403
    assert DriftCheck.objects.get().psi_threshold == 0.2


def test_runs_are_listed_and_shown_with_their_verdict_escaped(superuser: User) -> None:
    check = watched_model()
    run = run_window(check, check.model.versions.get(version="v1"), NOON)
    run.result["reason"] = "<script>alert(1)</script>"
    run.save()
    client = signed_in(superuser)
    assert "Source failed" in client.get(reverse("admin:drift_checkrun_changelist")).content.decode()
    page = client.get(reverse("admin:drift_checkrun_change", args=[run.pk])).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


def test_nobody_edits_or_deletes_a_run(superuser: User) -> None:
    check = watched_model()
    run = run_window(check, check.model.versions.get(version="v1"), NOON)
    page = reverse("admin:drift_checkrun_change", args=[run.pk])
    client = signed_in(superuser)
    assert client.post(page, {"state": "ok"}).status_code == 403
    assert client.post(reverse("admin:drift_checkrun_delete", args=[run.pk]), {"post": "yes"}).status_code == 403
    assert CheckRun.objects.get().state == "source_failed"


def test_a_check_goes_with_its_runs_and_a_change_tells_of_it(owner: User, check: DriftCheck) -> None:
    run_window(check, check.model.versions.get(version="v1"), NOON)
    answer = signed_in(owner).post(reverse("admin:drift_driftcheck_delete", args=[check.pk]), {"post": "yes"})
    assert (answer.status_code, CheckRun.objects.count()) == (302, 0)
    assert Change.objects.filter(model=check.model, kind="threshold").exists()
