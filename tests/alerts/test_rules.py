"""What is rendered for whom, and what keeps a rule's identity."""

import os
import re
from dataclasses import replace
from pathlib import Path

import promql_parser
import pytest
import yaml

from alerts.catalogue import KINDS
from alerts.policies import Policies, PolicyRow
from models_registry.fleet import Fleet
from tests.alerts.fleets import CUSTOM, OPTIONS, POLICIES, RICH, SMALL, bundle, feature, model, with_model
from tests.alerts.rendered import alerts, recorded, rules

GOLDEN = Path(__file__).parent / "golden"
GUIDE_RECORDS = {
    "job:ml_inference_rps:rate5m",
    "job:ml_inference_error_rate:ratio5m",
    "job:ml_inference_latency_p95_seconds:5m",
    "job:ml_prediction_score_p50:30m",
    "job:ml_drift_features_triggered:current",
}
DEFAULTS = {  # for, severity (None: by the model's risk), plane: as the catalogue states them
    "MLInferenceHighLatencyP95": ("10m", "page", "health"),
    "MLInferenceHighErrorRate": ("10m", "page", "health"),
    "MLInvalidInputHigh": ("15m", "ticket", "health"),
    "MLInferenceSaturated": ("5m", "page", "health"),
    "MLServingDown": ("2m", "page", "health"),
    "MLMonitoringAbsent": ("10m", "ticket", "health"),
    "MLReplicaRestarting": (None, "ticket", "health"),
    "MLCanaryWorse": ("5m", "page", "health"),
    "MLTrafficShareMismatch": ("10m", "ticket", "health"),
    "MLVersionMismatch": ("10m", "ticket", "health"),
    "MLDriftCriticalFeatureDetected": ("15m", None, "quality"),
    "MLDriftManyFeatures": ("15m", "ticket", "quality"),
    "MLFeatureMissingRatioHigh": ("15m", "ticket", "quality"),
    "MLFeatureOutOfRangeHigh": ("15m", "ticket", "quality"),
    "MLFeatureDefaultedHigh": ("15m", "ticket", "quality"),
    "MLPredictionDistributionShift": ("30m", "ticket", "quality"),
    "MLPredictionClassShift": ("30m", "ticket", "quality"),
    "MLBusinessProxyOutOfBand": ("30m", "ticket", "quality"),
    "MLBaselineStale": (None, "ticket", "quality"),
    "MLDriftCheckStale": ("5m", "ticket", "quality"),
    "MLDriftCheckFailing": ("5m", "ticket", "quality"),
    "PlumblineReleaseFailing": ("10m", "ticket", "meta"),
    "PlumblineDown": ("10m", "page", "meta"),
    "PlumblineReconcileStuck": ("10m", "ticket", "meta"),
    "PlumblineAnnotationsStuck": ("10m", "ticket", "meta"),
    "PlumblineRuleEvaluationFailing": ("10m", "ticket", "meta"),
    "QualityExporterDown": ("10m", "ticket", "meta"),
    "Watchdog": (None, "ticket", "meta"),
}
NOBODY = Fleet(teams=(), models=())


@pytest.mark.parametrize(("name", "fleet", "policies"), [("small", SMALL, Policies()), ("rich", RICH, POLICIES)])
def test_the_rendered_files_are_those_that_were_reviewed(name: str, fleet: Fleet, policies: Policies) -> None:
    files = bundle(fleet, policies)
    if name == "rich":  # its proofs are long; the small fleet's show what they look like
        files = {path: text for path, text in files.items() if not path.startswith("prometheus/tests/")}
    folder = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        for old in folder.rglob("*.yml"):
            old.unlink()
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    reviewed = {f.relative_to(folder).as_posix(): f.read_text(encoding="utf-8") for f in folder.rglob("*.yml")}
    assert sorted(files) == sorted(reviewed)
    for path, text in files.items():
        assert text == reviewed[path], f"{path} differs: review it, then run again with UPDATE_GOLDEN=1"


