"""What must never be stored is refused at every entry: the web UI's forms, REST and the registry file.

Invariant 1: no model without its three teams, no custom alert without an owner and a runbook. Invariant 8: no name that
metrics, addresses and rules can't carry. (The database's own refusals: tests/models_registry/test_edits.py,
tests/alerts/test_policies.py.)
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client

from alerts.models import CustomAlert, Runbook
from alerts.runbook_sections import SECTIONS
from controlplane.registry_file import apply_files
from drift.models import BusinessProxy
from models_registry.actor import SYSTEM
from models_registry.models import Baseline, Change, Feature, MLModel, ModelVersion, PipelineRelease, Team
from tests.fixtures.registry import PROFILE, SHA256, Registry

pytestmark = pytest.mark.django_db

RUNBOOK = "".join(f"## {section}\n\nWords.\n\n" for section in SECTIONS)
TEAMS = ("on_call_team", "applied_ml_team", "data_team")
TEAM: dict[str, Any] = {"name": "search"}
MODEL: dict[str, Any] = {
    "name": "churn",
    "task": "binary_classification",
    "classes": ["stays", "leaves"],
    **dict.fromkeys(TEAMS, "payments"),
    "features": [{"name": "age"}],
}
VERSION: dict[str, Any] = {"version": "v9", "framework": "onnx", "artifact": "/srv/9.onnx", "sha256": SHA256}
BASELINE: dict[str, Any] = {"name": "q9", "population": "all", "profile": PROFILE}
CUSTOM: dict[str, Any] = {
    "name": "BadTooMany",
    "model": "fraud",
    "expression": "up == 0",
    "owner": "data",
    "description": "Too many bad ones.",
    "runbook": RUNBOOK,
    "fires_case": {"series": {"up": "0x20"}, "at": "15m"},
    "silent_case": {"series": {}, "at": "15m"},
}
PROXY: dict[str, Any] = {"name": "approval_rate", "model": "fraud", "lower": 0.6}
BAD_NAMES = ["Churn", "a_b", "a b", "-a", "a" * 64, "\N{LATIN SMALL LETTER A WITH DIAERESIS}", "a/b"]
# A proxy is a label, as approval_rate; a model is a part of an address, too.
BAD_PROXIES = [name for name in BAD_NAMES if name != "a_b"]
BAD_VERSIONS = ["..", "-1", "v 1", "v/1", "v|1", "a" * 65, "\N{LATIN SMALL LETTER U WITH DIAERESIS}1"]
BAD_FEATURES = ["f" * 129, "a\x07b", "a\u200bb", "a\u202eb"]


def stored() -> list[int]:
    """How much there is of everything."""
    registry = (Team, MLModel, ModelVersion, Feature, Baseline, PipelineRelease)
    kinds = (*registry, CustomAlert, Runbook, BusinessProxy, Change)
    return [kind.objects.count() for kind in kinds]


@pytest.fixture
def web(superuser: User) -> Client:
    client = Client()
    client.force_login(superuser)
    return client


# --- REST -------------------------------------------------------------------------------------------------------

POSTS = {
    "team": ("teams/", TEAM),
    "model": ("models/", MODEL),
    "version": ("models/fraud/versions/", VERSION),
    "baseline": ("models/fraud/baselines/", BASELINE),
    "pipeline": ("models/fraud/pipeline-releases/", {"release": "features-9"}),
    "feature": ("models/fraud/features/", {"name": "age"}),
    "custom": ("custom-alerts/", CUSTOM),
    "runbook": (
        "runbooks/",
        {"model": "fraud", "alert": "MLServingDown", "owner_team": "payments", "body": RUNBOOK},
    ),
    "proxy": ("business-proxies/", PROXY),
}


def refused_by_rest(web: Client, kind: str, **changed: Any) -> dict[str, Any]:
    """The answer's errors; a field that is ... is left out."""
    address, body = POSTS[kind]
    sent = {name: value for name, value in {**body, **changed}.items() if value is not ...}
    before = stored()
    answer = web.post(f"/api/{address}", sent, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert stored() == before
    errors = answer.json()
    assert _ends_in_lists(errors), errors
    return errors


def _ends_in_lists(errors: Any) -> bool:
    """Whether every field has a list of texts, however deep it lies."""
    if isinstance(errors, dict):
        return all(_ends_in_lists(inner) for inner in errors.values())
    return isinstance(errors, list) and all(isinstance(text, str) for text in errors)


@pytest.mark.parametrize("kind", POSTS)
def test_rest_takes_what_the_refusals_are_made_from(web: Client, registry: Registry, kind: str) -> None:
    """Or they would be refused for another reason than the one that is meant."""
    address, body = POSTS[kind]
    answer = web.post(f"/api/{address}", body, content_type="application/json")
    assert answer.status_code == 201, answer.content


@pytest.mark.parametrize("kind", POSTS)
def test_rest_refuses_a_field_that_it_does_not_know(web: Client, registry: Registry, kind: str) -> None:
    assert list(refused_by_rest(web, kind, colour="red")) == ["colour"]


@pytest.mark.parametrize("value", [..., None, "", "nobody"])
@pytest.mark.parametrize("team", TEAMS)
def test_rest_refuses_a_model_without_one_of_its_teams(web: Client, registry: Registry, team: str, value: Any) -> None:
    assert list(refused_by_rest(web, "model", **{team: value})) == [team]


@pytest.mark.parametrize("team", TEAMS)
def test_rest_takes_no_team_away(web: Client, registry: Registry, team: str) -> None:
    answer = web.patch("/api/models/fraud/", {team: None}, content_type="application/json")
    assert (answer.status_code, list(answer.json())) == (400, [team])


@pytest.mark.parametrize("fields", [{"runbook": ...}, {"runbook": ""}, {"runbook": "Look."}, {"owner": ""}])
def test_rest_refuses_a_custom_alert_without_owner_or_runbook(
    web: Client, registry: Registry, fields: dict[str, Any]
) -> None:
    assert list(refused_by_rest(web, "custom", **fields)) == list(fields)


@pytest.mark.parametrize("fields", [{"owner_team": ...}, {"owner_team": "nobody"}, {"body": ""}, {"body": "Look."}])
def test_rest_refuses_a_runbook_without_owner_or_text(web: Client, registry: Registry, fields: dict[str, Any]) -> None:
    assert list(refused_by_rest(web, "runbook", **fields)) == list(fields)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        *(("team", "name", name) for name in ["", *BAD_NAMES]),
        *(("model", "name", name) for name in ["", *BAD_NAMES]),
        *(("version", "version", version) for version in ["", *BAD_VERSIONS]),
        *(("baseline", "name", version) for version in ["", *BAD_VERSIONS]),
        *(("pipeline", "release", version) for version in ["", *BAD_VERSIONS]),
        *(("feature", "name", name) for name in ["", *BAD_FEATURES]),
        *(("proxy", "name", name) for name in ["", *BAD_PROXIES]),
    ],
)
def test_rest_refuses_a_name_that_cannot_be(web: Client, registry: Registry, kind: str, field: str, value: str) -> None:
    assert list(refused_by_rest(web, kind, **{field: value})) == [field]


