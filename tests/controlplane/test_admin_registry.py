"""Registering and editing in the web UI: forms without JSON, errors at fields, one Change a save, no query per row."""

import json

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from alerts.runbook_editing import save_runbook
from controlplane.admin.site import ComposedModelAdmin
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.admin.baselines import BaselineAdmin
from models_registry.models import Baseline, Change, Feature, MLModel, PipelineRelease, Team
from tests.fixtures.registry import SHA256, Registry, make_baseline, make_model, make_team, make_user

pytestmark = pytest.mark.django_db

ADMIN = "/admin/models_registry"


@pytest.fixture
def web(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def errors_of(answer) -> dict[str, list[str]]:
    """Every error of the page's forms, by field."""
    context = answer.context
    forms = [context["adminform"].form, *(f for i in context["inline_admin_formsets"] for f in i.formset.forms)]
    return {name: list(texts) for form in forms for name, texts in form.errors.items()}


def management(**counts: int) -> dict[str, str]:
    """What each inline of the page states of itself."""
    rooms = ("drift_check", "business_proxies", "objectives", "alert_policies", "custom_alerts", "runbooks")
    of_model = ("versions", "features", *rooms)
    totals = {f"{prefix}-TOTAL_FORMS": str(counts.get(prefix, 0)) for prefix in of_model}
    return totals | {f"{prefix}-INITIAL_FORMS": "0" for prefix in of_model}


def model_form(team: Team, **changed: object) -> dict[str, object]:
    return {
        **management(versions=1, features=2),
        "name": "churn",
        "description": "Who will leave",
        "risk": "standard",
        "task": "binary_classification",
        "classes": "stays, leaves",
        "on_call_team": team.pk,
        "applied_ml_team": team.pk,
        "data_team": team.pk,
        "in_flight_limit": "64",
        "timeout_seconds": "5",
        "versions-0-version": "v1",
        "versions-0-framework": "sklearn",
        "versions-0-artifact": "/srv/churn.skops",
        "versions-0-sha256": SHA256,
        "features-0-name": "plan",
        "features-0-kind": "categorical",
        "features-0-categories": "basic\npro, with support",
        "features-0-default": "basic",
        "features-0-position": "1",
        "features-1-name": "tenure",
        "features-1-kind": "numeric",
        "features-1-default": "0",
        "features-1-position": "0",
        **changed,
    }


# --- Registering ------------------------------------------------------------------------------------------------


def test_one_page_registers_a_model_with_its_first_version_and_features(web: Client, registry: Registry):
    answer = web.post(f"{ADMIN}/mlmodel/add/", model_form(registry.team))
    assert answer.status_code == 302, errors_of(answer)
    model = MLModel.objects.get(name="churn")
    assert model.classes == ["stays", "leaves"]
    assert model.versions.get().version == "v1"
    features = {f.name: (f.position, f.default, f.categories) for f in model.features.all()}
    assert features == {"tenure": (0, 0.0, []), "plan": (1, "basic", ["basic", "pro, with support"])}
    told = list(Change.objects.filter(model=model).order_by("at").values_list("summary", "author"))
    assert told == [("model churn registered", "owner"), ("version churn v1 registered", "owner")]


def test_what_was_typed_stays_when_somebody_else_was_faster(
    web: Client, registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    def meanwhile(*args: object) -> None:
        # Between the form's own look and the save.
        make_model("churn", registry.team)

    monkeypatch.setattr(ComposedModelAdmin, "save_model", meanwhile)
    answer = web.post(f"{ADMIN}/mlmodel/add/", model_form(registry.team))
    assert answer.status_code == 200
    assert errors_of(answer) == {"name": ["Model with this Name already exists."]}
    page = answer.content.decode()
    assert all(f'value="{typed}"' in page for typed in ("churn", "Who will leave", "/srv/churn.skops", "plan"))
    assert not Change.objects.filter(model_name="churn").exists()


def test_a_file_that_was_chosen_is_not_blamed_for_another_refusal(
    web: Client, registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    fields = {"model": registry.model.pk, "name": "q1", "population": "all", "max_age_days": "90"}
    monkeypatch.setattr(BaselineAdmin, "save_model", lambda *args: make_baseline(registry.model, "q1"))
    answer = web.post(f"{ADMIN}/baseline/add/", {**fields, "profile_file": profile({"rows": 1000})})
    assert errors_of(answer) == {NON_FIELD_ERRORS: ["Baseline with this Model and Name already exists."]}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "Churn!", "lower-case"),
        ("classes", "only", "two classes"),
        ("classes", "a, a", "once"),
        ("timeout_seconds", "0", "greater than or equal to 0.01"),
        ("on_call_team", "", "required"),
        ("versions-0-sha256", "short", "64 lower-case"),
        ("versions-0-artifact", "relative/path", "absolute path"),
        ("features-0-default", "basic", None),
        ("features-1-default", "many", "no number"),
        ("features-1-categories", "a, b", "a range, not categories"),
        ("features-0-minimum", "1", "categories, not a range"),
        ("features-1-name", "plan", "duplicate"),
    ],
)
def test_a_wrong_field_is_named(web: Client, registry: Registry, field: str, value: str, said: str | None):
    answer = web.post(f"{ADMIN}/mlmodel/add/", model_form(registry.team, **{field: value}))
    if said is None:
        assert answer.status_code == 302
        return
    assert answer.status_code == 200
    assert said in answer.content.decode()
    if "duplicate" not in said:
        assert list(errors_of(answer)) == [field.split("-")[-1]]
    assert not MLModel.objects.filter(name="churn").exists()