def test_the_catalogues_alerts_are_rendered_with_its_defaults() -> None:
    found = {}
    for rule in alerts(bundle(SMALL, Policies())):
        labels = rule.body["labels"]
        found[rule.name] = (rule.body.get("for"), labels.get("severity"), labels["plane"])
    assert found == DEFAULTS
    # Of the error budgets there is a rule where there is an objective: see test_burn_rate.py.
    assert set(KINDS) == {*DEFAULTS, "MLErrorBudgetBurn"}


def test_the_guides_recording_rules_keep_their_names() -> None:
    assert set(recorded(bundle(NOBODY, Policies()))) >= GUIDE_RECORDS


def test_a_policy_with_another_window_reads_a_series_of_its_own() -> None:
    policies = Policies((PolicyRow("MLInferenceHighErrorRate", model="claims-risk", window=90),))
    files = bundle(SMALL, policies)
    assert "job:ml_inference_server_error_rate:ratio1m30s" in recorded(files)
    (rule,) = alerts(files, "MLInferenceHighErrorRate")
    assert "job:ml_inference_server_error_rate:ratio1m30s{" in rule.body["expr"]
    assert "job:ml_inference_server_error_rate:ratio1m30s" not in recorded(bundle(SMALL, Policies()))


def test_every_expression_parses() -> None:
    for rule in rules(bundle()):
        promql_parser.parse(rule.body["expr"])


def test_no_rule_is_rendered_where_no_model_is_concerned() -> None:
    """A pattern of no names would match series without a model."""
    names = {rule.name for rule in alerts(bundle(NOBODY, Policies()))}
    assert names == {name for name, kind in KINDS.items() if not kind.on_models}
    regressions = Fleet(teams=(), models=(model("price", task="regression", features=(feature("km"),)),))
    names = {rule.name for rule in alerts(bundle(regressions, Policies()))}
    assert names.isdisjoint({"MLPredictionDistributionShift", "MLPredictionClassShift"})  # no score between 0 and 1
    assert names.isdisjoint({"MLDriftCriticalFeatureDetected", "MLDriftManyFeatures"})  # no critical feature, and one


def test_a_disabled_policy_takes_its_models_out() -> None:
    (rule,) = alerts(bundle(), "MLServingDown")
    assert 'model_name=~"bare|' in rule.body["expr"]
    assert "price" not in rule.body["expr"]


# --- Identity ---------------------------------------------------------------------------------------------------


def test_one_group_holds_one_rule_and_is_named_by_alert_and_policy() -> None:
    found = alerts(bundle())
    places = [(rule.path, rule.group) for rule in found]
    assert len(places) == len(set(places))
    for rule in found:
        assert rule.position == 0
        labels = rule.body["labels"]
        tier = f":{labels['period']}:{labels['tier']}" if "tier" in labels else ""
        assert rule.group == f"{rule.name}:{labels['policy']}{tier}"


def test_no_two_rules_have_equal_names_and_labels() -> None:
    identities = [rule.identity[3:] for rule in alerts(bundle())]
    assert len(identities) == len(set(identities))


def test_another_model_changes_no_rules_identity() -> None:
    """Nor does one of other teams and another risk: those stand on the series, not on the rule."""
    added = model("aaa-first", risk="high", on_call_team="new", applied_ml_team="new", data_team="new")
    before = {rule.identity for rule in rules(bundle())}
    after = {rule.identity for rule in rules(bundle(with_model(RICH, added)))}
    assert before == after


def test_a_team_or_risk_that_changes_changes_no_rules_identity() -> None:
    moved = tuple(replace(m, on_call_team="geo", risk="high", applied_ml_team="geo") for m in SMALL.models)
    before = {rule.identity for rule in rules(bundle(SMALL, Policies()))}
    assert before == {rule.identity for rule in rules(bundle(replace(SMALL, models=moved), Policies()))}


def test_a_changed_limit_changes_no_rules_identity() -> None:
    changed = replace(POLICIES, rows=tuple(replace(row, for_=77) for row in POLICIES.rows))
    assert {r.identity for r in alerts(bundle())} == {r.identity for r in alerts(bundle(policies=changed))}


