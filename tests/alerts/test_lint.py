"""What the linter pint checks without live data, by construction: for everything that is rendered for a rich fleet.

Each test is named after one of pint's checks. What needs live data is asked of Prometheus at each publish.
"""

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest
import yaml

from telemetry.promql import seconds
from tests.alerts.fleets import OPTIONS, bundle
from tests.alerts.promql_tree import ANY, Labels, bare, is_scalar, labels, nodes
from tests.alerts.rendered import Rule, alerts, rules

FILES = bundle()
RULES = rules(FILES)
ALERTS = alerts(FILES)
TREES = [(rule, promql.parse(rule.body["expr"])) for rule in RULES]
RETENTION = 15 * 86400  # Prometheus' default, in seconds
LEAST_SCRAPES = 4  # in a rate's window: two are enough for a number, four survive a scrape that fails
COMPARISONS = {">", ">=", "<", "<=", "==", "!="}
COUNTERS = ("_total", "_bucket", "_count", "_sum")
OVER_COUNTERS = {"rate", "increase", "irate", "resets"}
PERSONS = {"LateFlightsTooMany"}  # typed by a person; checked on entry for what can be


def of_series() -> dict[str, Labels]:
    """The labels of the recorded series, by name. Rules that read others' series come after them."""
    found: dict[str, Labels] = {}
    for rule, tree in TREES:
        if "record" in rule.body:
            held = labels(tree, found)
            added = frozenset(rule.body.get("labels", {}))
            now = ANY if held is ANY else held | added
            before = found.get(rule.name, now)
            found[rule.name] = now if before is ANY else before if now is ANY else now & before
    return found


RECORDED = of_series()


def each(*kinds: type) -> Iterator[tuple[Rule, Any, tuple[Any, ...]]]:
    """Every node of these kinds in a rule of ours."""
    for rule, tree in TREES:
        if rule.name not in PERSONS:
            for node, path in nodes(tree):
                if isinstance(node, kinds):
                    yield rule, node, path


def function_around(path: tuple[Any, ...]) -> str:
    return path[-1].func.name if path and isinstance(path[-1], promql.Call) else ""


def test_promql_syntax_is_parsed_and_the_fleet_is_rich_enough_to_say_something() -> None:
    assert len(TREES) > 50
    assert len({rule.name for rule in ALERTS}) > 15


def test_alerts_comparison_every_alert_has_a_condition() -> None:
    for rule, tree in TREES:
        if "alert" in rule.body and rule.name != "Watchdog":
            compared = [n for n, _ in nodes(tree) if isinstance(n, promql.BinaryExpr) and str(n.op) in COMPARISONS]
            assert compared, rule.group
            assert not any(n.modifier and n.modifier.return_bool for n in compared), "it would always fire"


def test_alerts_template_every_label_that_a_text_names_is_there() -> None:
    for rule in ALERTS:
        held = labels(promql.parse(rule.body["expr"]), RECORDED)
        held = ANY if held is ANY else held | set(rule.body["labels"])
        texts = "\n".join([*rule.body["annotations"].values(), *rule.body["labels"].values()])
        for action in re.findall(r"\{\{(.*?)\}\}", texts):
            if action.strip() == '"{"':
                continue  # a brace that a person typed
            named = re.fullmatch(r"\s*\$labels\.(\w+)(?: \| urlquery)?\s*", action)
            assert named, f"{rule.group}: {action}"
            assert held is not ANY and named[1] in held, f"{rule.group} has no {named[1]}: {sorted(held or ())}"


def test_alerts_template_no_label_of_an_alert_changes_with_a_sample() -> None:
    """Else each evaluation makes another alert."""
    for rule in ALERTS:
        assert "{{" not in "".join(rule.body["labels"].values()), rule.group


def test_alerts_for_waits_are_sane() -> None:
    for rule in ALERTS:
        wait = seconds(rule.body.get("for", "0s"))
        assert 0 <= wait <= 86400, rule.group
        assert "for" not in rule.body or wait > 0, "a zero says nothing"
        assert seconds(rule.body.get("keep_firing_for", "0s")) <= 2 * 86400, rule.group


def test_rule_interval_every_group_names_one_that_no_sample_outlives() -> None:
    for path, text in FILES.items():
        if path.startswith("prometheus/rules/"):
            for group in yaml.safe_load(text)["groups"]:
                assert 0 < seconds(group["interval"]) <= 120, group["name"]


def test_rule_duplicate_no_two_rules_make_the_same_series() -> None:
    seen = set()
    for rule in RULES:
        same = (rule.name, tuple(sorted(rule.body.get("labels", {}).items())))
        assert same not in seen, rule.group
        seen.add(same)


def test_labels_conflict_no_label_is_set_twice() -> None:
    """Neither by the rule over the expression, nor by a rule over what every series of a target carries."""
    config = yaml.safe_load(FILES["prometheus/prometheus.yml"])
    external = set(config["global"].get("external_labels", {}))
    for rule, tree in ((rule, tree) for rule, tree in TREES if rule.name not in PERSONS):
        own = set(rule.body.get("labels", {}))
        held = labels(tree, RECORDED)
        assert not own & external, rule.group
        twice = {label for label in own if held is not ANY and label in held}
        # The objectives' period: selected by the very value that the rule states.
        alike = {label for label in twice if f'{label}="{rule.body["labels"][label]}"' in rule.body["expr"]}
        assert twice == alike, rule.group


def test_rule_dependency_every_recorded_series_that_is_read_is_rendered() -> None:
    for rule, selector, _ in each(promql.VectorSelector):
        if selector.name and ":" in selector.name:
            assert selector.name in RECORDED, rule.group


