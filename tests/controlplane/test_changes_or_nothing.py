"""Invariant 4, for every function that changes what the registry says: one Change each, or nothing at all.

The table is complete: a new function that takes an `actor` and is not in it fails the first test here.
"""

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers

import alerts
import dashboards
import drift
import models_registry
from alerts import policy_edits, runbook_editing
from alerts.models import AlertPolicy, CustomAlert, Objective
from alerts.runbook_sections import SECTIONS
from drift import edits as drift_edits
from drift import proxy_edits
from drift.models import BusinessProxy, DriftCheck
from models_registry import baselines, edits, removal, traffic
from models_registry.actor import Actor
from models_registry.models import Change, Feature, Member, MLModel, ModelVersion, PipelineRelease, Receiver
from models_registry.split import Split
from tests.fixtures.registry import (
    PROFILE,
    SHA256,
    Registry,
    make_baseline,
    make_model,
    make_pipeline,
    make_team,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.database]

ANA = Actor("ana")
ROOMS = (models_registry, alerts, dashboards, drift)
# They hand over to the functions of the table.
WRAPPERS = (".admin", ".api", ".views")
# The silence is Alertmanager's, not a row of ours; its Change is written once it is there.
ELSEWHERE = {"alerts.silences.silencing.silence_alert", "alerts.silences.silencing.end_silence"}
RUNBOOK = "".join(f"## {section}\n\nWords.\n\n" for section in SECTIONS)


def changed(row: Any, **fields: Any) -> Any:
    for name, value in fields.items():
        setattr(row, name, value)
    return row


def custom_alert(model: MLModel) -> CustomAlert:
    return CustomAlert(
        model=model,
        name="BadTooMany",
        expression="up == 0",
        description="Too many bad ones.",
        runbook=RUNBOOK,
        fires_case={"series": {"up": "0x20"}, "at": "15m"},
        silent_case={"series": {}, "at": "15m"},
    )


def objective(model: MLModel) -> Objective:
    return Objective(model=model, name="answers", kind="availability", target=0.99)


def stored(row: Any) -> Any:
    row.save()
    return row


def with_canary(model: MLModel) -> MLModel:
    traffic.deploy(model, "v2", percent=10, actor=ANA)
    return model


def with_runbook(registry: Registry) -> MLModel:
    runbook_editing.save_runbook(
        "MLServingDown", registry.model, body=RUNBOOK, owner_team=registry.team, review_by=None, actor=ANA
    )
    return registry.model


# Each prepares what it needs, and returns the edit itself.
Edit = Callable[[], Any]
EDITS: dict[str, Callable[[Registry], Edit]] = {}


