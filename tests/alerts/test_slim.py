"""Proofs run on slim copies of the rules: what is cut away must be what the proof can't see, and nothing else."""

import json
from pathlib import Path

import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.expressions import series, set_label_where, sum_by
from alerts.kind import Owner
from alerts.literal_patterns import alternatives, read, unquoted
from alerts.owners import TEAM, team_of, with_team
from alerts.policies import Policies, PolicyRow
from alerts.rules import alert_rules
from alerts.slim import digest, pattern_faults, slim_proofs
from controlplane.bundle import Bundle
from controlplane.publishing import checks
from models_registry.fleet import Fleet, FleetModel
from telemetry import names, promql
from tests.alerts import tools
from tests.alerts.fleets import NASTY, OPTIONS, POLICIES, RICH, bundle, feature, model, with_model, written
from tests.alerts.rendered import alerts, rules

SOME = with_model(RICH)
MANY = with_model(RICH, *(model(f"zz{n}", on_call_team=f"team-{n % 7}", data_team="geo") for n in range(200)))


def paths_of(files: dict[str, str]) -> list[str]:
    return sorted(path for path in files if path.startswith("prometheus/tests/"))


def slim_rules(proof: dict[str, str]) -> list[str]:
    """The expressions of a proof's rules."""
    documents = [json.loads(text) for path, text in proof.items() if path.startswith("prometheus/rules/")]
    return [rule["expr"] for document in documents for group in document["groups"] for rule in group["rules"]]


# --- Reading --------------------------------------------------------------------------------------------------------


@given(st.text())
def test_a_quoted_text_is_read_back(text: str) -> None:
    assert unquoted(promql.quote(text)) == text


@given(st.sets(st.text(min_size=1), min_size=1))
def test_the_values_of_a_pattern_are_read_back(values: set[str]) -> None:
    assert alternatives(promql.alternatives(values)) == tuple(sorted(values))


@pytest.mark.parametrize("pattern", ["", "a|", "|a", "a.*", "a|b+", "(a|b)", "[ab]", "(?i)a", r"\d", "^a$"])
def test_a_pattern_that_is_more_than_literals_is_left_alone(pattern: str) -> None:
    assert alternatives(pattern) is None
    expression = f"x{{model_name=~{promql.quote(pattern)}}} > 1"
    assert read(expression, lambda *_: False).text == expression


def test_an_expression_of_which_all_is_kept_is_the_same_to_the_letter() -> None:
    for rule in rules(bundle()):
        assert read(rule.body["expr"]).text == rule.body["expr"]


def test_a_link_that_nothing_is_left_of_goes_and_a_matcher_keeps_one_value() -> None:
    inner = sum_by((names.MODEL,), series("x", promql.one_of(names.MODEL, ["a", "b"])))
    owned = set_label_where(set_label_where(inner, TEAM, "one", names.MODEL, ["a"]), TEAM, "two", names.MODEL, ["b"])
    kept = read(owned.text, lambda _, value: value == "a").text
    assert kept == 'label_replace(sum by (model_name) (x{model_name=~"a"}), "team", "one", "model_name", "a")'
    kept = read(owned.text, lambda _, value: value == "b").text
    assert kept == 'label_replace(sum by (model_name) (x{model_name=~"b"}), "team", "two", "model_name", "b")'
    both = read(f"{owned.text} > 1", lambda _, value: value == "c").text
    assert both == '(sum by (model_name) (x{model_name=~"a"})) > 1'
    assert 'x{model_name=~"a"}' in read(owned.text, lambda *_: False).text


def test_what_looks_like_a_pattern_inside_a_text_or_a_comment_is_none() -> None:
    expression = 'label_replace(x, "l", "model_name=~\'a|b\'", "", "") # model_name=~"a|b"'
    found = read(expression, lambda *_: False)
    assert (found.text, found.patterns) == (expression, ())


# --- The copies -----------------------------------------------------------------------------------------------------


