"""Small mistakes in a rendered rule, each made at one place: what a proof has to notice."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerts.yaml_text import load
from telemetry import names, promql
from tests.alerts import tools

# What stands in a text or in a label's name is no operator and no number.
_TOKENS = re.compile(
    r"(?P<matcher>(?P<before>[{,])(?P<label>\w+)(?P<sign>=~|!=|=)(?P<value>\"(?:[^\"\\]|\\.)*\"))"
    r"|(?P<link>\"(?:team|severity)\", )\"(?P<target>\w[^\"]*\")"
    r"|(?P<text>\"(?:[^\"\\]|\\.)*\")"
    r"|\[(?P<window>\w+)\]"
    r"|offset (?P<offset>\w+)"
    r"|(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r"|(?P<compare>>=|<=|==|!=|>|<)"
    r"|(?P<number>\d+(?:\.\d+)?)"
)
# A selector is joined with the others, which keep it to the same: a mistake in one of them doesn't show.
_JOINED = {names.MODEL: "models", names.OBJECTIVE: "objectives"}
COMPARISONS = {">": (">=", "<"), ">=": (">", "<"), "==": ("!=", ">="), "<": ("<=", ">"), "<=": ("<", ">")}
SETS = {"and": ("unless",), "unless": ("and",)}


@dataclass(frozen=True)
class Mutant:
    """A rule's body with one mistake. `what` is the same in every run, and says where."""

    what: str
    rule: Mapping[str, Any]


def mutants(rule: Mapping[str, Any]) -> Iterator[Mutant]:
    """Of an alert: its comparisons, numbers, windows, matchers, set operators, waits, and the labels that it sets."""
    expression: str = rule["expr"]
    seen: dict[str, int] = {}
    for token in _TOKENS.finditer(expression):
        for kind, there, instead in _mistakes(token):
            name = f"{kind}: {there} -> {instead}"
            seen[name] = seen.get(name, 0) + 1
            text = expression[: token.start()] + instead + expression[token.end() :]
            yield Mutant(f"{name} (#{seen[name]})", {**rule, "expr": text})
    for label, what in _JOINED.items():
        everywhere = re.sub(rf'\b{label}=~?"[^"]*"', f'{label}=~".*"', expression)
        if everywhere != expression:
            yield Mutant(f"matcher: of all {what}", {**rule, "expr": everywhere})
    if "for" in rule:
        yield Mutant("for: none", {key: value for key, value in rule.items() if key != "for"})
        yield Mutant("for: twice as long", {**rule, "for": promql.duration(2 * promql.seconds(rule["for"]))})
    if "keep_firing_for" in rule:
        twice = promql.duration(2 * promql.seconds(rule["keep_firing_for"]))
        yield Mutant("keep: none", {key: value for key, value in rule.items() if key != "keep_firing_for"})
        yield Mutant("keep: twice as long", {**rule, "keep_firing_for": twice})


def _mistakes(token: re.Match[str]) -> Iterator[tuple[str, str, str]]:
    """(kind, what is there, what stands there instead)."""
    there = token[0]
    if token["label"] in _JOINED:
        return  # all of them at once, above
    if token["matcher"]:
        yield "matcher", there, token["before"] if token["before"] == "{" else ""
        opposite = {"=": "!=", "!=": "=", "=~": "!~"}[token["sign"]]
        yield "matcher", there, f"{token['before']}{token['label']}{opposite}{token['value']}"
    elif token["compare"]:
        for other in COMPARISONS[there]:
            yield "operator", there, other
    elif token["number"]:
        number = float(there)
        for other in (number * 1.25, number * 0.75) if number else (1.0, -1.0):
            yield "threshold", there, f"({other:g})" if other < 0 else f"{other:g}"
    elif token["window"]:
        for factor in (4, 0.25):
            yield "window", there, f"[{promql.duration(int(promql.seconds(token['window']) * factor))}]"
    elif token["offset"]:
        yield "window", there, f"offset {promql.duration(2 * promql.seconds(token['offset']))}"
    elif token["link"]:
        yield "label", there, f'{token["link"]}"x{token["target"]}'
    elif token["word"] in SETS:
        for other in SETS[there]:
            yield "operator", there, other


@dataclass(frozen=True)
class Verdict:
    """What a proof says: to the rule as it is, and which of the mistakes in it pass."""

    unchanged_passes: bool
    mistakes: list[str]
    survivors: list[str]

    @property
    def made(self) -> int:
        return len(self.mistakes)


def judged(proofs: Mapping[str, Mapping[str, str]], path: str, folder: Path) -> Verdict:
    """The verdict of an alert's tests, one after the other, on its rules in `path` and on each mistake in them.

    `proofs`: each test with its files. A mistake passes that none of them notices.
    """
    passes, mistakes, left = True, [], None
    for test, proof in proofs.items():
        one = _judged(test, proof, path, folder / Path(test).stem, left)
        passes, left = passes and one.unchanged_passes, one.survivors
        mistakes = mistakes or one.mistakes
    return Verdict(passes, mistakes, left or [])


def _judged(test: str, proof: Mapping[str, str], path: str, folder: Path, among: list[str] | None) -> Verdict:
    """One test's verdict, on the mistakes `among` these if they are given.

    In one promtool call: each mistaken rule is an alert of its own beside the right one, and the test asks of each what
    it asks of that.
    """
    alert = Path(test).stem.partition("-")[0]
    document, asked = json.loads(proof[path]), load(proof[test])
    groups = [group for group in document["groups"] if group["rules"][0]["alert"] == alert]
    made: dict[str, str] = {}
    labels: dict[str, dict[str, str]] = {alert: {}}
    for group in groups:
        (rule,) = group["rules"]
        where = "" if len(groups) == 1 else f"{rule['labels']['tier']}, "
        for mutant in mutants(rule):
            if among is None or f"{where}{mutant.what}" in among:
                name = f"{alert}_{len(made)}"
                made[name], labels[name] = f"{where}{mutant.what}", rule["labels"]
                group["rules"].append({**mutant.rule, "alert": name})
    for case in asked["tests"]:
        looks = case["alert_rule_test"]
        case["alert_rule_test"] = [_of(look, name, labels[name]) for look in looks for name in labels]
    for name, text in {**proof, path: json.dumps(document), test: json.dumps(asked)}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    failed = _failed(test, folder)
    return Verdict(
        alert not in failed, list(made.values()), [what for name, what in made.items() if name not in failed]
    )


def _of(look: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """What is asked of the alert `name`: what its rule, which has those labels, is asked for."""
    expected = [each for each in look["exp_alerts"] if labels.items() <= each["exp_labels"].items()]
    return {**look, "alertname": name, "exp_alerts": expected}


def _failed(test: str, folder: Path) -> set[str]:
    """The alerts of `test` that fired or did not, against what was expected, or that could not be evaluated."""
    done = subprocess.run(
        [tools.PROMTOOL, "test", "rules", test], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    failed = set(re.findall(r"^ +(?:alertname|rule): (\w+), ", done.stdout + done.stderr, re.MULTILINE))
    assert bool(failed) == bool(done.returncode), done.stdout + done.stderr
    return failed
