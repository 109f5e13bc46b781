"""Editing and deleting through the plain functions: names refused on entry, one Change an edit, nothing half done."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from models_registry import edits, removal
from models_registry.actor import SYSTEM, Actor
from models_registry.baselines import freeze_baseline, profile_hash
from models_registry.documents import baseline_document, feature_document, team_document, version_document
from models_registry.models import (
    Baseline,
    Change,
    Feature,
    Member,
    MLModel,
    ModelVersion,
    PipelineRelease,
    Receiver,
    Team,
)
from models_registry.removal import InUse
from tests.fixtures.registry import (
    SHA256,
    Registry,
    make_baseline,
    make_model,
    make_pipeline,
    make_team,
    make_user,
    make_version,
)

pytestmark = [pytest.mark.django_db, pytest.mark.database]

BAD_NAMES = ["", "A", "a_b", "-a", "a-", "a" * 64, "a b", "a.b", "ä", "a/b", 'a"', "a\n", "{{a}}", "../a", "$labels"]
BAD_VERSIONS = ["", ".1", "-1", "a" * 65, "v 1", "v/1", "ü", "v1\n", 'v"', "{{v}}", "..", "v1|v2"]
BAD_FEATURES = ["", " a", "a ", "a\nb", "a\x00", "a" * 129, "\u200b", "a\tb"]
GOOD_FEATURES = ["größe", "a b", "a/b", 'a"b', "{{x}}", "a" * 128, "特徴", "50%", "`x`", "$labels", "a\\b", "..."]


def refused(row) -> set[str]:
    """The fields that a full check of `row` refuses."""
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    return set(caught.value.message_dict)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_cannot_be_labels_are_refused(registry: Registry, name: str):
    assert "name" in refused(Team(name=name))
    team = registry.team
    model = MLModel(name=name, classes=["a", "b"], on_call_team=team, applied_ml_team=team, data_team=team)
    assert refused(model) == {"name"}


@pytest.mark.parametrize("version", BAD_VERSIONS)
def test_versions_that_cannot_be_labels_are_refused(registry: Registry, version: str):
    model = registry.model
    assert "version" in refused(ModelVersion(model=model, version=version, artifact="/a", sha256=SHA256))
    assert "name" in refused(Baseline(model=model, name=version, population="all", profile={"rows": 1}))
    assert "release" in refused(PipelineRelease(model=model, release=version))


@pytest.mark.parametrize("name", BAD_FEATURES)
def test_features_that_cannot_be_shown_are_refused(registry: Registry, name: str):
    assert "name" in refused(Feature(model=registry.model, name=name))


@pytest.mark.parametrize("name", GOOD_FEATURES)
def test_features_are_free_text_otherwise(registry: Registry, name: str):
    Feature(model=registry.model, name=name).full_clean()


@pytest.mark.parametrize(
    "artifact",
    [
        "",
        "relative.onnx",
        "/a/../b",
        "ftp://x/y",
        "http://user:secret@host/x",
        "http://",
        "javascript:alert(1)",
        "file:///etc",
    ],
)
def test_artifacts_that_no_replica_should_open_are_refused(registry: Registry, artifact: str):
    version = ModelVersion(model=registry.model, version="x", artifact=artifact, sha256=SHA256)
    assert refused(version) == {"artifact"}


@pytest.mark.parametrize("sha256", ["", "abc", "G" * 64, "A" * 64, "0" * 63, "0" * 65])
def test_hashes_that_are_none_are_refused(registry: Registry, sha256: str):
    assert refused(ModelVersion(model=registry.model, version="x", artifact="/a", sha256=sha256)) == {"sha256"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "webhook", "address": "hooks.example"}, "address"),
        ({"kind": "webhook", "address": "http://user:pw@host/"}, "address"),
        ({"kind": "webhook", "address": "http://host/", "secret_file": "/x"}, "secret_file"),
        ({"kind": "slack", "address": "team", "secret_file": "/x"}, "address"),
        ({"kind": "slack", "address": "#team"}, "secret_file"),
        ({"kind": "pagerduty", "address": "x", "secret_file": "/x"}, "address"),
        ({"kind": "pagerduty", "secret_file": "relative"}, "secret_file"),
        ({"kind": "carrier-pigeon"}, "kind"),
    ],
)
def test_receivers_that_cannot_work_are_refused(registry: Registry, fields: dict, field: str):
    receiver = Receiver(team=make_team("other", receivers=False), severity="page", **fields)
    assert field in refused(receiver)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"working_days": ["someday"]}, "working_days"),
        ({"working_days": []}, "working_days"),
        ({"hours_start": "18:00", "hours_end": "09:00"}, "hours_end"),
    ],
)
def test_hours_that_cannot_be_are_refused(db: None, fields: dict, field: str):
    assert field in refused(Team(name="x", **{"hours_start": "09:00", "hours_end": "17:00", **fields}))


# --- An invariant: no model without owners ----------------------------------------------------------------------


@pytest.mark.parametrize("owner", ["on_call_team", "applied_ml_team", "data_team"])
def test_a_model_without_an_owner_cannot_be_stored(registry: Registry, owner: str):
    """Not even past the checks: the database itself refuses it."""
    with pytest.raises(IntegrityError):
        MLModel.objects.filter(pk=registry.model.pk).update(**{owner: None})


def test_a_team_that_owns_a_model_or_a_feature_stays(registry: Registry):
    with pytest.raises(InUse, match="needed by model fraud: give them to another team first"):
        removal.delete_team(registry.team, actor=SYSTEM)
    owner = make_team("geo")
    Feature.objects.update(team=owner)
    with pytest.raises(InUse, match="feature amount of fraud, feature country of fraud"):
        removal.delete_team(owner, actor=SYSTEM)
    assert not Change.objects.filter(object_type="team").exists()


def test_the_team_that_is_told_when_plumbline_is_down_stays(db: None):
    with pytest.raises(InUse, match="name another team in PLATFORM_TEAM first"):
        removal.delete_team(make_team("platform"), actor=SYSTEM)
    assert Team.objects.get().name == "platform"


# --- Edits and their Changes ------------------------------------------------------------------------------------


def test_a_team_is_saved_with_all_that_it_has_as_one_change(registry: Registry):
    user = make_user("ann")
    change = edits.save_team(
        registry.team,
        actor=Actor.of(user),
        receivers=[Receiver(severity="page", kind="webhook", address="http://127.0.0.1:9/new")],
        members=[Member(user=user, role="on-call")],
    )
    assert change.author == "ann"
    assert sorted(change.before["receivers"]) == ["page", "ticket"]
    assert change.after["receivers"] == {"page": {"kind": "webhook", "address": "http://127.0.0.1:9/new"}}
    assert change.after["members"] == {"ann": "on-call"}
    again = edits.save_team(registry.team, actor=SYSTEM, members=[Member(user=user, role="on-call")])
    assert again is None


def test_a_row_that_is_wrong_takes_the_whole_edit_back(registry: Registry):
    registry.model.description = "new"
    with pytest.raises(ValidationError) as caught:
        edits.save_model(
            registry.model, actor=SYSTEM, features=[Feature(name="a"), Feature(name="b", minimum=2, maximum=1)]
        )
    assert list(caught.value.message_dict) == ["features.b.maximum"]
    registry.model.refresh_from_db()
    assert registry.model.description == ""
    assert registry.model.features.count() == 2


def test_features_listed_twice_are_named(registry: Registry):
    with pytest.raises(ValidationError, match="listed twice"):
        edits.save_model(registry.model, actor=SYSTEM, features=[Feature(name="a"), Feature(name="a")])


def test_two_features_may_swap_their_places_but_keep_their_rows(registry: Registry):
    ids = dict(registry.model.features.values_list("name", "pk"))
    edits.save_model(
        registry.model, actor=SYSTEM, features=[Feature(name="country", kind="categorical"), Feature(name="amount")]
    )
    assert list(registry.model.features.values_list("name", "pk")) == [
        ("country", ids["country"]),
        ("amount", ids["amount"]),
    ]


def test_another_baseline_of_a_version_is_a_change_of_the_baseline(registry: Registry):
    version = registry.model.versions.get(version="v1")
    version.baseline = make_baseline(registry.model)
    assert edits.save_version(version, actor=SYSTEM).kind == "baseline"


def test_a_version_registered_by_two_at_once_is_registered_once(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    fields = {"model": registry.model, "version": "v3", "artifact": "/srv/3.skops", "sha256": SHA256}
    real = edits._known_version
    answers = iter([None])

    def late(version: ModelVersion):
        # The first look finds nothing, and in between somebody else registers it.
        found = next(answers, "look")
        if found is None:
            make_version(registry.model, "v3", artifact="/srv/3.skops")
            return None
        return real(version)

    monkeypatch.setattr(edits, "_known_version", late)
    version, change = edits.register_version(ModelVersion(**fields), actor=SYSTEM)
    assert change is None
    assert version.pk == registry.model.versions.get(version="v3").pk


def test_the_hash_of_a_profile_is_over_its_content_not_its_order():
    assert profile_hash({"a": 1, "b": {"c": 2, "d": 3}}) == profile_hash({"b": {"d": 3, "c": 2}, "a": 1})
    assert profile_hash({"a": 1}) != profile_hash({"a": 2})


def test_a_baseline_is_frozen_once(registry: Registry):
    baseline = make_baseline(registry.model, frozen=False)
    change = freeze_baseline(baseline, actor=SYSTEM)
    assert (change.kind, change.after["frozen"], baseline.sha256) == ("baseline", True, profile_hash(baseline.profile))
    assert freeze_baseline(baseline, actor=SYSTEM) is None


def numeric(*counts: int) -> dict:
    edges = list(range(len(counts) - 1))
    return {"kind": "numeric", "edges": edges, "counts": list(counts), "missing": 0, "minimum": 0, "maximum": 9}


@pytest.mark.parametrize(
    ("profile", "named"),
    [
        ({"features": {"amount": numeric(900), "age": numeric(400, 500)}}, "amount: all values"),
        ({"features": {"amount": numeric(900), "age": numeric(900)}}, "amount, age: all values"),
        (
            {"features": {"country": {"kind": "categorical", "categories": [], "counts": [], "other": 9}}},
            "country: all",
        ),
        ({"features": {}, "score": numeric(900)}, "the score: all values"),
    ],
)
def test_a_profile_in_which_no_drift_would_show_is_not_frozen(registry: Registry, profile: dict, named: str):
    baseline = make_baseline(registry.model, frozen=False, profile={"schema": 1, "rows": 900, **profile})
    with pytest.raises(ValueError, match=f"{named}.*python -m drift profile"):
        freeze_baseline(baseline, actor=SYSTEM)
    baseline.refresh_from_db()
    assert baseline.frozen_at is None


def test_a_constant_and_a_feature_without_values_are_frozen(registry: Registry):
    features = {"constant": numeric(0, 900, 0), "new": numeric(0)}
    baseline = make_baseline(registry.model, frozen=False, profile={"schema": 1, "rows": 900, "features": features})
    assert freeze_baseline(baseline, actor=SYSTEM) is not None


@pytest.mark.parametrize("field", ["name", "population", "profile", "data_until"])
def test_what_a_frozen_baseline_says_stays(registry: Registry, field: str):
    baseline = make_baseline(registry.model)
    setattr(baseline, field, None if field == "data_until" else {"rows": 5} if field == "profile" else "other")
    with pytest.raises(ValidationError) as caught:
        edits.save_baseline(baseline, actor=SYSTEM)
    assert list(caught.value.message_dict) == [field]


# --- Deleting ---------------------------------------------------------------------------------------------------


def test_a_model_goes_with_all_that_belongs_to_it_but_its_changes_stay(registry: Registry):
    model = make_model("idle", registry.team, features=("a",))
    baseline = make_baseline(model)
    make_version(model, "v2", baseline=baseline, pipeline_release=make_pipeline(model))
    removal.delete_model(model, actor=SYSTEM)
    assert not ModelVersion.objects.filter(version="v2", model__name="idle").exists()
    kept = Change.objects.filter(model_name="idle")
    assert kept.first().summary == "model idle deleted"
    assert {c.model for c in kept} == {None}


def test_what_a_version_needs_stays(registry: Registry):
    baseline, pipeline = make_baseline(registry.model), make_pipeline(registry.model)
    ModelVersion.objects.filter(version="v2").update(baseline=baseline, pipeline_release=pipeline)
    with pytest.raises(InUse, match="version fraud v2: give them another baseline first"):
        removal.delete_baseline(baseline, actor=SYSTEM)
    with pytest.raises(InUse, match="version fraud v2: name another release there first"):
        removal.delete_pipeline_release(pipeline, actor=SYSTEM)


def test_an_unused_version_goes(registry: Registry):
    change = removal.delete_version(registry.model.versions.get(version="v2"), actor=SYSTEM)
    assert (change.version, change.before["version"], change.after) == ("v2", "v2", None)


# --- Documents --------------------------------------------------------------------------------------------------


def test_documents_state_what_was_said_and_hold_no_secret(registry: Registry):
    receiver = registry.team.receivers.get(severity="page")
    receiver.kind, receiver.address, receiver.secret_file = "pagerduty", "", "/etc/secrets/key"
    receiver.save()
    assert team_document(registry.team)["receivers"]["page"] == {
        "kind": "pagerduty",
        "secret_file": "/etc/secrets/key",
    }
    assert feature_document(registry.model.features.get(name="amount")) == {"name": "amount", "kind": "numeric"}
    zero = Feature(name="z", minimum=0.0, missing_limit=0.0, default=0)
    assert feature_document(zero) == {
        "name": "z",
        "kind": "numeric",
        "minimum": 0.0,
        "missing_limit": 0.0,
        "default": 0,
    }
    assert version_document(registry.model.versions.get(version="v1"))["sha256"] == SHA256
    assert "profile" not in baseline_document(make_baseline(registry.model))


def test_a_stranger_is_the_author_of_nothing(rf):
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415

    with pytest.raises(ValueError, match="signed-in"):
        Actor.of(AnonymousUser())