@pytest.mark.parametrize("name", ["", *BAD_FEATURES])
def test_rest_refuses_a_models_feature_that_cannot_be(web: Client, registry: Registry, name: str) -> None:
    (field,) = refused_by_rest(web, "model", features=[{"name": name}])
    assert field.startswith("features")


# --- The registry file --------------------------------------------------------------------------------------------

APPLY: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "team": lambda changed: {"teams": [TEAM | changed]},
    "model": lambda changed: {"models": [MODEL | changed]},
    "version": lambda changed: {"models": [MODEL | {"versions": [VERSION | changed]}]},
    "baseline": lambda changed: {"models": [MODEL | {"baselines": [_profiled(BASELINE | changed)]}]},
    "pipeline": lambda changed: {"models": [MODEL | {"pipeline_releases": [{"release": "features-9"} | changed]}]},
    "feature": lambda changed: {"models": [MODEL | {"features": [{"name": "age"} | changed]}]},
    "custom": lambda changed: {"custom_alerts": [CUSTOM | changed]},
    "proxy": lambda changed: {"business_proxies": [PROXY | changed]},
    "runbook": lambda changed: {
        "runbooks": [{"model": "fraud", "alert": "MLServingDown", "owner_team": "payments", "body": RUNBOOK} | changed]
    },
}


