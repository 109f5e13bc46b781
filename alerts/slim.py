"""Proofs that take as long for a thousand models as for one: rendered rules cut down to what a proof can see. Pure.

A rule's patterns name each model under its policy, and Prometheus compiles them anew at each evaluation; a proof's
series are of a few models. So a proof is run on copies of the rendered rule files, in which patterns keep the values
that the proof's series have; left out are recorded series that nothing here reads, and rules all of whose selectors
are of other models, since those see nothing. All else is copied as it stands, a mistake in it included. What the
copies no longer show, that the whole patterns name the right models, needs no evaluation: `pattern_faults` reads it.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import promql_parser

from alerts.literal_patterns import MODEL_INPUT, Keeps, alternatives, read
from alerts.yaml_text import load
from telemetry import names

_MODEL_OF_SERIES = re.compile(rf'\b{names.MODEL}="([^"\\]*)"')
_TEAM = "team"  # as alerts.owners sets it
# What has a result although it is given none.
_FROM_NOTHING = {"vector", "absent", "absent_over_time", "scalar"}
# Without a name of its own, a selector may read any recorded series.
_ANY_NAME = "__name__"


def slim_proofs(files: Mapping[str, str], tests: Iterable[str]) -> dict[str, dict[str, str]]:
    """For each path of `tests`, path -> text: the test file as it stands, and slim copies of the rule files it reads.

    `files` are the bundle's. YAMLError, AttributeError, KeyError or TypeError where they are no tests and rules.
    """
    documents: dict[str, Any] = {}

    def document(path: str) -> Any:
        if path not in documents:
            documents[path] = load(files[path]) or {}
        return documents[path]

    return {test: _slim_proof(test, files, document) for test in tests}


def _slim_proof(test: str, files: Mapping[str, str], document: Callable[[str], Any]) -> dict[str, str]:
    tests = document(test).get("tests") or []
    keeps = _keeping(_models_of(tests))
    paths = [joined(test, file) for file in document(test).get("rule_files") or []]
    groups = {path: _slim_groups(document(path), keeps) for path in paths if path in files}
    asked = [look["expr"] for case in tests for look in case.get("promql_expr_test") or []]
    _leave_out_unread(groups, asked)
    return {test: files[test]} | {path: json.dumps({"groups": held}) for path, held in groups.items()}


def digest(proof: Mapping[str, str]) -> str:
    """Names the content of a proof: equal ones need no second run."""
    return hashlib.sha256(json.dumps(proof, sort_keys=True).encode()).hexdigest()


def joined(test: str, file: str) -> str:
    """`../rules/x.yml` as named in `prometheus/tests/y.yml`, as a path inside the bundle."""
    parts: list[str] = list(PurePosixPath(test).parts[:-1])
    for part in PurePosixPath(file).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)


def pattern_faults(expression: str) -> list[str]:
    """Models that an alert's expression selects and whose alert it gives to no team, or to two."""
    patterns = read(expression).patterns
    selected = {value for p in patterns if p.sets is None for value in p.values}
    links = [p for p in patterns if p.label == names.MODEL and p.sets is not None and p.sets[0] == _TEAM]
    teams = Counter(value for p in links for value in p.values)
    return [
        *(f"{model} is selected and given to no team." for model in sorted(selected - set(teams)) if links),
        *(f"{model} is given to {count} teams." for model, count in sorted(teams.items()) if count > 1),
    ]


def _models_of(tests: Iterable[Mapping[str, Any]]) -> set[str]:
    """The models that a proof's series, and the alerts that it expects, are of."""
    found = set()
    for test in tests:
        for row in test.get("input_series") or []:
            found.update(_MODEL_OF_SERIES.findall(row["series"]))
        for look in test.get("alert_rule_test") or []:
            for alert in look.get("exp_alerts") or []:
                found.update(filter(None, [(alert.get("exp_labels") or {}).get(names.MODEL)]))
    return found


def _keeping(models: set[str]) -> Keeps:
    return lambda label, value: _model_of(label, value) in models


def _model_of(label: str, value: str) -> str:
    return value.partition("/")[0] if label == MODEL_INPUT else value


def _slim_groups(document: Any, keeps: Keeps) -> list[dict[str, Any]]:
    groups = []
    for group in document.get("groups") or []:
        seeing = [rule for rule in group["rules"] if not _blind(rule["expr"], keeps)]
        if seeing or not group["rules"]:
            groups.append(group | {"rules": [rule | {"expr": read(rule["expr"], keeps).text} for rule in seeing]})
    return groups


def _blind(expression: str, keeps: Keeps) -> bool:
    """Whether it is sure to be empty: each of its selectors is of other models, and it makes nothing of nothing."""
    reading = read(expression, keeps)
    if any(keeps(p.label, value) for p in reading.patterns if p.sets is None for value in p.values):
        return False
    if not reading.patterns or reading.names & _FROM_NOTHING:
        return False
    return all(_of_models(selector) for selector in _selectors(promql_parser.parse(expression)))


def _selectors(node: Any) -> Iterator[Any]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    inside = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector", "param")]
    for child in (*inside, *getattr(node, "args", ())):
        if type(child).__module__.startswith("promql_parser"):
            yield from _selectors(child)


def _of_models(selector: Any) -> bool:
    """Whether it names its models one by one: which, `_blind` has read already."""
    matchers = [m for m in selector.matchers.matchers if m.name == names.MODEL and m.op == promql_parser.MatchOp.Re]
    return any(alternatives(matcher.value) is not None for matcher in matchers)


def _leave_out_unread(groups: Mapping[str, list[dict[str, Any]]], asked: Iterable[str]) -> None:
    """Take out recording rules that neither an alert, nor a test, nor another rule that stays reads."""
    all_groups = [group for held in groups.values() for group in held]
    rules = [rule for group in all_groups for rule in group["rules"]]
    used: set[str] = set()
    waiting = [*asked, *(rule["expr"] for rule in rules if "alert" in rule)]
    while waiting:
        new = {name for expression in waiting for name in read(expression).names} - used
        used |= new
        waiting = [rule["expr"] for rule in rules if rule.get("record") in new]
    if _ANY_NAME in used:
        return
    for group in all_groups:
        group["rules"] = [rule for rule in group["rules"] if "alert" in rule or rule["record"] in used]