def test_promql_range_and_offset_look_no_further_back_than_what_is_kept() -> None:
    for rule, selector, path in each(promql.VectorSelector):
        reach = selector.offset.total_seconds() if selector.offset else 0
        reach += sum(
            n.range.total_seconds() for n in path if isinstance(n, promql.MatrixSelector | promql.SubqueryExpr)
        )
        assert 0 <= reach <= RETENTION, rule.group


def test_promql_rate_windows_hold_enough_scrapes() -> None:
    found = 0
    for rule, node, path in each(promql.MatrixSelector):
        if function_around(path) in OVER_COUNTERS:
            found += 1
            assert node.range.total_seconds() >= LEAST_SCRAPES * OPTIONS.scrape_interval, rule.group
    assert found


def test_promql_counter_functions_of_counters_see_counters_and_counters_are_seen_by_nothing_else() -> None:
    for rule, selector, path in each(promql.VectorSelector):
        metric = selector.name or ""
        ranged = path and isinstance(path[-1], promql.MatrixSelector)
        function = function_around(path[:-1]) if ranged else ""
        if function in OVER_COUNTERS:
            assert metric.endswith(COUNTERS), f"{rule.group}: {function}({metric})"
        elif metric.endswith(COUNTERS):
            assert only_whether_it_is_there(path), f"{rule.group}: {metric} is a counter"


def only_whether_it_is_there(path: tuple[Any, ...]) -> bool:
    """No number is made of the series: all that is around it, up to `unless`, keeps a series or leaves it out."""
    for node in reversed(path):
        if isinstance(node, promql.BinaryExpr):
            return str(node.op) == "unless"
        if not isinstance(node, promql.AggregateExpr | promql.ParenExpr):
            return False
    return False


def test_promql_regexp_patterns_have_no_anchors_and_match_no_everything() -> None:
    """That a pattern is one although it names a single model is meant: one model more changes no form."""
    for rule, selector, _ in each(promql.VectorSelector):
        for matcher in selector.matchers.matchers:
            if "Re" in str(matcher.op):
                pattern = matcher.value
                assert pattern, rule.group
                assert not pattern.startswith("^") and not re.search(r"(?<!\\)\$$", pattern), rule.group
                assert not re.fullmatch(r"\.[*+]", pattern), rule.group


def test_promql_fragile_nothing_depends_on_labels_that_may_come() -> None:
    for rule, node, _ in each(promql.AggregateExpr):
        assert str(node.op) not in ("topk", "bottomk", "quantile"), f"{rule.group}: another series each time"
        assert node.modifier is None or "By" in str(node.modifier.type), f"{rule.group}: without()"
    for rule, node, _ in each(promql.BinaryExpr):
        if node.modifier is not None and node.modifier.matching is not None:
            assert "Include" in str(node.modifier.matching.type), f"{rule.group}: ignoring()"


def test_promql_impossible_both_sides_of_a_match_have_its_labels() -> None:
    matched = 0
    for rule, node, _ in each(promql.BinaryExpr):
        if node.modifier is None or node.modifier.matching is None:
            continue
        for side in (node.lhs, node.rhs):
            held = labels(side, RECORDED)
            if held is not ANY:
                matched += 1
                assert set(node.modifier.matching.labels) <= held, f"{rule.group}: {node.modifier.matching.labels}"
    assert matched > 50


def test_promql_impossible_sides_that_are_matched_by_all_labels_have_the_same() -> None:
    for rule, node, _ in each(promql.BinaryExpr):
        plain = node.modifier is None or node.modifier.matching is None
        if plain and not is_scalar(node.lhs) and not is_scalar(node.rhs) and str(node.op) != "or":
            left, right = labels(node.lhs, RECORDED), labels(node.rhs, RECORDED)
            assert left is ANY or right is ANY or left == right, f"{rule.group}: {left} {node.op} {right}"


def test_promql_impossible_alternatives_have_the_same_labels() -> None:
    """`or` adds what the left side has no series of those labels for: of other labels, it would add all."""
    for rule, node, _ in each(promql.BinaryExpr):
        if str(node.op) == "or":
            left, right = labels(node.lhs, RECORDED), labels(node.rhs, RECORDED)
            assert left is ANY or right is ANY or left == right, f"{rule.group}: {left} or {right}"


def test_promql_nan_every_divisor_is_above_zero() -> None:
    divided = 0
    for rule, node, _ in each(promql.BinaryExpr):
        if str(node.op) in ("/", "%"):
            divided += 1
            divisor = bare(node.rhs)
            if isinstance(divisor, promql.NumberLiteral):
                assert divisor.val != 0, rule.group
            elif not (isinstance(divisor, promql.AggregateExpr) and str(divisor.op) == "count"):
                guarded = isinstance(divisor, promql.BinaryExpr) and str(divisor.op) == ">"
                assert guarded and bare(divisor.rhs).val >= 0, f"{rule.group}: {node.prettify()}"
    assert divided


def test_promql_nan_no_quantile_of_nothing_reaches_a_limit() -> None:
    """A histogram's quantile without observations is not a number; recorded, it would be kept as one."""
    for rule, node, path in each(promql.Call):
        if node.func.name == "histogram_quantile":
            around = [n for n in path if isinstance(n, promql.BinaryExpr) and str(n.op) in COMPARISONS]
            assert around, rule.group


@pytest.mark.parametrize("query", ["up", "job:nothing:rate5m > 1", "rate(x[5m]) > 0"])
def test_the_labels_of_what_is_not_ours_are_not_guessed(query: str) -> None:
    assert labels(promql.parse(query), RECORDED) is ANY