def _profiled(baseline: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in baseline.items() if name != "profile"} | {"profile_file": "profile.json"}


def apply(folder: Path, kind: str, changed: dict[str, Any]) -> list[str]:
    """What is wrong with the file, line by line; a field that is ... is left out."""
    document = APPLY[kind](changed)
    file = folder / "registry.yml"
    file.write_text(yaml.safe_dump(_without_dots(document), allow_unicode=True), encoding="utf-8")
    (folder / "profile.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    return [str(problem) for problem in apply_files([file], actor=SYSTEM).problems]


def _without_dots(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_dots(inner) for name, inner in value.items() if inner is not ...}
    return [_without_dots(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", APPLY)
def test_a_file_brings_what_the_refusals_are_made_from(tmp_path: Path, registry: Registry, kind: str) -> None:
    assert apply(tmp_path, kind, {}) == []


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        *(("model", {team: value}) for team in TEAMS for value in (..., None, "", "nobody")),
        ("custom", {"runbook": ...}),
        ("custom", {"runbook": ""}),
        ("custom", {"runbook": "Look."}),
        ("custom", {"owner": ""}),
        ("runbook", {"owner_team": ...}),
        ("runbook", {"owner_team": "nobody"}),
        ("runbook", {"body": ""}),
        ("runbook", {"body": "Look."}),
        *(("team", {"name": name}) for name in ["", *BAD_NAMES]),
        *(("model", {"name": name}) for name in ["", *BAD_NAMES]),
        *(("version", {"version": version}) for version in ["", *BAD_VERSIONS]),
        *(("baseline", {"name": version}) for version in ["", *BAD_VERSIONS]),
        *(("pipeline", {"release": version}) for version in ["", *BAD_VERSIONS]),
        *(("feature", {"name": name}) for name in ["", " x", *BAD_FEATURES]),
        *(("proxy", {"name": name}) for name in ["", *BAD_PROXIES]),
    ],
)
def test_a_file_that_states_what_cannot_be_changes_nothing(
    tmp_path: Path, registry: Registry, kind: str, changed: dict[str, Any]
) -> None:
    before = stored()
    problems = apply(tmp_path, kind, changed)
    (field,) = changed
    # A name that is too long is told so twice, by the column too.
    assert problems and all(field in problem for problem in problems), problems
    assert stored() == before


# --- The web UI ---------------------------------------------------------------------------------------------------


def refused_by_form(web: Client, address: str, changed: dict[str, Any], **context: Any) -> set[str]:
    """The fields at which the page shows errors, after its own empty form was sent with `changed`."""
    page = web.get(address)
    sent: dict[str, Any] = {}
    forms = [page.context["adminform"].form]
    for inline in page.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    for form in forms:
        for bound in form:
            value = bound.value()
            if value not in (None, False, [], {}):
                sent[bound.html_name] = value
    before = stored()
    answer = web.post(address, {name: v for name, v in {**sent, **changed}.items() if v is not ...})
    if answer.status_code == 302:
        return set()
    assert stored() == before
    shown = [answer.context["adminform"].form]
    for inline in answer.context["inline_admin_formsets"]:
        shown += inline.formset.forms
    return {name for form in shown for name in form.errors}


ADMIN = "/admin/models_registry"


def model_form(team: Team, **changed: Any) -> dict[str, Any]:
    return {
        "name": "churn",
        "risk": "standard",
        "task": "binary_classification",
        "classes": "stays, leaves",
        **dict.fromkeys(TEAMS, team.pk),
        "versions-TOTAL_FORMS": "1",
        "versions-0-version": "v1",
        "versions-0-framework": "sklearn",
        "versions-0-artifact": "/srv/churn.skops",
        "versions-0-sha256": SHA256,
        "features-TOTAL_FORMS": "1",
        "features-0-name": "age",
        "features-0-kind": "numeric",
        "features-0-position": "0",
    } | changed


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({}, set()),
        *(({team: ...}, {team}) for team in TEAMS),
        *(({"name": name}, {"name"}) for name in ["", *BAD_NAMES]),
        *(({"versions-0-version": version}, {"version"}) for version in BAD_VERSIONS),
        *(({"features-0-name": name}, {"name"}) for name in BAD_FEATURES),
    ],
)
def test_the_models_form_names_the_field(
    web: Client, registry: Registry, changed: dict[str, Any], fields: set[str]
) -> None:
    form = model_form(registry.team, **changed)
    assert refused_by_form(web, f"{ADMIN}/mlmodel/add/", form) == fields


