"""promtool's rule tests: each alert fires past its limit and its `for`, not before, and else stays silent. Pure.

The cases come from the alert kinds, for each policy with its own limits and one of its models; a custom alert brings
its own two. `group_eval_order` is stated: else an alert may be evaluated before the series that it reads.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from alerts import annotations, recording
from alerts.kind import AlertKind, Case, Scope, Timing
from alerts.owners import SEVERITY, TEAM, severity_of, team_of
from alerts.policies import CustomRow
from alerts.rule import AlertRule, addresses, linked, text_values
from alerts.yaml_text import dump
from telemetry import names, promql
from telemetry.promql import duration

_RULES = "prometheus/rules/"
_RECORDING = f"../rules/{recording.FILE.removeprefix(_RULES)}"
# Within Prometheus' five minutes, after which a sample counts no more.
_LONGEST_STEP = 120
# Of cases that look far back: promtool takes a millisecond or two for each evaluation.
_LONG_STEP = 240
# Policies in one file: an edit of one has the others in its file proven again.
_TOGETHER = 10
DEFAULT_CASE_INTERVAL = "1m"
# A model that no policy holds for: no name of a model begins like this.
_STRANGER = "_stranger"


def render_proofs(rules: list[AlertRule]) -> dict[str, str]:
    """Path in the bundle -> rule tests: one file for each alert, and further ones for policies of another pace.

    Cases that look far back have a file of their own, of a slow pace and without the recording rules.
    """
    by_pace: dict[str, dict[int, list[AlertRule]]] = defaultdict(lambda: defaultdict(list))
    for rule in rules:
        by_pace[rule.alert][_pace(rule)].append(rule)
    files = {}
    for alert, paces in by_pace.items():
        for position, (step, held) in enumerate(paces.items()):
            suffix = f"-{duration(step)}" if position else ""
            for start in range(0, len(held), _TOGETHER):
                part = f"-{start // _TOGETHER + 1}" if start else ""
                some = held[start : start + _TOGETHER]
                files[f"prometheus/tests/{alert}{suffix}{part}.yml"] = _file(some, step)
        held = [rule for each in paces.values() for rule in each if rule.kind is not None]
        if looking_back := _kind_tests(held, looking_back=True):
            files[f"prometheus/tests/{alert}-long.yml"] = _document(held, _LONG_STEP, looking_back)
    return files


def timing_of(for_: int, window: int) -> Timing:
    """Steps short enough for rates over `window` and for looks just before and after `for_` has passed."""
    longest = window // 4 if window else _LONGEST_STEP
    step = max(1, min(_LONGEST_STEP, longest, for_ // 4 if for_ > 3 else for_ or _LONGEST_STEP))
    return Timing(step=step, start=2 * step, for_=for_, window=window)


def _pace(rule: AlertRule) -> int:
    """Seconds between two evaluations in the rule's tests."""
    if rule.custom is not None:
        return min(promql.seconds(_interval(c)) for c in (rule.custom.fires_case, rule.custom.silent_case))
    return _timing(rule).step


def _timing(rule: AlertRule) -> Timing:
    kind = _kind(rule)
    timing = timing_of(rule.for_, _scope(rule).window or kind.fixed_window)
    # What looks at no counters needs no full window to hold; its steps still have to fall into a short one.
    return timing if kind.counts else replace(timing, window=0)


def _scope(rule: AlertRule) -> Scope:
    if rule.scope is None:
        raise ValueError(f"The rule {rule.group} is a custom alert: it has no scope.")
    return rule.scope


def _kind(rule: AlertRule) -> AlertKind:
    if rule.kind is None:
        raise ValueError(f"The rule {rule.group} is a custom alert: it has no kind.")
    return rule.kind


def _file(rules: list[AlertRule], step: int) -> str:
    """The tests of some of an alert's rules that share a pace. The others, in the same rule file, see none of this."""
    tests = _custom_tests(rules[0].custom) if rules[0].custom is not None else _kind_tests(rules)
    # Only where they are read: promtool evaluates all of them at every step.
    recorded = any("job:" in rule.expression for rule in rules)
    return _document(rules, step, tests, recorded=recorded)


def _document(rules: list[AlertRule], step: int, tests: list[dict[str, Any]], *, recorded: bool = False) -> str:
    return dump(
        {
            "rule_files": [*([_RECORDING] if recorded else []), f"../rules/{rules[0].file.removeprefix(_RULES)}"],
            "evaluation_interval": duration(step),
            "group_eval_order": [*([recording.GROUP] if recorded else []), *(rule.group for rule in rules)],
            "tests": tests,
        }
    )


