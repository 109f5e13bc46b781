"""`apply --prune`: what the files leave out of the lists that they state is removed, all or nothing."""

from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command

from alerts.models import AlertPolicy, CustomAlert, Objective, Runbook
from alerts.policy_edits import save_custom_alert, save_objective, set_policy
from alerts.runbook_editing import save_runbook
from alerts.runbook_sections import SECTIONS as RUNBOOK_SECTIONS
from controlplane.registry_file import Outcome, apply_files, export
from drift.edits import ensure_checks, save_check
from drift.models import BusinessProxy, DriftCheck
from drift.proxy_edits import save_proxy
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import Change, MLModel, ModelVersion, Team
from models_registry.split import Split
from tests.fixtures.registry import Registry, make_baseline, make_model, make_pipeline, make_team, make_version

TEXT = "".join(f"## {section}\n\nWords.\n\n" for section in RUNBOOK_SECTIONS)


def prune(folder: Path, *documents: dict, **options) -> Outcome:
    files = []
    for n, document in enumerate(documents):
        files.append(folder / f"registry-{n}.yml")
        files[-1].write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return apply_files(files, actor=SYSTEM, prune=True, **options)


def summaries(outcome: Outcome) -> list[str]:
    assert [str(p) for p in outcome.problems] == []
    return [change.summary for change in outcome.changes]


def problems(outcome: Outcome) -> list[str]:
    return [str(p).split(".yml:")[-1] for p in outcome.problems]


@pytest.fixture
def stated(registry: Registry) -> dict:
    """The registry as its export states it, before anything is added to it."""
    document = yaml.safe_load(export())
    assert document["custom_alerts"] == []
    return document


def add_belongings(model: MLModel) -> None:
    """One of each thing that can belong to a model."""
    case = {"series": {}, "at": "15m"}
    custom = CustomAlert(model=model, name="Odd", expression="up == 0", description="Odd.", runbook=TEXT)
    custom.fires_case = custom.silent_case = case
    save_custom_alert(custom, actor=SYSTEM)
    set_policy("MLServingDown", model=model, enabled=False, actor=SYSTEM)
    save_objective(Objective(model=model, name="fast", kind="latency", latency_seconds=0.2, target=0.99), actor=SYSTEM)
    save_runbook("MLServingDown", model, body=TEXT, owner_team=model.data_team, review_by=None, actor=SYSTEM)
    save_check(DriftCheck(model=model, psi_threshold=0.4), actor=SYSTEM)
    save_proxy(BusinessProxy(model=model, name="approval_rate", lower=0.6), actor=SYSTEM)
    baseline, release = make_baseline(model), make_pipeline(model)
    make_version(model, "old", baseline=baseline, pipeline_release=release)


def test_what_no_list_states_is_gone_with_a_change_for_each_and_a_second_time_nothing_changes(
    tmp_path: Path, registry: Registry, stated: dict
):
    make_team("search")
    set_policy("MLInferenceHighErrorRate", thresholds={"ratio": 0.07}, actor=SYSTEM)
    add_belongings(registry.model)
    stated["models"][0] |= {"baselines": [], "pipeline_releases": []}
    told = summaries(prune(tmp_path, stated))
    assert {t for t in told if "deleted" in t or "dropped" in t} == {
        "version fraud old deleted",
        "baseline 2026-q1 of fraud deleted",
        "pipeline release features-1 of fraud deleted",
        "fraud: runbook MLServingDown dropped, the wider text holds again",
        f"{Objective._meta.verbose_name} {Objective(model=registry.model, name='fast')} deleted",
        f"{CustomAlert._meta.verbose_name} Odd deleted",
        "fraud: business proxy approval_rate deleted",
        *(t for t in told if t.startswith(f"{AlertPolicy._meta.verbose_name} ")),
        "team search deleted",
    }
    for rows in (AlertPolicy, BusinessProxy, CustomAlert, Objective, Runbook):
        assert not rows.objects.exists()
    assert sorted(ModelVersion.objects.values_list("version", flat=True)) == ["v1", "v2"]
    assert yaml.safe_load(export())["models"] == [
        {k: v for k, v in stated["models"][0].items() if v != []},
    ]
    assert summaries(prune(tmp_path, stated)) == []


def test_a_model_that_serves_keeps_a_drift_check_with_the_defaults(tmp_path: Path, registry: Registry, stated: dict):
    save_check(DriftCheck(model=registry.model, psi_threshold=0.4), actor=SYSTEM)
    assert len(summaries(prune(tmp_path, stated))) == 1
    assert DriftCheck.objects.get().psi_threshold == DriftCheck().psi_threshold
    assert (ensure_checks(), summaries(prune(tmp_path, stated))) == (0, [])