def edit(function: Callable[..., Any], prepare: Callable[[Registry], tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
    """`prepare` makes the positional and the keyword arguments of `function`."""

    def prepared(registry: Registry) -> Edit:
        args, kwargs = prepare(registry)
        return lambda: function(*args, **kwargs, actor=ANA)

    EDITS[f"{function.__module__}.{function.__name__}"] = prepared


def version(model: MLModel, name: str) -> ModelVersion:
    return ModelVersion(model=model, version=name, framework="onnx", artifact="/srv/x.onnx", sha256=SHA256)


edit(
    edits.save_team,
    lambda r: (
        (changed(r.team, description="new"),),
        {
            "receivers": [Receiver(severity="page", kind="webhook", address="http://127.0.0.1:9/new")],
            "members": [Member(user=make_user("bob"), role="editor")],
        },
    ),
)
edit(
    edits.save_model,
    lambda r: (
        (changed(r.model, description="new"),),
        {"features": [Feature(name="new"), Feature(name="amount", critical=True)]},
    ),
)
edit(edits.save_feature, lambda r: ((changed(r.model.features.get(name="amount"), critical=True),), {}))
edit(edits.register_version, lambda r: ((version(r.model, "v3"),), {}))
edit(edits.save_version, lambda r: ((changed(r.model.versions.get(version="v2"), notes="new"),), {}))
edit(edits.save_baseline, lambda r: ((changed(make_baseline(r.model), max_age_days=7),), {}))
edit(edits.save_pipeline_release, lambda r: ((PipelineRelease(model=r.model, release="features-2"),), {}))
edit(baselines.freeze_baseline, lambda r: ((make_baseline(r.model, frozen=False, profile=PROFILE),), {}))
edit(traffic.deploy, lambda r: ((r.model, "v2"), {"percent": 10}))
edit(traffic.shift_traffic, lambda r: ((with_canary(r.model),), {"percent": 50}))
edit(traffic.promote, lambda r: ((with_canary(r.model),), {}))
edit(traffic.roll_back, lambda r: ((with_canary(r.model),), {}))
edit(traffic.withdraw, lambda r: ((with_canary(r.model),), {}))
edit(traffic.set_shadows, lambda r: ((r.model, {"v2"}), {}))
edit(traffic.set_split, lambda r: ((r.model, Split(live="v2", shadows=frozenset({"v1"}))), {}))
edit(removal.delete_team, lambda r: ((make_team("idle"),), {}))
edit(removal.delete_model, lambda r: ((make_model("idle", r.team, features=("a",)),), {}))
edit(removal.delete_feature, lambda r: ((r.model.features.get(name="amount"),), {}))
edit(removal.delete_version, lambda r: ((r.model.versions.get(version="v2"),), {}))
edit(removal.delete_baseline, lambda r: ((make_baseline(r.model),), {}))
edit(removal.delete_pipeline_release, lambda r: ((make_pipeline(r.model),), {}))
edit(policy_edits.set_policy, lambda r: (("MLServingDown",), {"model": r.model, "for_seconds": 30}))
edit(policy_edits.save_policy, lambda r: ((AlertPolicy(alert="MLServingDown", team=r.team, for_seconds=30),), {}))
edit(
    policy_edits.delete_policy,
    lambda r: ((stored(AlertPolicy(alert="MLServingDown", model=r.model, for_seconds=30)),), {}),
)
edit(policy_edits.save_custom_alert, lambda r: ((custom_alert(r.model),), {}))
edit(policy_edits.delete_custom_alert, lambda r: ((stored(custom_alert(r.model)),), {}))
edit(policy_edits.save_objective, lambda r: ((objective(r.model),), {}))
edit(policy_edits.delete_objective, lambda r: ((stored(objective(r.model)),), {}))
edit(
    runbook_editing.save_runbook,
    lambda r: (("MLServingDown", r.model), {"body": RUNBOOK, "owner_team": r.team, "review_by": None}),
)
edit(runbook_editing.drop_runbook, lambda r: (("MLServingDown", with_runbook(r)), {}))
edit(drift_edits.save_check, lambda r: ((changed(DriftCheck(model=r.model), psi_threshold=0.3),), {}))
edit(drift_edits.delete_check, lambda r: ((stored(DriftCheck(model=r.model)),), {}))
edit(proxy_edits.save_proxy, lambda r: ((BusinessProxy(model=r.model, name="approval_rate", lower=0.6),), {}))
edit(
    proxy_edits.delete_proxy,
    lambda r: ((stored(BusinessProxy(model=r.model, name="approval_rate", lower=0.6)),), {}),
)
edit(drift_edits.pause_check, lambda r: ((stored(DriftCheck(model=r.model)).model,), {"paused": True}))


def public_edits() -> Iterator[str]:
    """Every public function of the rooms that takes an actor."""
    for room in ROOMS:
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if any(part in module.name for part in WRAPPERS) or module.name.endswith("__main__"):
                continue
            for name, function in inspect.getmembers(import_module(module.name), inspect.isfunction):
                own = function.__module__ == module.name and not name.startswith("_")
                if own and "actor" in inspect.signature(function).parameters:
                    yield f"{module.name}.{name}"


def everything() -> dict[str, str]:
    """All rows of the rooms, Changes included."""
    return {
        kind._meta.label: serializers.serialize("json", kind._default_manager.order_by("pk"))
        for room in ROOMS
        for kind in apps.get_app_config(room.__name__).get_models(include_auto_created=True)
    }


def test_no_edit_is_left_out() -> None:
    found = set(public_edits()) - {"models_registry.changes.record"} - ELSEWHERE
    assert found == set(EDITS), f"to be added to EDITS here: {sorted(found - set(EDITS))}"


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_one_change_of_its_author(registry: Registry, name: str) -> None:
    run = EDITS[name](registry)
    before, count = everything(), Change.objects.count()
    run()
    assert Change.objects.count() == count + 1
    assert Change.objects.first().author == "ana"
    differing = {label for label, rows in everything().items() if rows != before[label]}
    assert differing > {"models_registry.Change"}, "something else than its Change differs too"


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_whose_change_cannot_be_written_did_not_happen(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run = EDITS[name](registry)
    before = everything()

    def full(**_: Any) -> Change:
        raise OSError("No space left on device")

    monkeypatch.setattr("models_registry.changes.Change.objects.create", full)
    with pytest.raises(OSError, match="No space left"):
        run()
    assert everything() == before


@pytest.mark.parametrize("name", [name for name in EDITS if name.rpartition(".")[2].startswith(("delete", "drop"))])
def test_a_deletion_that_fails_leaves_no_change(registry: Registry, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run = EDITS[name](registry)
    before = everything()

    def locked(*_: Any, **__: Any) -> None:
        raise OSError("database is locked")

    monkeypatch.setattr("django.db.models.deletion.Collector.delete", locked)
    with pytest.raises(OSError, match="locked"):
        run()
    assert everything() == before
