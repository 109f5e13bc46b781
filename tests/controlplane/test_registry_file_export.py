"""The registry file, there and back: an export states all, and applying it changes nothing."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.models import AlertPolicy, CustomAlert, Runbook
from alerts.policy_edits import save_custom_alert, set_policy
from alerts.runbook_editing import save_runbook
from controlplane.registry_file import Outcome, apply_files, export
from drift.edits import save_check
from drift.models import BusinessProxy, DriftCheck
from drift.proxy_edits import save_proxy
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import Change, Feature, MLModel, Team
from tests.fixtures.registry import (
    Registry,
    make_baseline,
    make_feature,
    make_model,
    make_pipeline,
    make_team,
    make_version,
)


def apply(folder: Path, text: str) -> Outcome:
    file = folder / "registry.yml"
    file.write_text(text, encoding="utf-8")
    return apply_files([file], actor=SYSTEM)


@pytest.fixture
def everything(registry: Registry, owner, on_call) -> Registry:
    """A registry with one of each thing, each with values that are hard to write down."""
    model = registry.model
    make_feature(model, "größe: m² # %", minimum=-0.5, maximum=1e9, default=0.25, missing_limit=0.0, team=registry.team)
    make_feature(model, "yes", kind="categorical", categories=["no", "0x1F", "1:30", "a, b", "null"], default="null")
    baseline = make_baseline(model, "2026", profile={"rows": 7, "features": {"x": {"edges": [1e-12, 0.1]}}})
    make_baseline(model, "draft", frozen=False)
    make_version(model, "1.10", baseline=baseline, pipeline_release=make_pipeline(model, "7"), notes="first\nsecond")
    traffic.deploy(model, "1.10", percent=100, actor=SYSTEM)
    traffic.deploy(model, "v2", percent=5, actor=SYSTEM)
    MLModel.objects.filter(pk=model.pk).update(description="true", classes=["no", "yes"])
    make_model("price", make_team("search", receivers=False), task="regression", classes=[])
    set_policy("MLInferenceHighErrorRate", thresholds={"ratio": 0.07}, actor=SYSTEM)
    set_policy("MLInferenceHighErrorRate", team=registry.team, for_seconds=90, actor=SYSTEM)
    set_policy("MLServingDown", model=model, enabled=False, actor=SYSTEM)
    set_policy("MLCanaryWorse", model=model, notify=Team.objects.get(name="search"), actor=SYSTEM)
    series = {'ml_inference_requests_total{model_version="v1"}': "0+60x20"}
    custom = CustomAlert(
        model=model,
        name="FraudRequestsGone",
        expression='rate(ml_inference_requests_total{model_version="v1"}[5m]) < 1  # "quoted"\n',
        description="Few requests: {{ $value }}",
        runbook="## Meaning\n\nm\n\n## Impact\n\ni\n\n## Diagnosis\n\nd\n\n## Mitigation\n\nm\n",
        fires_case={"series": series, "at": "15m"},
        silent_case={"series": series, "at": "15m"},
    )
    save_custom_alert(custom, actor=SYSTEM)
    body = "## Meaning\n\nm: 'x'\n\n## Impact\n\ni\n\n## Diagnosis\n\nd\n\n## Mitigation\n\nm\n"
    save_runbook("MLServingDown", model, body=body, owner_team=registry.team, review_by=None, actor=SYSTEM)
    save_runbook("MLServingDown", registry.team, body=body, owner_team=registry.team, review_by=None, actor=SYSTEM)
    save_check(DriftCheck(model=model, feature_psi_thresholds={"yes": 0.3}, population="all"), actor=SYSTEM)
    model.refresh_from_db()
    save_proxy(BusinessProxy(model=model, name="yes_rate", predicted_class="yes", lower=1e-9), actor=SYSTEM)
    save_proxy(BusinessProxy(model=model, name="0x1f", lower=0, upper=1e9, max_age_seconds=60), actor=SYSTEM)
    return registry


def test_applying_an_export_changes_nothing(tmp_path: Path, everything: Registry):
    outcome = apply(tmp_path, export())
    assert [str(p) for p in outcome.problems] == []
    assert [(c.summary, c.before, c.after) for c in outcome.changes] == []


def test_an_export_makes_the_same_registry_elsewhere(tmp_path: Path, everything: Registry):
    text = export()
    for rows in (MLModel, Team, AlertPolicy, Change):
        traffic_rows = rows.objects.all()
        traffic_rows.delete()
    outcome = apply(tmp_path, text)
    assert [str(p) for p in outcome.problems] == []
    assert yaml.safe_load(export()) == yaml.safe_load(text)


def test_an_export_of_one_model_stands_alone(tmp_path: Path, everything: Registry):
    stated = yaml.safe_load(export("fraud"))
    assert [m["name"] for m in stated["models"]] == ["fraud"]
    assert [t["name"] for t in stated["teams"]] == ["payments", "search"], "the one that a policy tells, too"
    assert {p["alert"] for p in stated["alert_policies"]} == {"MLServingDown", "MLCanaryWorse"}
    assert apply(tmp_path, export("fraud")).changes == ()


def test_an_export_takes_the_same_queries_however_many_models(
    everything: Registry, django_assert_num_queries, django_assert_max_num_queries
):
    with django_assert_max_num_queries(40) as few:
        export()
    for n in range(5):
        make_feature(make_model(f"m{n}", live="v1"), "f", team=everything.team)
    with django_assert_num_queries(len(few)):
        export()


@given(
    name=st.text(min_size=1, max_size=30).filter(lambda t: t.isprintable() and t == t.strip()),
    labels=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12),
        unique=True,
        max_size=4,
    ),
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    number=st.floats(allow_nan=False, allow_infinity=False),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_and_text_comes_back_as_it_was(tmp_path: Path, registry: Registry, name, labels, text, number):
    Feature.objects.all().delete()
    make_feature(registry.model, name, kind="categorical", categories=labels, default=name)
    make_feature(registry.model, f"{name[:20]} 2", minimum=number)
    MLModel.objects.filter(pk=registry.model.pk).update(description=text)
    outcome = apply(tmp_path, export())
    assert [str(p) for p in outcome.problems] == []
    assert [(c.before, c.after) for c in outcome.changes] == []


@pytest.mark.parametrize("end", ["\r", "\r\n", "\x85", "\u2028", "\u2029"])
def test_an_end_of_a_line_of_any_kind_comes_back_as_it_was(tmp_path: Path, registry: Registry, end: str):
    for text in (end, f"one{end}two", f"one{end}two\nthree\n"):
        MLModel.objects.filter(pk=registry.model.pk).update(description=text)
        assert [(c.before, c.after) for c in apply(tmp_path, export()).changes] == []


def test_runbooks_and_custom_alerts_survive(tmp_path: Path, everything: Registry):
    text = export()
    Runbook.objects.all().delete()
    CustomAlert.objects.all().delete()
    assert len(apply(tmp_path, text).changes) == 3
    assert export() == text