def test_a_model_of_a_team_of_others_is_refused_at_the_field(web: Client, registry: Registry):
    answer = web.post(f"{ADMIN}/mlmodel/add/", model_form(make_team("search")))
    assert list(errors_of(answer)) == ["on_call_team"]


def test_saving_a_page_unchanged_writes_no_change(web: Client, registry: Registry):
    count = Change.objects.count()
    address = f"{ADMIN}/mlmodel/{registry.model.pk}/change/"
    answer = web.post(address, posted(web, address))
    assert answer.status_code == 302, errors_of(answer)
    assert Change.objects.count() == count


def posted(web: Client, address: str, **changed: object) -> dict[str, object]:
    """What the browser would post of the page at `address`, with `changed` typed into it."""
    context = web.get(address).context
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    data = {}
    for form in forms:
        for bound in form:
            value = bound.field.prepare_value(bound.value()) if hasattr(bound.field, "prepare_value") else bound.value()
            if value is not None and value is not False:
                data[bound.html_name] = value
    return {**data, **changed}


def test_an_edit_of_a_feature_is_one_change_of_the_model(web: Client, registry: Registry):
    address = f"{ADMIN}/mlmodel/{registry.model.pk}/change/"
    answer = web.post(address, posted(web, address, **{"features-0-maximum": "100"}))
    assert answer.status_code == 302, errors_of(answer)
    change = Change.objects.first()
    assert (change.summary, change.after["features"][0]["maximum"]) == ("model fraud: features changed", 100.0)


def test_a_new_feature_comes_last(web: Client, registry: Registry):
    address = f"{ADMIN}/mlmodel/{registry.model.pk}/change/"
    page = web.get(address)
    formset = next(i.formset for i in page.context["inline_admin_formsets"] if i.formset.model is Feature)
    added = {"features-TOTAL_FORMS": "3", "features-2-name": "age", "features-2-kind": "numeric"}
    position = {"features-2-position": formset.empty_form["position"].value()}
    answer = web.post(address, posted(web, address, **added, **position))
    assert answer.status_code == 302, errors_of(answer)
    assert [f.name for f in registry.model.features.all()] == ["amount", "country", "age"]


def test_a_features_row_can_be_deleted(web: Client, registry: Registry):
    address = f"{ADMIN}/mlmodel/{registry.model.pk}/change/"
    answer = web.post(address, posted(web, address, **{"features-0-DELETE": "on"}))
    assert answer.status_code == 302, errors_of(answer)
    assert [f.name for f in registry.model.features.all()] == ["country"]


def test_a_page_of_a_model_of_many_features_is_taken(web: Client, registry: Registry):
    """Each is twelve fields: Django's own limit, a thousand, would be reached with eighty of them."""
    address = f"{ADMIN}/mlmodel/{registry.model.pk}/change/"
    form = posted(web, address, description="Wide", **{f"filler-{n}": "1" for n in range(3000)})
    assert web.post(address, form).status_code == 302
    registry.model.refresh_from_db()
    assert registry.model.description == "Wide"


