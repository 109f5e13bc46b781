"""What promtool and amtool say of rendered bundles, and that the proofs rendered beside the rules can fail."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alerts.catalogue import KINDS
from alerts.policies import Policies
from alerts.slim import slim_proofs
from models_registry.fleet import Fleet, FleetTeam
from telemetry.identifiers import check_feature
from tests.alerts import tools
from tests.alerts.fleets import NASTY, RICH, SMALL, bundle, feature, model, receivers, written
from tests.alerts.rendered import alerts


@pytest.fixture(scope="module")
def small(default: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue with its defaults, for one model."""
    return written(default, tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several teams and policies, limits at their bounds, features with nasty names."""
    return written(bundle(), tmp_path_factory.mktemp("rich"), RICH)


@pytest.fixture(scope="module")
def default() -> dict[str, str]:
    """The files of `small`."""
    return bundle(SMALL, Policies())


def proof(test: str, files: dict[str, str], folder: Path) -> tools.Outcome:
    """One proof, run as publishing runs it: on what it reads of the rules."""
    path = f"prometheus/tests/{test}.yml"
    return tools.run_proofs(written(slim_proofs(files, [path])[path], folder))


def test_the_configuration_is_accepted_with_and_without_targets(rich: Path, tmp_path: Path) -> None:
    outcome = tools.check_config(rich)
    assert outcome.accepted, outcome.text
    outcome = tools.check_config(written(bundle(SMALL, Policies()), tmp_path))
    assert outcome.accepted, outcome.text


def test_the_rules_are_accepted(rich: Path) -> None:
    outcome = tools.check_rules(rich)
    assert outcome.accepted, outcome.text


def test_the_routes_are_accepted(rich: Path, small: Path) -> None:
    for folder in (rich, small):
        outcome = tools.check_routes(folder)
        assert outcome.accepted, outcome.text


def test_every_policy_is_proven_and_its_proofs_pass(rich: Path) -> None:
    outcome = tools.run_proofs(rich)
    assert outcome.accepted, outcome.text
    proven = "".join(f.read_text(encoding="utf-8") for f in (rich / "prometheus/tests").glob("*.yml"))
    for rule in alerts(bundle()):
        assert f"policy: {rule.body['labels']['policy']}" in proven, rule.group


def test_the_defaults_are_proven(small: Path) -> None:
    outcome = tools.run_proofs(small)
    assert outcome.accepted, outcome.text


# What a mistake in a renderer could do to a rule, and what its proof must notice.
FOR = re.compile(r"\n    for: .*")
MISTAKES = {
    "it never fires": lambda text: re.sub(r"expr: (\|-\n(      .*\n)+|.*)", "expr: vector(1) > 2\n", text, count=1),
    "it fires at once": lambda text: FOR.sub("", text),
    "it waits too long": lambda text: FOR.sub("\n    for: 2h", text),
    "its team is another": lambda text: text.replace('"team", "', '"team", "x').replace("team: ", "team: x"),
    "its text is another": lambda text: text.replace("summary: ", "summary: x"),
}


# Each kind's proof must notice these; the others concern what all proofs have in common.
OF_EVERY_KIND = {"it never fires", "it fires at once"}
OF_ALL = "MLFeatureMissingRatioHigh"


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        (name, m)
        for name in sorted(set(KINDS) - {"Watchdog", "MLErrorBudgetBurn"})
        for m in sorted(OF_EVERY_KIND)
        if KINDS[name].for_ or m != "it fires at once"
    ]
    + [(OF_ALL, m) for m in sorted(set(MISTAKES) - OF_EVERY_KIND)],
)
def test_a_proof_notices_what_is_wrong(name: str, mistake: str, default: dict[str, str], tmp_path: Path) -> None:
    files = default
    path = KINDS[name].file
    group = re.compile(rf"- name: {name}:default\n(  .*\n)+")
    wrong = group.sub(lambda found: MISTAKES[mistake](found[0]), files[path])
    assert wrong != files[path]
    assert not proof(name, {**files, path: wrong}, tmp_path).accepted


GUARDS = {
    "the traffic floor": ("MLInferenceHighLatencyP95", " * 60 >= 1", " * 60 >= 0"),
    "the least errors": ("MLInferenceHighErrorRate", ">= 3\n", ">= 0\n"),
    "what is no error of ours": ("MLInferenceHighErrorRate", ',reason!="invalid_input"', ""),
    "the limit": ("MLInferenceHighErrorRate", "> 0.03", "> 0.028"),
    "the limit of latency": ("MLInferenceHighLatencyP95", "> 0.35", "> 0.3"),
    "the applied weight": ("MLDriftCriticalFeatureDetected", 'weight{model_name=~"claims-risk"}) > 0', "weight) >= 0"),
    "critical features only": ("MLDriftCriticalFeatureDetected", ',critical="true"', ""),
    "the canary's requests": ("MLCanaryWorse", ">= 100", ">= 0"),
    "the canary's margin": ("MLCanaryWorse", "+ 0.01", "+ 0"),
    "the canary's factor": ("MLCanaryWorse", " * 1.5", " * 1"),
    "the canary's factor of errors": ("MLCanaryWorse", " * 2", " * 1"),
    "the canary's margin of latency": ("MLCanaryWorse", "+ 0.05", "+ 0"),
    "the canary's role": ("MLCanaryWorse", ',role="canary"', ""),
    "the last word of a dead control plane": ("MLServingDown", "last_over_time(", "("),
    "a withdrawn model": ("MLServingDown", "plumbline_model_registered", "x"),
    "a replica that can't be reached": ("MLServingDown", "up == 0", "up == 7"),
    "the limit where none is exported": ("MLFeatureMissingRatioHigh", "* 0 + 0.05", "* 0 + 5"),
    "a check that never succeeded": (
        "MLDriftCheckStale",
        "or max by (model_name, model_version) (ml_drift_check_first",
        "or max by (model_name, model_version) (x",
    ),
    "a paused check": ("MLDriftCheckStale", 'state="paused"', 'state="x"'),
    "the live version's median": ("MLPredictionDistributionShift", 'role="live"', 'role="x"'),
    "the day before": ("MLPredictionDistributionShift", "offset 1d", "offset 2d"),
    "what replicas say of their traffic": ("MLMonitoringAbsent", "ml_model_traffic_weight", "x"),
    "each replica's own share": ("MLTrafficShareMismatch", "model_version, instance)", "model_version)"),
    "replicas that have nothing loaded": ("MLVersionMismatch", "ml_inference_in_flight_limit", "x"),
    "a class that falls": ("MLPredictionClassShift", "abs(", "("),
    "the upper side of the band": ("MLBusinessProxyOutOfBand", "ml_business_proxy_upper", "x"),
    "the lower side of the band": ("MLBusinessProxyOutOfBand", "ml_business_proxy_lower", "x"),
    "whose baseline it is": ("MLDriftCheckFailing", "claims-risk/baseline_mismatch", "x"),
    "a loop that never ran": ("PlumblineDown", 'max(up{job="plumbline"}) == 1', 'max(up{job="plumbline"}) == 7'),
    "a loop that never ran since the start": ("PlumblineReconcileStuck", 'plumbline"}) == 1', 'plumbline"}) == 7'),
    "the last version, deleted": ("MLVersionMismatch", "plumbline_model_registered", "plumbline_version_registered"),
    "a roll-out": ("MLReplicaRestarting", "<= count by (model_name)", "<= 0 * count by (model_name)"),
    "a target that is gone": ("QualityExporterDown", "or vector(0)", "or vector(1)"),
}


@pytest.mark.parametrize("guard", sorted(GUARDS))
def test_a_proof_notices_a_guard_that_is_lost(guard: str, default: dict[str, str], tmp_path: Path) -> None:
    name, there, instead = GUARDS[guard]
    files = dict(default)
    path = KINDS[name].file
    instead = instead.replace("last_over_time(", "")
    wrong = files[path].replace(there, instead)
    if there == "last_over_time(":
        wrong = re.sub(r"last_over_time\((plumbline[^\[]*)\[1d\]\)", r"\1", files[path])
    if there == ',reason!="invalid_input"':
        # The recorded ratio leaves it out; the count beside it is the second line.
        recording = "prometheus/rules/recording.yml"
        files[recording] = files[recording].replace('{reason!="invalid_input"}', "")
    assert wrong != files[path]
    # What looks far back has a file of its own.
    test = f"{name}-long" if "offset" in there else name
    assert not proof(test, {**files, path: wrong}, tmp_path).accepted


def test_a_custom_alerts_cases_are_its_proof(tmp_path: Path) -> None:
    files = bundle()
    path = "prometheus/rules/custom/LateFlightsTooMany.yml"
    for instead in ("> 0.01", "> 100"):  # the silent case fires; the firing one is silent
        wrong = {**files, path: files[path].replace("> 1 #", f"{instead} #")}
        assert wrong[path] != files[path]
        assert not tools.run_proofs(written(wrong, tmp_path), "LateFlightsTooMany.yml").accepted


# --- Invariant 7: typed names break out of nothing -------------------------------------------------------------------


def _is_feature(name: str) -> bool:
    try:
        check_feature(name)
    except ValueError:
        return False
    return True


features = st.text(min_size=1, max_size=128).filter(_is_feature) | st.sampled_from(NASTY)
names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(typed=st.lists(features, min_size=1, max_size=6, unique=True), team=names, name=names)
@example(typed=list(NASTY), team="geo", name="m")
def test_features_of_any_name_are_quoted_everywhere(
    typed: list[str], team: str, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The proofs compare every label of the alert: one character more or less, and promtool fails them."""
    subject = model(name, risk="high", features=tuple(feature(f, team=team, critical=True) for f in typed))
    fleet = Fleet(teams=(FleetTeam(team, receivers=receivers("pagerduty", "slack", team)),), models=(subject,))
    folder = written(bundle(fleet, Policies()), tmp_path_factory.mktemp("typed"), fleet)
    for outcome in (tools.check_rules(folder), tools.check_config(folder), tools.check_routes(folder)):
        assert outcome.accepted, outcome.text
    for alert in ("MLFeatureMissingRatioHigh", "MLDriftCriticalFeatureDetected"):
        outcome = tools.run_proofs(folder, f"{alert}.yml")
        assert outcome.accepted, outcome.text


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_feature_reaches_its_owner(name: str, tmp_path: Path) -> None:
    fleet = Fleet(teams=(), models=(model("m", features=(feature(name, team="geo", critical=True),)),))
    folder = written(bundle(fleet, Policies()), tmp_path)
    outcome = tools.run_proofs(folder, "MLFeatureMissingRatioHigh.yml")
    assert outcome.accepted, outcome.text
    tests = yaml.safe_load((folder / "prometheus/tests/MLFeatureMissingRatioHigh.yml").read_text(encoding="utf-8"))
    (expected,) = tests["tests"][0]["alert_rule_test"][-1]["exp_alerts"]
    assert expected["exp_labels"]["feature_name"] == name
    assert expected["exp_labels"]["team"] == "geo"