def test_rules_grow_with_policies_not_with_models() -> None:
    many = with_model(RICH, *(model(f"m{n}") for n in range(200)))
    assert len(rules(bundle(many))) == len(rules(bundle()))


def test_the_rendering_does_not_depend_on_the_order_of_models() -> None:
    backwards = replace(RICH, models=tuple(reversed(RICH.models)))
    rendered, reversed_ = bundle(), bundle(backwards)
    assert rules(rendered) == rules(reversed_)


# --- Invariant 1: an owner, a runbook, a dashboard link, a mitigation link ----------------------------------------


def test_every_alert_has_an_owner_and_its_links() -> None:
    for rule in alerts(bundle()):
        body, name = rule.body, rule.name
        assert body["labels"].get("team") or '"team", "' in body["expr"], name
        assert body["labels"].get("severity") or '"severity", "' in body["expr"], name
        root, links = OPTIONS.plumbline_url, body["annotations"]
        assert links["runbook_url"].startswith(f"{root}/runbooks/{name}/"), name
        assert links["dashboard_url"].startswith(f"{root}/dashboards/go/"), name
        assert links["mitigation_url"].startswith(f"{root}/mitigate/{name}/"), name
        assert links["summary"] and links["description"], name


def test_links_name_the_labels_that_the_alert_has_through_urlquery() -> None:
    (rule,) = alerts(bundle(SMALL, Policies()), "MLDriftCriticalFeatureDetected")
    assert rule.body["annotations"]["runbook_url"] == (
        "https://plumbline.example.com/runbooks/MLDriftCriticalFeatureDetected/"
        "?model_name={{ $labels.model_name | urlquery }}"
        "&model_version={{ $labels.model_version | urlquery }}"
        "&feature_name={{ $labels.feature_name | urlquery }}"
    )


def test_team_is_a_label_of_the_series_except_for_meta_alerts() -> None:
    for rule in alerts(bundle()):
        assert ("team" in rule.body["labels"]) == (rule.body["labels"]["plane"] == "meta"), rule.name


def test_quality_alerts_keep_firing_for_a_check_and_five_minutes() -> None:
    options = replace(OPTIONS, check_intervals={"claims-risk": 1800}, check_interval=600)
    for rule in alerts(bundle(SMALL, Policies(), options)):
        expected = "35m" if rule.body["labels"]["plane"] == "quality" else None
        assert rule.body.get("keep_firing_for") == expected, rule.name


# --- Custom alerts ------------------------------------------------------------------------------------------------


def test_a_custom_alert_speaks_of_its_own_model_and_of_its_owner() -> None:
    (rule,) = alerts(bundle(), CUSTOM.name)
    assert rule.path == f"prometheus/rules/custom/{CUSTOM.name}.yml"
    assert rule.body["labels"] == {"plane": "quality", "policy": "model:flight-delay", "severity": "ticket"}
    assert '"model_name", "flight-delay", "", ""' in rule.body["expr"]
    assert '"team", "data-platform", "", ""' in rule.body["expr"]


def test_a_custom_alerts_text_opens_no_template() -> None:
    (rule,) = alerts(bundle(), CUSTOM.name)
    opened = re.findall(r"\{\{(.*?)\}\}", rule.body["annotations"]["description"])
    assert {action.strip() for action in opened} == {'"{"'}


def test_groups_are_evaluated_at_the_configured_interval() -> None:
    # What drifts is looked at as often as the exporter is scraped: oftener shows nothing.
    files = bundle(options=replace(OPTIONS, evaluation_interval=7, drift_scrape_interval=20))
    for path, text in files.items():
        if path.startswith("prometheus/rules/"):
            interval = "20s" if "/quality/" in path else "7s"
            intervals = {g["name"].partition(":")[0]: g["interval"] for g in yaml.safe_load(text)["groups"]}
            # Windows of hours and days move slowly.
            assert intervals.pop("ml-objectives-slow", "14s") == "14s"
            assert set(intervals.values()) == {interval}, path