def test_the_form_shows_traffic_and_cannot_change_it(web: Client, registry: Registry):
    traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)
    address = f"{ADMIN}/mlmodel/{registry.model.pk}/change/"
    page = web.get(address).content.decode()
    assert "v1 live 90 %, v2 canary 10 %" in page
    assert 'href="/models/fraud/"' in page
    web.post(address, posted(web, address, shown_traffic="v2 live", live="2", canary_percent="100"))
    assert traffic.read_split(registry.model.traffic).canary_percent == 10


# --- What belongs to a model ------------------------------------------------------------------------------------


def profile(content: object) -> SimpleUploadedFile:
    return SimpleUploadedFile("profile.json", content if isinstance(content, bytes) else json.dumps(content).encode())


def test_a_baseline_is_uploaded_and_frozen_after_a_question(web: Client, registry: Registry):
    fields = {"model": registry.model.pk, "name": "q1", "population": "all", "max_age_days": "90"}
    answer = web.post(f"{ADMIN}/baseline/add/", {**fields, "profile_file": profile({"rows": 1000})})
    assert answer.status_code == 302, errors_of(answer)
    baseline = Baseline.objects.get()
    assert baseline.profile == {"rows": 1000}
    freeze = f"{ADMIN}/baseline/{baseline.pk}/freeze/"
    assert b"can&#x27;t be undone" in web.get(freeze).content
    baseline.refresh_from_db()
    assert baseline.frozen_at is None
    assert web.post(freeze).status_code == 302
    baseline.refresh_from_db()
    assert (baseline.rows, baseline.frozen_at is None) == (1000, False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not json", "not JSON"),
        ([1], "holds no profile"),
        (b" " * (4 * 1024 * 1024 + 1), "larger than"),
        (None, "needs its profile"),
    ],
    ids=["text", "list", "large", "none"],
)
def test_a_profile_that_is_none_is_named(web: Client, registry: Registry, content: object, said: str):
    fields = {"model": registry.model.pk, "name": "q1", "population": "all", "max_age_days": "90"}
    upload = {} if content is None else {"profile_file": profile(content)}
    answer = web.post(f"{ADMIN}/baseline/add/", {**fields, **upload})
    assert said in str(errors_of(answer)["profile_file"])
    assert not Baseline.objects.exists()


def test_of_a_frozen_baseline_only_the_age_limit_is_a_field(web: Client, registry: Registry):
    baseline = make_baseline(registry.model)
    page = web.get(f"{ADMIN}/baseline/{baseline.pk}/change/")
    assert list(page.context["adminform"].form.fields) == ["max_age_days"]


def test_a_version_that_has_served_shows_what_it_is_and_keeps_it(web: Client, registry: Registry):
    served, new = (registry.model.versions.get(version=v) for v in ("v1", "v2"))
    fields = [
        list(web.get(f"{ADMIN}/modelversion/{v.pk}/change/").context["adminform"].form.fields) for v in (served, new)
    ]
    assert fields[0] == ["notes", "baseline", "pipeline_release"]
    assert fields[1] == ["version", "framework", "artifact", "sha256", "notes", "baseline", "pipeline_release"]


def test_a_version_of_a_model_of_others_cannot_be_added(web: Client, registry: Registry):
    theirs = make_model("theirs", make_team("search"))
    fields = {"model": theirs.pk, "version": "v9", "framework": "onnx", "artifact": "/x.onnx", "sha256": SHA256}
    answer = web.post(f"{ADMIN}/modelversion/add/", fields)
    assert errors_of(answer) == {"model": ["You are no editor of this model's teams."]}


def test_deleting_what_is_needed_is_refused_with_the_reason(web: Client, registry: Registry):
    address = f"{ADMIN}/mlmodel/{registry.model.pk}/delete/"
    answer = web.post(address, {"post": "yes"}, follow=True)
    assert "withdraw it first" in answer.content.decode()
    assert MLModel.objects.filter(name="fraud").exists()
    traffic.withdraw(registry.model, actor=SYSTEM)
    assert web.post(address, {"post": "yes"}).status_code == 302
    assert not MLModel.objects.filter(name="fraud").exists()
    assert Change.objects.first().summary == "model fraud deleted"