def test_a_model_goes_with_all_that_belongs_to_it(tmp_path: Path, registry: Registry):
    old = make_model("old", make_team("search"), live="v1")
    add_belongings(old)
    set_policy("MLInferenceHighErrorRate", team=Team.objects.get(name="search"), for_seconds=90, actor=SYSTEM)
    everything = yaml.safe_load(export())
    kept = {name: [d for d in everything[name] if d["name"] not in ("old", "search")] for name in ("teams", "models")}
    traffic.withdraw(old, actor=SYSTEM)
    preview = prune(tmp_path, kept, dry_run=True)
    assert preview.left == {}
    told = summaries(prune(tmp_path, kept))
    assert told == summaries(preview)
    assert told[-2:] == ["model old deleted", "team search deleted"]
    assert len(told) == 9  # and a runbook, a drift check, a business proxy, an objective, a custom alert, two policies
    assert Change.objects.filter(model_name="old", summary="old: drift check deleted").exists()
    assert not DriftCheck.objects.filter(model__name="old").exists()
    assert not AlertPolicy.objects.exists()


def test_a_model_that_answers_requests_is_refused_with_the_remedy_and_nothing_is_changed(
    tmp_path: Path, registry: Registry, stated: dict
):
    add_belongings(registry.model)
    before = Change.objects.count()
    (told,) = problems(prune(tmp_path, {**stated, "models": []}))
    assert "models: fraud is not stated here and can't be removed: fraud answers requests" in told
    assert "withdraw it first (POST /api/models/fraud/withdraw/)" in told
    assert (Change.objects.count(), CustomAlert.objects.count()) == (before, 1)


@pytest.mark.parametrize(
    ("version", "why"),
    [("v1", "v1 has traffic: roll it back"), ("v2", "what rolling back would return to")],
)
def test_a_version_that_is_needed_is_refused(tmp_path: Path, registry: Registry, version: str, why: str):
    traffic.set_split(registry.model, Split(live="v1", previous_live="v2"), actor=SYSTEM)
    document = yaml.safe_load(export())["models"]
    document[0]["versions"] = [v for v in document[0]["versions"] if v["version"] != version]
    document[0].pop("traffic")
    (told,) = problems(prune(tmp_path, {"models": document}))
    assert "models[fraud].versions" in told and why in told


def test_what_would_be_written_and_gone_at_once_is_refused(tmp_path: Path, registry: Registry):
    traffic.withdraw(registry.model, actor=SYSTEM)
    policies = [{"alert": "MLServingDown", "model": "fraud", "enabled": False}]
    (told,) = problems(prune(tmp_path, {"models": [], "alert_policies": policies}))
    assert "'fraud' is not stated under `models` and would be removed with this: state it." in told
    assert MLModel.objects.exists()


def test_a_list_that_no_file_has_stays_and_is_told_of(tmp_path: Path, registry: Registry, stated: dict):
    add_belongings(registry.model)
    del stated["custom_alerts"], stated["runbooks"], stated["models"][0]["versions"]
    outcome = prune(tmp_path, stated)
    assert outcome.left == {"custom_alerts": 1, "runbooks": 1}
    assert CustomAlert.objects.exists() and Runbook.objects.exists()
    assert ModelVersion.objects.filter(version="old").exists()


def test_several_files_state_one_registry(tmp_path: Path, registry: Registry):
    make_model("price", make_team("search"))
    everything = yaml.safe_load(export())
    parts = [{**everything, "models": [model]} for model in everything["models"]]
    for part in parts[1:]:
        part.pop("teams")
    assert summaries(prune(tmp_path, *parts)) == []


def test_without_prune_nothing_goes(tmp_path: Path, registry: Registry, stated: dict):
    add_belongings(registry.model)
    (tmp_path / "registry-0.yml").write_text(yaml.safe_dump(stated), encoding="utf-8")
    assert apply_files([tmp_path / "registry-0.yml"], actor=SYSTEM).changes == ()


def test_the_command_shows_removals_first_and_then_makes_them(tmp_path: Path, registry: Registry, stated: dict):
    add_belongings(registry.model)
    del stated["runbooks"]
    file = tmp_path / "registry.yml"
    file.write_text(yaml.safe_dump(stated), encoding="utf-8")
    told = StringIO()
    call_command("apply", str(file), "--prune", "--dry-run", stdout=told)
    assert "version fraud old deleted\n    @@ -1,6 +0,0 @@\n    -version: old" in told.getvalue()
    assert "runbooks: no file has this list, so its 1 stay; `runbooks: []` would remove them." in told.getvalue()
    assert "changes would be made." in told.getvalue()
    assert CustomAlert.objects.exists()
    call_command("apply", str(file), "--prune", stdout=StringIO())
    assert not CustomAlert.objects.exists()
    file.write_text("models: []\n")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("apply", str(file), "--prune", stdout=StringIO())