def test_a_slim_copy_differs_from_its_rule_in_the_values_of_patterns_alone() -> None:
    """With the patterns' values taken out, and the links whole, both are the same text."""
    for rule in alerts(bundle(MANY)):
        full = rule.body["expr"]
        slim = read(full, lambda _, value: value.partition("/")[0] in {"zz7", "fraud"}).text
        promql_parser.parse(slim)
        for wanted in ("zz7", "fraud"):
            assert _team(slim, wanted) == _team(full, wanted), rule.group


def _team(expression: str, name: str) -> str | None:
    teams = [p.sets[1] for p in read(expression).patterns if p.sets and p.sets[0] == TEAM and name in p.values]
    assert len(teams) < 2
    return teams[0] if teams else None


def test_slim_proofs_pass_and_grow_with_policies_not_with_models() -> None:
    many, more = bundle(MANY), bundle(with_model(MANY, *(model(f"zzz{n}") for n in range(300))))
    small, large = slim_proofs(many, paths_of(many)), slim_proofs(more, paths_of(more))
    assert {test: len(str(proof)) for test, proof in small.items()} == {t: len(str(p)) for t, p in large.items()}


def test_what_many_models_share_is_proven_with_their_pattern_in_one_operand_alone() -> None:
    """Of more than 50 models the others select all there is: every proof has a model beside them that must not fire."""
    files = bundle(MANY)
    proofs = slim_proofs(files, paths_of(files))
    # The burn rates select by objective as well, and look at days.
    checks.run_proofs(
        {test: proof for test, proof in proofs.items() if "MLErrorBudget" not in test and "-long" not in test}
    )
    for rule in alerts(files):
        if rule.group.endswith(":default"):
            narrow = [r for r in alerts(bundle()) if r.group == rule.group]
            assert all(rule.body["expr"].count("model_name=~") <= r.body["expr"].count("model_name=~") for r in narrow)
    (error_rate,) = (r for r in alerts(files) if r.group == "MLInferenceHighErrorRate:default")
    assert error_rate.body["expr"].count("model_name=~") == 1


OWN = Policies(
    tuple(PolicyRow("MLInferenceHighErrorRate", model=f"zz{n}", thresholds={"ratio": 0.5}) for n in range(30))
)


def error_rates(policies: Policies) -> dict[str, dict[str, str]]:
    files = bundle(MANY, policies)
    return slim_proofs(files, [path for path in paths_of(files) if "MLInferenceHighErrorRate" in path])


def test_a_limit_among_many_needs_a_proof_of_a_few(tmp_path: Path) -> None:
    proofs = error_rates(OWN)
    assert len(proofs) == 2 * 4, "31 policies in tens, and exactly at their limits"
    checks.run_proofs(proofs)
    other = PolicyRow("MLInferenceHighErrorRate", model="zz7", thresholds={"ratio": 0.25})
    changed = error_rates(Policies(tuple(other if row.model == "zz7" else row for row in OWN.rows)))
    assert sum(digest(proofs[test]) != digest(changed[test]) for test in proofs) == 2


@pytest.mark.parametrize(
    ("expression", "left_out"),
    [
        ('x{model_name=~"b"} > 1', True),
        ('x{model_name=~"b"} > 1 and on (model_name) y{model_name=~"b|c"}', True),
        ('x{model_name=~"b"} > 1 and on (model_name) y', False),
        ('x{model_name=~"b"} or vector(1)', False),
        ('absent(x{model_name=~"b"})', False),
        ('x{model_name=~"b.*"} > 1', False),
        ('x{model_name!~"b"} > 1', False),
        ('x{model_name=~"a|b"} > 1', False),
        ("vector(1)", False),
    ],
)
def test_only_what_is_sure_to_be_empty_is_left_out(expression: str, left_out: bool) -> None:
    group = {"name": "g", "interval": "1m", "rules": [{"alert": "A", "expr": expression}]}
    series = [{"series": 'x{model_name="a"}', "values": "1"}]
    test = {"rule_files": ["../rules/r.yml"], "tests": [{"input_series": series}]}
    files = {"t/tests/t.yml": json.dumps(test), "t/rules/r.yml": json.dumps({"groups": [group]})}
    proof = slim_proofs(files, ["t/tests/t.yml"])["t/tests/t.yml"]
    assert (json.loads(proof["t/rules/r.yml"]) == {"groups": []}) is left_out