def test_a_team_is_edited_with_its_receivers_and_members(web: Client, registry: Registry):
    address = f"{ADMIN}/team/{registry.team.pk}/change/"
    page = posted(web, address)
    new = make_user("newcomer")
    typed = {
        "working_days": ["monday"],
        "members-TOTAL_FORMS": "2",
        "members-1-user": new.pk,
        "members-1-role": "on-call",
    }
    answer = web.post(address, {**page, **typed})
    assert answer.status_code == 302, errors_of(answer)
    registry.team.refresh_from_db()
    assert registry.team.working_days == ["monday"]
    assert registry.team.members.get(user=new).role == "on-call"
    assert Change.objects.first().after["members"] == {"newcomer": "on-call", "owner": "editor"}


def test_pipeline_releases_are_changes_of_the_pipeline(web: Client, registry: Registry):
    fields = {
        "model": registry.model.pk,
        "release": "features-7",
        "released_at_0": "2026-04-01",
        "released_at_1": "12:00",
    }
    answer = web.post(f"{ADMIN}/pipelinerelease/add/", fields)
    assert answer.status_code == 302, errors_of(answer)
    assert PipelineRelease.objects.get().release == "features-7"
    assert Change.objects.first().kind == "pipeline"


# --- What the other rooms keep of a model -----------------------------------------------------------------------

RUNBOOK = "## Meaning\n\nm\n\n## Impact\n\ni\n\n## Diagnosis\n\nd\n\n## Mitigation\n\nm\n"


def runbook_row(team: Team, body: str = RUNBOOK) -> dict[str, object]:
    fields = {"alert": "MLServingDown", "owner_team": team.pk, "body": body}
    return {"runbooks-TOTAL_FORMS": "1", **{f"runbooks-0-{name}": value for name, value in fields.items()}}


def test_a_model_is_registered_with_a_runbook_and_a_drift_check(web: Client, registry: Registry):
    check = {"drift_check-TOTAL_FORMS": "1", **{f"drift_check-0-{k}": v for k, v in drift_fields(web).items()}}
    check["drift_check-0-interval_seconds"] = "120"
    form = model_form(registry.team, **runbook_row(registry.team), **check)
    answer = web.post(f"{ADMIN}/mlmodel/add/", form)
    assert answer.status_code == 302, errors_of(answer)
    model = MLModel.objects.get(name="churn")
    assert model.runbooks.get().body == RUNBOOK
    assert model.drift_check.interval_seconds == 120
    assert {c.object_type for c in Change.objects.filter(model=model)} >= {"runbook", "drift check"}


def drift_fields(web: Client) -> dict[str, object]:
    """The drift check's empty form, filled in as the page fills it in."""
    inlines = web.get(f"{ADMIN}/mlmodel/add/").context["inline_admin_formsets"]
    form = next(i.formset.empty_form for i in inlines if i.formset.prefix == "drift_check")
    values = {bound.name: bound.value() for bound in form}
    return {name: "{}" if value == {} else value for name, value in values.items() if value not in (None, False)}


def test_a_runbook_without_a_section_is_refused_at_the_field(web: Client, registry: Registry):
    form = model_form(registry.team, **runbook_row(registry.team, body="## Meaning\n\nm"))
    assert list(errors_of(web.post(f"{ADMIN}/mlmodel/add/", form))) == ["body"]
    assert not MLModel.objects.filter(name="churn").exists()


def test_a_runbook_is_dropped_on_the_models_page(web: Client, registry: Registry):
    save_runbook("MLServingDown", registry.model, body=RUNBOOK, owner_team=registry.team, review_by=None, actor=SYSTEM)
    address = f"{ADMIN}/mlmodel/{registry.model.pk}/change/"
    answer = web.post(address, posted(web, address, **{"runbooks-0-DELETE": "on"}))
    assert answer.status_code == 302, errors_of(answer)
    assert not registry.model.runbooks.exists()
    assert "dropped" in Change.objects.first().summary


def test_the_models_page_leads_to_its_alerts(web: Client, registry: Registry):
    page = web.get(f"{ADMIN}/mlmodel/{registry.model.pk}/change/").content.decode()
    for address in ("/admin/alerts/alertpolicy/add/?model=fraud", "/admin/alerts/customalert/add/?model=fraud"):
        assert f'href="{address}"' in page
        assert web.get(address).status_code == 200