def _kind_tests(rules: list[AlertRule], *, looking_back: bool = False) -> list[dict[str, Any]]:
    """One test for each case, of all the policies with the same times at once: their models keep them apart."""
    together: dict[tuple[Timing, str], list[tuple[AlertRule, Case]]] = defaultdict(list)
    for rule in rules:
        timing = _timing(rule)
        if looking_back:
            timing = replace(timing, step=_LONG_STEP, start=2 * _LONG_STEP)
        for case in _kind(rule).cases(_scope(rule), timing):
            # A shorter `for` than this would pass between two evaluations of a slow pace.
            if looking_back is bool(case.after) and (not looking_back or rule.for_ >= 2 * _LONG_STEP):
                together[timing, case.name].append((rule, case))
    return [_test(name, timing, held) for (timing, name), held in together.items()]


def _test(name: str, timing: Timing, held: list[tuple[AlertRule, Case]]) -> dict[str, Any]:
    alert, fires, after = held[0][0].alert, held[0][1].fires, held[0][1].after
    expected = [expected_alert(rule, case.labels) for rule, case in held] if fires else []
    at = timing.firing_from if fires and not held[0][1].late else timing.silent_at
    looks = [{"eval_time": duration(after + at), "alertname": alert, "exp_alerts": expected}]
    series = {s: v for _, case in held for s, v in (_beside_stranger(case) if fires else case.series).items()}
    if fires and timing.for_:
        looks.insert(0, {"eval_time": duration(after + timing.pending_until), "alertname": alert, "exp_alerts": []})
    return {
        "name": f"{', '.join(rule.policy_id for rule, _ in held)}: {name}",
        "interval": duration(timing.step),
        "input_series": _input(series),
        "alert_rule_test": looks,
    }


def _beside_stranger(case: Case) -> dict[str, str]:
    """The case's series, and the same of a model that the rule is not about: it must not fire for that one."""
    model = promql.equals(names.MODEL, case.labels.get(names.MODEL, ""))
    stranger = promql.equals(names.MODEL, _STRANGER)
    return {s: v for series, v in case.series.items() for s, v in ((series, v), (series.replace(model, stranger), v))}


def _input(series: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"series": selector, "values": values} for selector, values in series.items()]


def expected_alert(rule: AlertRule, series_labels: Mapping[str, str]) -> dict[str, Any]:
    """The alert of a series with those labels, with all that it carries, as promtool compares it."""
    kind, scope = _kind(rule), _scope(rule)
    labels = {**series_labels, **rule.labels}
    if scope.models:
        model = next(m for m in scope.models if m.name == series_labels[names.MODEL])
        feature, state = (series_labels.get(label, "") for label in (names.FEATURE, names.STATE))
        labels.setdefault(TEAM, rule.notify or team_of(kind.owner, model, feature, state))
        labels.setdefault(SEVERITY, severity_of(kind, model, ""))
    values = text_values(kind, scope)
    texts = {
        "summary": annotations.expanded(kind.summary, values, labels),
        "description": annotations.expanded(kind.description, values, labels),
        **{
            name: annotations.link(address, linked(kind), labels)
            for name, address in addresses(kind.name, scope.options).items()
        },
    }
    return {"exp_labels": labels, "exp_annotations": texts}


def _interval(case: Mapping[str, Any]) -> str:
    """Between two samples of a custom alert's case."""
    return str(case.get("interval", DEFAULT_CASE_INTERVAL))


def _custom_tests(custom: CustomRow) -> list[dict[str, Any]]:
    """The two cases that came with the alert. Its labels are the person's affair: only that it fires is looked at."""
    firing = promql.selector("ALERTS", promql.equals("alertname", custom.name), promql.equals("alertstate", "firing"))
    return [
        {
            "name": name,
            "interval": _interval(case),
            "input_series": _input(case["series"]),
            "promql_expr_test": [
                {
                    "expr": f"count({firing}) > bool 0 or vector(0)",
                    "eval_time": case["at"],
                    "exp_samples": [{"labels": "{}", "value": value}],
                }
            ],
        }
        for name, case, value in (
            ("the case in which it fires", custom.fires_case, 1),
            ("the case in which it is silent", custom.silent_case, 0),
        )
    ]