@pytest.mark.parametrize("name", ["", *BAD_NAMES])
def test_the_teams_form_names_the_field(web: Client, registry: Registry, name: str) -> None:
    assert refused_by_form(web, f"{ADMIN}/team/add/", {"name": name}) == {"name"}


@pytest.mark.parametrize(
    ("page", "given", "field", "values"),
    [
        (
            "modelversion",
            {"framework": "onnx", "artifact": "/srv/9.onnx", "sha256": SHA256},
            "version",
            BAD_VERSIONS,
        ),
        (
            "pipelinerelease",
            {"released_at_0": "2026-07-01", "released_at_1": "12:00"},
            "release",
            BAD_VERSIONS,
        ),
        ("feature", {"kind": "numeric", "position": "9"}, "name", BAD_FEATURES),
    ],
)
def test_the_forms_of_what_belongs_to_a_model_name_the_field(
    web: Client, registry: Registry, page: str, given: dict[str, Any], field: str, values: list[str]
) -> None:
    address = f"{ADMIN}/{page}/add/"
    for value in values:
        assert refused_by_form(web, address, {"model": registry.model.pk, **given, field: value}) == {field}, value
    assert refused_by_form(web, address, {"model": registry.model.pk, **given, field: "good-9"}) == set()


@pytest.mark.parametrize("name", ["", *BAD_PROXIES])
def test_the_proxys_form_names_the_field(web: Client, registry: Registry, name: str) -> None:
    form = {"model": registry.model.pk, "lower": "0.6", "name": name}
    assert refused_by_form(web, "/admin/drift/businessproxy/add/", form) == {"name"}


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({}, set()),
        ({"owner": ...}, {"owner"}),
        ({"runbook": ""}, {"runbook"}),
        ({"runbook": "Look."}, {"runbook"}),
    ],
)
def test_the_custom_alerts_form_names_the_field(
    web: Client, registry: Registry, changed: dict[str, Any], fields: set[str]
) -> None:
    form = {
        "model": registry.model.pk,
        "name": "BadTooMany",
        "description": "Too many bad ones.",
        "severity": "ticket",
        "owner": "data",
        "expression": "up == 0",
        "for_seconds": "5m",
        "fires_case": "up 0x20\nat 15m",
        "silent_case": "at 15m",
        "runbook": RUNBOOK,
    }
    assert refused_by_form(web, "/admin/alerts/customalert/add/", form | changed) == fields


# --- Past every form ------------------------------------------------------------------------------------------------


@pytest.mark.database
@pytest.mark.parametrize("changed", [{"runbook": ""}, {"owner": ""}, {"owner": "nobody"}])
def test_the_database_refuses_a_custom_alert_without_owner_or_runbook(
    registry: Registry, changed: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        CustomAlert.objects.bulk_create([CustomAlert(**{**CUSTOM, "model": registry.model, **changed})])


@pytest.mark.database
@pytest.mark.parametrize("changed", [{"body": ""}, {"owner_team": None}])
def test_the_database_refuses_a_runbook_without_text_or_owner(registry: Registry, changed: dict[str, Any]) -> None:
    given = {"model": registry.model, "alert": "MLServingDown", "body": RUNBOOK, "owner_team": registry.team}
    with pytest.raises(IntegrityError), transaction.atomic():
        Runbook.objects.bulk_create([Runbook(**{**given, **changed})])
