"""What changed between two bundles, and whether a server runs one: compared by meaning, not by spelling."""

from typing import Any

import pytest
from django.utils import timezone

from alerts.prometheus import ActiveAlert, LoadedRule, RuleGroup
from controlplane.bundle import Bundle
from controlplane.publishing.probation import EvaluationFailed, faults, judge, wait_until_evaluated
from controlplane.publishing.rendered_rules import (
    BadRules,
    changed_groups,
    duplicates,
    groups_of,
    new_expressions,
    path_of,
    restarted_alerts,
)
from controlplane.publishing.verify import canonical, config_differences
from tests.controlplane.bundles import OTHER, STEADY, alert, bundle, rule_group


def rules(files: dict[str, str]) -> Any:
    return groups_of(bundle("127.0.0.1:1", files))


def loaded(*rules: LoadedRule, name: str = "Steady:default", path: str = STEADY) -> RuleGroup:
    return RuleGroup(name=name, file=f"/srv/plumbline/current/{path}", interval_seconds=1, rules=rules)


def steady(health: str = "ok", firing: bool = False, **changes: Any) -> LoadedRule:
    held = ActiveAlert({"alertname": "Steady"}, {}, "firing", timezone.now(), 1)
    labels = {"policy": "default", "severity": "page"}
    fields = {"query": "vector(1)", "labels": labels, "health": health, "alerts": (held,) if firing else ()}
    return LoadedRule("alerting", "Steady", **(fields | changes))


def test_a_groups_interval_is_its_own_or_the_configurations() -> None:
    own = "groups: [{name: x, interval: 90s, rules: [{record: a, expr: '1'}]}]"
    assert {g.name: g.interval_seconds for g in rules({OTHER: own}).values()} == {"Steady:default": 1, "x": 90}


def test_only_groups_that_differ_count_as_changed() -> None:
    base = rules({OTHER: rule_group("Other", alert("Other", "vector(1)"))})
    same = rules({OTHER: "# a comment\n" + rule_group("Other", alert("Other", " vector(1) "))})
    assert changed_groups(base, same) == []
    other = rules({OTHER: rule_group("Other", alert("Other", "vector(1)", extra=", for: 5m"))})
    assert changed_groups(base, other) == [(OTHER, "Other")]
    assert new_expressions(base, other) == []
    assert [rule.expr for _, rule in new_expressions({}, base)] == ["vector(1)", "vector(1)"]


def test_a_label_stays_the_text_that_was_written() -> None:
    [group] = groups_of(
        Bundle({STEADY: "groups: [{name: x, rules: [{alert: A, expr: '1', labels: {a: on, b: 1e3, c: 010}}]}]"})
    ).values()
    assert group.rules[0].labels == {"a": "on", "b": "1e3", "c": "010"}


@pytest.mark.parametrize("text", ["groups: [", "groups: [{rules: []}]", "groups: [{name: x, interval: soon}]"])
def test_a_file_that_holds_no_rules_is_named(text: str) -> None:
    with pytest.raises(BadRules):
        rules({OTHER: text})


def test_rules_with_one_name_and_one_label_set_clash_wherever_they_stand() -> None:
    twice_here = rules({OTHER: rule_group("Other", alert("Other", "vector(1)"), alert("Other", "vector(2)"))})
    assert len(duplicates(twice_here)) == 1
    across = rules({OTHER: rule_group("Other", alert("Steady", "vector(1)"))})
    assert STEADY in duplicates(across)[0] and OTHER in duplicates(across)[0]
    assert not duplicates(rules({OTHER: rule_group("Other", alert("Steady", "vector(1)", "team:x"))}))


def test_the_path_in_the_bundle_is_found_wherever_it_is_mounted() -> None:
    assert path_of("/srv/home/current/prometheus/rules/health/A.yml") == "prometheus/rules/health/A.yml"
    assert path_of("current/prometheus/rules/meta.yml") == "prometheus/rules/meta.yml"
    assert path_of("/etc/rules/prometheus/rules/meta.yml") == "prometheus/rules/meta.yml"


def test_a_firing_alert_restarts_when_its_rule_moves_or_is_renamed_and_not_when_its_expression_changes() -> None:
    running = [loaded(steady(firing=True))]
    assert restarted_alerts(running, rules({STEADY: rule_group("Steady:default", alert("Steady", "vector(9)"))})) == []
    assert restarted_alerts(running, rules({STEADY: rule_group("other", alert("Steady", "vector(1)"))})) == ["Steady"]
    moved = rules({STEADY: rule_group("Steady:default", alert("Steady", "vector(1)", "team:x"))})
    assert restarted_alerts(running, moved) == ["Steady"]
    assert restarted_alerts([loaded(steady())], moved) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sum by(a)(rate(x[300s]))>0.50", "sum by (a) (rate(x[5m])) > 0.5", True),
        ('x{a="1",b="2"}', 'x{a="1",  b="2",}', True),
        ("x > 1", "x > 2", False),
        ('x{a="1"}', 'x{a=~"1"}', False),
        ("a + b * c", "(a + b) * c", False),
    ],
)
def test_expressions_are_compared_by_meaning(one: str, other: str, same: bool) -> None:
    assert (canonical(one) == canonical(other)) is same


@pytest.mark.parametrize(
    ("wanted", "shown", "where"),
    [
        ({"a": "60s", "b": ["rules/*.yml"]}, {"a": "1m", "b": ["/srv/rules/*.yml"], "default": "x"}, ""),
        ({"honor_labels": "false", "empty": []}, {}, ""),
        ({"token": "hunter2"}, {"token": "<secret>"}, ""),
        ({"a": "60s"}, {"a": "61s"}, "a: 61s instead of 60s"),
        ({"a": {"b": ["x"]}}, {"a": {"b": ["x", "y"]}}, "a.b"),
        ({"a": [{"b": "x"}]}, {"a": [{"b": "y"}]}, "a[0].b: y instead of x"),
        ({"a": "x"}, None, "all of it"),
        ({"honor_labels": "true"}, {}, "honor_labels: nothing instead of true"),
    ],
)
def test_a_configuration_is_recognised_in_the_form_that_a_server_shows(wanted: Any, shown: Any, where: str) -> None:
    found = config_differences(wanted, shown)
    assert bool(found) == bool(where)
    assert all(where in each for each in found)


def test_probation_waits_for_what_was_not_evaluated_since_the_reload() -> None:
    verdict = judge([loaded(steady("unknown"))], [(STEADY, "Steady:default"), (OTHER, "Other")], set())
    assert verdict.waiting == ((OTHER, "Other"), (STEADY, "Steady:default"))
    assert judge([loaded(steady("unknown"))], [], set()).waiting == ()


def test_an_error_that_was_there_before_is_nobodys_fault() -> None:
    erring = [loaded(steady("err"))]
    watched = [(STEADY, "Steady:default")]
    assert judge(erring, watched, set()).erring
    assert not judge(erring, watched, faults(erring)).erring
    assert judge([loaded(steady("err", query="vector(2)"))], watched, faults(erring)).erring


def test_a_group_that_is_never_evaluated_ends_probation() -> None:
    with pytest.raises(EvaluationFailed, match="not evaluated group Steady:default"):
        wait_until_evaluated(lambda: [loaded(steady("unknown"))], [(STEADY, "Steady:default")], set(), 0.2)
