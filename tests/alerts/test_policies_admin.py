"""Policies and custom alerts in the admin: what a person types, sees refused, and leaves behind."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from alerts.catalogue import KINDS
from alerts.models import AlertPolicy, CustomAlert
from alerts.policy_edits import set_policy
from models_registry.actor import SYSTEM
from models_registry.models import Change, Member
from tests.fixtures.registry import Registry, make_model, make_team, make_user

LATENCY = "MLInferenceHighLatencyP95"
POLICIES, CUSTOM = "/admin/alerts/alertpolicy/", "/admin/alerts/customalert/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def errors(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200, response.status_code
    return dict(response.context["adminform"].form.errors)


def policy(**fields: Any) -> dict[str, Any]:
    empty = {"team": "", "model": "", "limit_seconds": "", "limit_requests_per_minute": "", "window_seconds": ""}
    return {**empty, "for_seconds": "", "severity": "", "enabled": "on", **fields}


def custom(registry: Registry, **fields: Any) -> dict[str, Any]:
    given = {
        "model": registry.model.pk,
        "name": "BadTooMany",
        "description": "Too many bad ones.",
        "severity": "ticket",
        "owner": "data",
        "enabled": "on",
        "expression": 'sum(rate(ml_predictions_total{predicted_class="bad one"}[5m])) > 1',
        "for_seconds": "5m",
        "fires_case": 'ml_predictions_total{predicted_class="bad one"} 0+30x80\nat 15m\nevery 15s',
        "silent_case": "at 15m",
        "runbook": "## Meaning\nToo many.\n## Impact\nMoney.\n## Diagnosis\nLook.\n## Mitigation\nRoll back.",
    }
    return given | fields


def test_a_new_policy_begins_with_its_alert(owner: User) -> None:
    page = signed_in(owner).get(f"{POLICIES}add/?model=fraud").content.decode()
    for name in KINDS:
        assert f"?alert={name}&amp;model=fraud" in page


def test_the_form_has_a_field_for_each_limit_and_says_what_holds_without_it(owner: User) -> None:
    page = signed_in(owner).get(f"{POLICIES}add/?alert=MLCanaryWorse&model=fraud")
    form = page.context["adminform"].form
    limits = {f"limit_{p.name}" for p in KINDS["MLCanaryWorse"].parameters}
    assert limits <= set(form.fields)
    assert "else 0.05 s" in form.fields["limit_latency_margin"].help_text
    assert form.initial["model"]
    assert "&lt;model name&gt;" in page.content.decode(), "what is not known yet is named, not taken for a tag"


def test_a_person_sets_a_limit_and_the_change_is_theirs(registry: Registry, owner: User) -> None:
    body = policy(model=registry.model.pk, limit_seconds="0.5", for_seconds="90s", window_seconds="1m")
    answer = signed_in(owner).post(f"{POLICIES}add/?alert={LATENCY}", body)
    assert answer.status_code == 302, errors(answer)
    row = AlertPolicy.objects.get()
    assert (row.alert, row.policy_id, row.thresholds) == (LATENCY, "model:fraud", {"seconds": 0.5})
    assert (row.window_seconds, row.for_seconds, row.enabled) == (60, 90, True)
    change = Change.objects.get(object_type="alert policy")
    assert (change.author, change.kind) == ("owner", "threshold")


def test_a_changed_policy_keeps_its_scope(registry: Registry, owner: User) -> None:
    set_policy(LATENCY, model=registry.model, thresholds={"seconds": 0.5}, for_seconds=90, actor=SYSTEM)
    row = AlertPolicy.objects.get()
    client = signed_in(owner)
    page = client.get(f"{POLICIES}{row.pk}/change/")
    form = page.context["adminform"].form
    assert "model" not in form.fields
    assert (form["limit_seconds"].value(), form["for_seconds"].value()) == (0.5, "1m30s")
    assert client.post(f"{POLICIES}{row.pk}/change/", policy(limit_seconds="0.7")).status_code == 302
    row.refresh_from_db()
    assert (row.policy_id, row.thresholds, row.for_seconds) == ("model:fraud", {"seconds": 0.7}, None)


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"limit_seconds": "9"}, "limit_seconds", "less than or equal to 4.95"),
        ({"limit_seconds": "fast"}, "limit_seconds", "Enter a number"),
        ({"for_seconds": "ten"}, "for_seconds", "write it like 30s"),
        ({"window_seconds": "1s"}, "window_seconds", "A window is 1m to 1w"),
        ({"model": ""}, "__all__", "Choose a team or a model"),
    ],
)
def test_a_wrong_field_of_a_policy_is_named(
    registry: Registry, owner: User, fields: dict[str, Any], field: str, told: str
) -> None:
    body = policy(**({"model": registry.model.pk} | fields))
    found = errors(signed_in(owner).post(f"{POLICIES}add/?alert={LATENCY}", body))
    assert list(found) == [field]
    assert told in str(found[field])
    assert not AlertPolicy.objects.exists()


def test_a_second_policy_of_one_scope_is_refused_on_the_page(registry: Registry, owner: User) -> None:
    set_policy(LATENCY, model=registry.model, actor=SYSTEM)
    found = errors(signed_in(owner).post(f"{POLICIES}add/?alert={LATENCY}", policy(model=registry.model.pk)))
    assert list(found) == ["__all__"]


def test_what_holds_for_everybody_is_the_platform_teams(registry: Registry) -> None:
    editor = make_user("platform-editor", make_team("platform"), Member.Role.EDITOR)
    assert signed_in(editor).post(f"{POLICIES}add/?alert=PlumblineDown", policy(for_seconds="1m")).status_code == 302
    assert AlertPolicy.objects.get().policy_id == "default"


def test_others_models_and_teams_can_not_be_chosen(registry: Registry, owner: User) -> None:
    others = make_team("others")
    elsewhere = make_model("elsewhere", others)
    client = signed_in(owner)
    for field, row in (("model", elsewhere), ("team", others)):
        found = errors(client.post(f"{POLICIES}add/?alert={LATENCY}", policy(**{field: row.pk})))
        assert "You are no editor" in str(found[field])


@pytest.mark.parametrize("person", ["stranger", "teammate", "on_call"])
def test_others_read_and_do_not_write(request: pytest.FixtureRequest, registry: Registry, person: str) -> None:
    set_policy(LATENCY, model=registry.model, thresholds={"seconds": 0.5}, actor=SYSTEM)
    row = AlertPolicy.objects.get()
    client = signed_in(request.getfixturevalue(person))
    assert client.get(POLICIES).status_code == 200
    assert client.get(f"{POLICIES}{row.pk}/change/").status_code == 200
    assert client.post(f"{POLICIES}{row.pk}/change/", policy(limit_seconds="0.7")).status_code == 403
    assert client.post(f"{POLICIES}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{POLICIES}add/?alert={LATENCY}", policy(model=registry.model.pk)).status_code == 403
    row.refresh_from_db()
    assert row.thresholds == {"seconds": 0.5}


def test_a_deleted_policy_leaves_a_change_of_its_author(registry: Registry, owner: User) -> None:
    set_policy(LATENCY, model=registry.model, actor=SYSTEM)
    row = AlertPolicy.objects.get()
    assert signed_in(owner).post(f"{POLICIES}{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not AlertPolicy.objects.exists()
    assert Change.objects.filter(object_type="alert policy", author="owner", after__isnull=True).exists()


def test_the_lists_show_what_is_stated_and_can_be_searched(registry: Registry, owner: User) -> None:
    set_policy(LATENCY, model=registry.model, thresholds={"seconds": 0.5}, window_seconds=60, actor=SYSTEM)
    client = signed_in(owner)
    page = client.get(f"{POLICIES}?q=fraud").content.decode()
    assert "seconds 0.5 s, window 1m" in page
    assert "model:fraud" in page
    assert "seconds 0.5 s" not in client.get(f"{POLICIES}?q=churn").content.decode()


def test_a_custom_alert_is_made_without_json(registry: Registry, owner: User) -> None:
    answer = signed_in(owner).post(f"{CUSTOM}add/", custom(registry))
    assert answer.status_code == 302, errors(answer)
    alert = CustomAlert.objects.get()
    series = {'ml_predictions_total{predicted_class="bad one"}': "0+30x80"}
    assert alert.fires_case == {"series": series, "at": "15m", "interval": "15s"}
    assert alert.silent_case == {"series": {}, "at": "15m"}
    assert alert.for_seconds == 300
    assert Change.objects.get(object_type="custom alert").author == "owner"


def test_a_custom_alert_comes_back_as_it_was_typed(registry: Registry, owner: User) -> None:
    client = signed_in(owner)
    client.post(f"{CUSTOM}add/", custom(registry))
    form = client.get(f"{CUSTOM}{CustomAlert.objects.get().pk}/change/").context["adminform"].form
    typed = custom(registry)
    for field in ("fires_case", "silent_case", "for_seconds"):
        assert form[field].value() == typed[field]


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"expression": "sum(rate(x[5m])"}, "expression", "Prometheus would not read this"),
        ({"name": "Watchdog"}, "name", "an alert of the catalogue"),
        ({"fires_case": "up 1"}, "fires_case", "at: "),
        ({"fires_case": "sum(up) 1\nat 5m"}, "fires_case", "is no series"),
        ({"silent_case": ""}, "silent_case", "required"),
        ({"runbook": ""}, "runbook", "required"),
        ({"for_seconds": "soon"}, "for_seconds", "write it like 30s"),
    ],
)
def test_a_wrong_field_of_a_custom_alert_is_named(
    registry: Registry, owner: User, fields: dict[str, Any], field: str, told: str
) -> None:
    found = errors(signed_in(owner).post(f"{CUSTOM}add/", custom(registry, **fields)))
    assert list(found) == [field]
    assert told in str(found[field])
    assert not CustomAlert.objects.exists()


def test_typed_text_is_shown_not_obeyed(registry: Registry, owner: User) -> None:
    client = signed_in(owner)
    client.post(f"{CUSTOM}add/", custom(registry, description="<script>alert(1)</script>"))
    assert "<script>alert(1)" not in client.get(CUSTOM).content.decode()


def test_the_models_page_lists_its_policies_and_custom_alerts(registry: Registry, owner: User) -> None:
    client = signed_in(owner)
    set_policy(LATENCY, model=registry.model, thresholds={"seconds": 0.5}, actor=SYSTEM)
    client.post(f"{CUSTOM}add/", custom(registry))
    page = client.get(f"/admin/models_registry/mlmodel/{registry.model.pk}/change/").content.decode()
    assert "seconds 0.5 s" in page
    assert "Too many bad ones." in page
