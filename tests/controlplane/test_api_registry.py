"""The registry over REST: what an editor, and CI, can rely on."""

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client

from models_registry.models import Change, MLModel, ModelVersion, Team
from tests.fixtures.registry import (
    PROFILE,
    SHA256,
    Registry,
    make_baseline,
    make_model,
    make_team,
    make_user,
    make_version,
)

pytestmark = pytest.mark.django_db


class Api:
    """JSON in, (status, JSON) out."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)

    def __call__(self, method: str, address: str, body=None):
        options = {} if method == "get" else {"data": {} if body is None else body, "content_type": "application/json"}
        answer = getattr(self.client, method)(f"/api/{address}", **options)
        return answer.status_code, answer.json() if answer.content else None


@pytest.fixture
def api(owner: User) -> Api:
    return Api(owner)


@pytest.fixture
def root_api(superuser: User) -> Api:
    return Api(superuser)


NEW_MODEL = {
    "name": "churn",
    "task": "binary_classification",
    "classes": ["stays", "leaves"],
    "on_call_team": "payments",
    "applied_ml_team": "payments",
    "data_team": "payments",
}
VERSION = {"version": "v3", "framework": "onnx", "artifact": "/srv/v3.onnx", "sha256": SHA256}


# --- Models and what belongs to them ----------------------------------------------------------------------------


def test_a_model_is_registered_with_its_features_in_order(api: Api):
    features = [
        {"name": "tenure months", "minimum": 0, "critical": True},
        {"name": "plan/länge", "kind": "categorical", "categories": ["basic", "pro"], "team": "payments"},
    ]
    status, shown = api("post", "models/", {**NEW_MODEL, "features": features})
    assert status == 201
    assert [f["name"] for f in shown["features"]] == ["tenure months", "plan/länge"]
    assert shown["traffic"]["live"] is None
    change = Change.objects.get(model_name="churn")
    assert (change.author, change.before, change.after["features"][1]["team"]) == ("owner", None, "payments")


def test_features_given_again_replace_those_of_the_model(api: Api, registry: Registry):
    amount = registry.model.features.get(name="amount")
    status, shown = api("patch", "models/fraud/", {"features": [{"name": "age"}, {"name": "amount", "maximum": 9}]})
    assert status == 200
    assert [(f["name"], f["maximum"]) for f in shown["features"]] == [("age", None), ("amount", 9.0)]
    assert registry.model.features.get(name="amount").pk == amount.pk
    change = Change.objects.first()
    assert [f["name"] for f in change.before["features"]] == ["amount", "country"]
    assert [f["name"] for f in change.after["features"]] == ["age", "amount"]


def test_an_edit_that_changes_nothing_writes_no_change(api: Api, registry: Registry):
    count = Change.objects.count()
    shown = api("get", "models/fraud/")[1]
    assert api("put", "models/fraud/", shown)[0] == 200
    assert Change.objects.count() == count


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "Churn!", "lower-case"),
        ("name", "a" * 64, "63"),
        ("classes", ["one"], "two classes"),
        ("classes", ["a", "a"], "once"),
        ("risk", "enormous", "not a valid choice"),
        ("on_call_team", "nobody", "nobody"),
        ("timeout_seconds", 0, "0.01"),
        ("in_flight_limit", "many", "integer"),
        ("colour", "red", "Unknown field; known: applied_ml_team"),
    ],
)
def test_a_wrong_field_is_named(api: Api, field: str, value: object, said: str):
    status, errors = api("post", "models/", {**NEW_MODEL, field: value})
    assert status == 400
    assert list(errors) == [field]
    assert said in str(errors[field])
    assert not MLModel.objects.filter(description="").exclude(name="fraud").exists()


def test_a_wrong_field_of_a_feature_is_named_with_the_feature(api: Api):
    features = [{"name": "age"}, {"name": "plan", "kind": "categorical", "minimum": 1}]
    status, errors = api("post", "models/", {**NEW_MODEL, "features": features})
    assert (status, list(errors)) == (400, ["features.plan.minimum"])
    assert not MLModel.objects.filter(name="churn").exists()


@pytest.mark.parametrize("address", ["models/fraud/", "teams/payments/"])
def test_what_metrics_carry_keeps_its_name(api: Api, registry: Registry, address: str):
    status, errors = api("patch", address, {"name": "renamed"})
    assert (status, list(errors)) == (400, ["name"])


def test_an_editor_cannot_register_a_model_for_a_team_of_others(api: Api):
    make_team("search")
    teams = {"on_call_team": "search", "applied_ml_team": "search", "data_team": "search"}
    assert api("post", "models/", NEW_MODEL | teams)[0] == 403


def test_a_feature_with_a_slash_has_an_address(api: Api, registry: Registry):
    name = "größe/m² 100%"
    assert api("post", "models/fraud/features/", {"name": name})[0] == 201
    status, shown = api("patch", "models/fraud/features/gr%C3%B6%C3%9Fe%2Fm%C2%B2%20100%25/", {"critical": True})
    assert (status, shown["name"], shown["critical"]) == (200, name, True)
    assert registry.model.features.last().name == name


def test_deleting_a_feature_is_a_change(api: Api, registry: Registry):
    assert api("delete", "models/fraud/features/amount/")[0] == 204
    change = Change.objects.first()
    assert (change.summary, change.before["name"], change.after) == (
        "feature amount of fraud deleted",
        "amount",
        None,
    )


def test_a_baseline_of_another_model_is_unknown_here(api: Api, registry: Registry):
    make_baseline(make_model("churn", registry.team), "theirs")
    status, errors = api("post", "models/fraud/versions/", {**VERSION, "baseline": "theirs"})
    assert (status, list(errors)) == (400, ["baseline"])


def test_freezing_fixes_a_baseline_and_can_be_repeated(api: Api, registry: Registry):
    body = {"name": "q1", "population": "all", "profile": {"rows": 1000, "features": {}}}
    assert api("post", "models/fraud/baselines/", body)[0] == 201
    status, first = api("post", "models/fraud/baselines/q1/freeze/")
    assert (status, first["changed"], first["baseline"]["rows"]) == (200, True, 1000)
    assert api("post", "models/fraud/baselines/q1/freeze/")[1]["changed"] is False
    assert api("patch", "models/fraud/baselines/q1/", {"max_age_days": 30})[0] == 200
    status, errors = api("patch", "models/fraud/baselines/q1/", {"population": "others"})
    assert (status, list(errors)) == (400, ["population"])
    assert "frozen" in errors["population"][0]
    assert api("get", "models/fraud/baselines/q1/profile/")[1] == body["profile"]


def test_a_profile_without_rows_cannot_be_frozen(api: Api, registry: Registry):
    make_baseline(registry.model, "empty", frozen=False, profile={"rows": 0})
    status, errors = api("post", "models/fraud/baselines/empty/freeze/")
    assert (status, list(errors)) == (400, ["profile"])


def test_a_profile_that_is_replaced_is_a_change(api: Api, registry: Registry):
    make_baseline(registry.model, "q1", frozen=False)
    count = Change.objects.count()
    api("patch", "models/fraud/baselines/q1/", {"profile": {**PROFILE, "rows": 2000}})
    assert Change.objects.count() == count + 1


# --- Teams ------------------------------------------------------------------------------------------------------


def test_a_team_with_receivers_and_members(root_api: Api):
    make_user("alice")
    body = {
        "name": "search",
        "time_zone": "Europe/Berlin",
        "receivers": [{"severity": "page", "kind": "webhook", "address": "http://127.0.0.1:9/x"}],
        "members": [{"user": "alice", "role": "editor"}],
    }
    status, shown = root_api("post", "teams/", body)
    assert (status, shown["members"]) == (201, [{"user": "alice", "role": "editor"}])
    assert Team.objects.get(name="search").receivers.get().kind == "webhook"
    assert root_api("patch", "teams/search/", {"members": []})[1]["members"] == []
    assert Change.objects.first().before["members"] == {"alice": "editor"}


def test_a_receiver_that_cannot_work_is_named(root_api: Api):
    receivers = [
        {"severity": "page", "kind": "slack", "address": "alerts"},
        {"severity": "ticket", "kind": "webhook", "address": "not an address"},
    ]
    status, errors = root_api("post", "teams/", {"name": "search", "receivers": receivers})
    assert status == 400
    assert sorted(errors) == ["receivers.page.address", "receivers.page.secret_file", "receivers.ticket.address"]


def test_a_team_that_owns_a_model_stays(root_api: Api, registry: Registry):
    status, answer = root_api("delete", "teams/payments/")
    assert status == 409
    assert "model fraud" in answer["detail"]


# --- CI: register and deploy in one call ------------------------------------------------------------------------


def test_one_call_registers_and_deploys(api: Api, registry: Registry):
    status, shown = api("post", "models/fraud/versions/", {**VERSION, "deploy": {"percent": 10, "reason": "CI 42"}})
    assert (status, shown["state"]) == (201, "canary")
    assert api("get", "models/fraud/")[1]["traffic"] == {
        "live": "v1",
        "canary": "v3",
        "canary_percent": 10,
        "shadows": [],
        "previous_live": None,
    }
    deploy = Change.objects.get(kind="deploy", version="v3")
    assert (deploy.author, deploy.reason) == ("owner", "CI 42")


def test_the_same_call_again_changes_nothing(api: Api, registry: Registry):
    body = {**VERSION, "deploy": {"percent": 10}}
    api("post", "models/fraud/versions/", body)
    count = Change.objects.count()
    assert api("post", "models/fraud/versions/", body)[0] == 200
    assert Change.objects.count() == count


def test_a_repeated_call_does_not_undo_a_roll_back(api: Api, registry: Registry):
    body = {**VERSION, "deploy": {"percent": 10}}
    api("post", "models/fraud/versions/", body)
    api("post", "models/fraud/roll_back/", {"version": "v3"})
    status, shown = api("post", "models/fraud/versions/", body)
    assert (status, shown["state"]) == (200, "retired")


def test_another_content_under_the_same_name_is_refused_by_field(api: Api, registry: Registry):
    api("post", "models/fraud/versions/", VERSION)
    status, answer = api("post", "models/fraud/versions/", {**VERSION, "sha256": "f" * 64, "notes": "again"})
    assert status == 409
    assert sorted(answer["fields"]) == ["notes", "sha256"]
    assert "Register another version" in answer["detail"]


def test_a_deploy_that_cannot_be_leaves_no_version_behind(api: Api, registry: Registry, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("the process dies between the two")

    monkeypatch.setattr("models_registry.traffic.deploy", refuse)
    with pytest.raises(RuntimeError):
        api("post", "models/fraud/versions/", {**VERSION, "deploy": {"percent": 10}})
    assert not ModelVersion.objects.filter(version="v3").exists()
    assert not Change.objects.filter(version="v3").exists()


def test_what_a_version_is_stays_once_it_has_served(api: Api, registry: Registry):
    status, errors = api("patch", "models/fraud/versions/v1/", {"sha256": "f" * 64})
    assert (status, list(errors)) == (400, ["sha256"])
    assert api("patch", "models/fraud/versions/v2/", {"sha256": "f" * 64})[0] == 200


def test_a_version_with_traffic_stays(api: Api, registry: Registry):
    api("post", "models/fraud/deploy/", {"version": "v2", "percent": 100})
    for version, said in (("v2", "has traffic"), ("v1", "rolling back would return")):
        status, answer = api("delete", f"models/fraud/versions/{version}/")
        assert status == 409
        assert said in answer["detail"]


# --- Traffic ----------------------------------------------------------------------------------------------------

MOVES = [
    ("deploy", {"version": "v2", "percent": 20}),
    ("shift", {"percent": 5}),
    ("promote", {"version": "v2"}),
    ("roll_back", {"version": "v2"}),
    ("shadows", {"versions": ["v0"]}),
    ("withdraw", {}),
]


@pytest.mark.parametrize(("move", "body"), MOVES)
def test_each_move_is_safe_to_retry(api: Api, registry: Registry, move: str, body: dict):
    make_version(registry.model, "v0")
    api("post", "models/fraud/deploy/", {"version": "v2", "percent": 10})
    first, second = (api("post", f"models/fraud/{move}/", {**body, "reason": "because"}) for _ in range(2))
    assert [status for status, _ in (first, second)] == [200, 200]
    assert (first[1]["changed"], second[1]["changed"]) == (True, False)
    assert first[1]["traffic"] == second[1]["traffic"]
    assert Change.objects.get(uuid=first[1]["change"]).reason == "because"
    assert second[1]["change"] is None


def test_roll_back_without_a_name_never_goes_on_to_the_live_version(api: Api, registry: Registry):
    api("post", "models/fraud/deploy/", {"version": "v2", "percent": 100})
    make_version(registry.model, "v3")
    api("post", "models/fraud/deploy/", {"version": "v3", "percent": 10})
    status, answer = api("post", "models/fraud/roll_back/")
    assert (status, answer["changed"], answer["traffic"]["live"]) == (200, True, "v2")
    status, answer = api("post", "models/fraud/roll_back/")
    assert status == 409
    assert "no canary. To put v1 back in place of v2" in answer["detail"]
    assert api("get", "models/fraud/")[1]["traffic"]["live"] == "v2"
    # What the message names does it, once.
    named = json.loads(answer["detail"][answer["detail"].index("{") : -1])
    for changed in (True, False):
        status, answer = api("post", "models/fraud/roll_back/", named)
        assert (status, answer["changed"], answer["traffic"]["live"]) == (200, changed, "v1")


def test_roll_back_brings_a_withdrawn_model_back_as_its_page_does(api: Api, registry: Registry):
    api("post", "models/fraud/withdraw/")
    status, answer = api("post", "models/fraud/roll_back/")
    assert (status, answer["changed"], answer["traffic"]["live"]) == (200, True, "v1")
    assert api("post", "models/fraud/roll_back/")[0] == 409


def test_rolling_the_live_version_back_by_name(api: Api, registry: Registry):
    api("post", "models/fraud/deploy/", {"version": "v2", "percent": 100})
    assert api("post", "models/fraud/roll_back/", {"version": "v2"})[1]["traffic"]["live"] == "v1"


@pytest.mark.parametrize(
    ("move", "body", "status", "said"),
    [
        ("deploy", {"version": "v9", "percent": 10}, 400, "no version 'v9'"),
        ("deploy", {"version": "v2", "percent": 101}, 400, "100"),
        ("deploy", {"version": "v2"}, 400, "required"),
        ("deploy", {"version": "v2", "percent": 10, "percents": 20}, 400, "Unknown field"),
        ("deploy", {"version": "v1", "percent": 10}, 409, "live already"),
        ("shift", {"percent": 10}, 409, "no canary"),
        ("promote", {"version": "v2"}, 409, "no canary"),
        ("roll_back", {"version": "v1"}, 409, "nothing to roll back to"),
        ("roll_back", {}, 409, "nothing to roll back to"),
        ("roll_back", {"version": ""}, 400, "blank"),
        ("shadows", {"versions": ["v1"]}, 409, "answers requests already"),
    ],
)
def test_a_move_that_cannot_be_says_why(api: Api, registry: Registry, move: str, body: dict, status: int, said: str):
    answered, answer = api("post", f"models/fraud/{move}/", body)
    assert answered == status
    assert said in str(answer)


def test_a_model_that_serves_is_withdrawn_before_it_is_deleted(api: Api, registry: Registry):
    make_baseline(registry.model)
    status, answer = api("delete", "models/fraud/")
    assert status == 409
    assert "withdraw" in answer["detail"]
    api("post", "models/fraud/withdraw/")
    assert api("delete", "models/fraud/")[0] == 204
    assert not MLModel.objects.exists()
    assert Change.objects.first().model_name == "fraud"