def test_only_recorded_series_that_are_read_are_evaluated() -> None:
    files = bundle()
    proofs = slim_proofs(files, paths_of(files))
    (canary,) = (proof for test, proof in proofs.items() if test.endswith("MLCanaryWorse.yml"))
    recorded = json.loads(canary["prometheus/rules/recording.yml"])["groups"][0]["rules"]
    assert {rule["record"].rpartition(":")[0] for rule in recorded} == {
        "job:ml_version_server_error_rate", "job:ml_live_server_error_rate",
        "job:ml_version_latency_p95_seconds", "job:ml_live_latency_p95_seconds",
    }  # fmt: skip


def test_a_mistake_in_the_rule_is_in_its_copy(tmp_path: Path) -> None:
    files = bundle(MANY)
    path, test = "prometheus/rules/health/MLInferenceHighErrorRate.yml", "prometheus/tests/MLInferenceHighErrorRate.yml"
    wrong = {**files, path: files[path].replace("> 0.0001", ">= 0.0001").replace("> 0.03", "> 0.3")}
    proof = slim_proofs(wrong, [test])
    with pytest.raises(checks.CheckRefused, match="MLInferenceHighErrorRate"):
        checks.run_proofs(proof)
    assert proof[test][test] == files[test]
    assert not tools.run_proofs(written(wrong, tmp_path), "MLInferenceHighErrorRate.yml").accepted


def test_one_model_more_needs_no_second_proof() -> None:
    """It stands in the pattern of each default rule; the slim copies are the same."""
    before, after = bundle(SOME), bundle(with_model(SOME, model("zebra", on_call_team="geo")))
    old = {test: digest(proof) for test, proof in slim_proofs(before, paths_of(before)).items()}
    new = {test: digest(proof) for test, proof in slim_proofs(after, paths_of(after)).items()}
    changed = {test for test in new if new[test] != old.get(test)}
    assert before != after and not changed


def test_a_changed_limit_needs_a_proof_of_its_alert_alone() -> None:
    rows = tuple(r for r in POLICIES.rows if (r.alert, r.model) != ("MLInferenceHighLatencyP95", "fraud"))
    changed = Policies((*rows, PolicyRow("MLInferenceHighLatencyP95", model="fraud", thresholds={"seconds": 4.8})))
    before, after = bundle(), bundle(policies=changed)
    old = {digest(proof) for proof in slim_proofs(before, paths_of(before)).values()}
    fresh = [test for test, proof in slim_proofs(after, paths_of(after)).items() if digest(proof) not in old]
    assert {Path(test).stem.partition("-")[0] for test in fresh} == {"MLInferenceHighLatencyP95"}


# --- At a publish -----------------------------------------------------------------------------------------------------


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Where a release would lie: what passed is noted beside it."""
    return tmp_path / "releases" / "one"


def rule_tests(release: Path, files: dict[str, str], base: dict[str, str] | None = None) -> int:
    return checks.check_rule_tests(release, Bundle(files), Bundle(base) if base is not None else None)


META = {path: text for path, text in bundle().items() if "Plumbline" in path or path.endswith("meta.yml")}


def test_what_has_passed_once_is_not_run_again(release: Path) -> None:
    assert rule_tests(release, META) == sum("/tests/" in path for path in META)
    assert rule_tests(release.with_name("two"), META) == 0
    (release.parent / ".proven").write_bytes(b"\xff nonsense")
    assert rule_tests(release, META) > 0, "what is lost costs a run"


def test_what_has_failed_is_run_again(release: Path) -> None:
    path = "prometheus/rules/meta.yml"
    wrong = META | {path: META[path].replace("plumbline_release_failing", "x")}
    for _ in range(2):
        with pytest.raises(checks.CheckRefused, match="PlumblineReleaseFailing"):
            rule_tests(release, wrong)


def test_a_proof_without_its_rule_file_or_without_sense_is_refused(release: Path) -> None:
    without = {path: text for path, text in META.items() if not path.endswith("meta.yml")}
    with pytest.raises(checks.CheckRefused):
        rule_tests(release, without)
    for text in ("tests: [1]", "rule_files: {", "tests: [{input_series: [{}]}]"):
        with pytest.raises(checks.CheckRefused, match="can't be read"):
            rule_tests(release, META | {"prometheus/tests/x.yml": text})


# --- What the copies don't show ---------------------------------------------------------------------------------------

MODELS = st.lists(
    st.tuples(*[st.sampled_from(["ml-platform", "flights", "geo"])] * 3), min_size=1, max_size=12
).map(
    lambda teams: tuple(
        model(
            f"m{n}", on_call_team=a, applied_ml_team=b, data_team=c,
            features=tuple(feature(f, team=team) for f, team in zip(NASTY, teams[n], strict=False)),
        )
        for n, (a, b, c) in enumerate(teams)
    )
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(MODELS, st.sampled_from(list(Owner)))
def test_the_links_give_each_model_exactly_its_team(models: tuple[FleetModel, ...], owner: Owner) -> None:
    which = series("x", promql.one_of(names.MODEL, (m.name for m in models)))
    expression = with_team(which, owner, models).text
    links = [p for p in read(expression).patterns if p.sets is not None and p.sets[0] == TEAM]
    of_models = {name: p.sets[1] for p in links if p.sets and p.label == names.MODEL for name in p.values}
    assert of_models == {m.name: team_of(owner, m) for m in models}
    assert sum(len(p.values) for p in links if p.label == names.MODEL) == len(models)
    of_inputs = {value: p.sets[1] for p in links if p.sets and p.label != names.MODEL for value in p.values}
    for m in models:
        for f in m.features:
            assert of_inputs.get(f"{m.name}/{f.name}", of_models[m.name]) == team_of(owner, m, f.name)
    assert not pattern_faults(expression)


@settings(max_examples=10, deadline=None)
@given(MODELS)
def test_an_alert_selects_exactly_its_policys_models(models: tuple[FleetModel, ...]) -> None:
    rows = (
        PolicyRow("MLInferenceHighLatencyP95", model="m0", thresholds={"seconds": 1}),
        PolicyRow("MLCanaryWorse", team="geo", for_=60),
        PolicyRow("MLFeatureMissingRatioHigh", team="flights", thresholds={"ratio": 0.5}),
    )
    for rule in alert_rules(Fleet(teams=(), models=models), Policies(rows), OPTIONS):
        if rule.scope is None or not rule.scope.models:
            continue
        selected = [set(p.values) for p in read(rule.expression).patterns if p.sets is None]
        assert set().union(*selected) == {m.name for m in rule.scope.models}, rule.group


def test_every_rendered_alert_gives_each_of_its_models_to_one_team() -> None:
    for rule in rules(bundle(MANY)):
        assert pattern_faults(rule.body["expr"]) == [], rule.group


def test_a_model_without_a_team_or_with_two_is_refused_before_anything_runs() -> None:
    inner = 'x{model_name=~"a|b"} > 1'
    assert pattern_faults(f'label_replace({inner}, "team", "t", "model_name", "a")') == [
        "b is selected and given to no team."
    ]
    twice = f'label_replace(label_replace({inner}, "team", "t", "model_name", "a|b"), "team", "u", "model_name", "b")'
    assert pattern_faults(twice) == ["b is given to 2 teams."]
    assert pattern_faults(inner) == [], "its team is a label of the rule"
