"""promtool's rule tests: each alert fires past its limit and its `for`, not before, and else stays silent. Pure.

The cases come from the alert kinds, for each policy with its own limits and one of its models; a custom alert brings
its own two. `group_eval_order` is stated: else an alert may be evaluated before the series that it reads.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from alerts import annotations, recording
from alerts.kind import LONGEST_FILL, AlertKind, Case, Scope, Timing
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
# Of what a window fills with, and of a `for`: longer ones are gone through in longer steps.
_MOST_EVALUATIONS = 120
# Policies in one file: an edit of one has the others in its file proven again.
_TOGETHER = 10
DEFAULT_CASE_INTERVAL = "1m"
# A model that no policy holds for: no name of a model begins like this.
STRANGER = "_stranger"


def render_proofs(rules: list[AlertRule]) -> dict[str, str]:
    """Path in the bundle -> rule tests: one file for each alert, and further ones for policies of another pace.

    Cases that give recorded series themselves have files of their own, without the recording rules: `-limit`, and
    `-long`, of a slow pace, for those that look far back. `-held` is what goes on firing once its condition has ended.
    """
    by_alert: dict[str, list[AlertRule]] = defaultdict(list)
    for rule in rules:
        by_alert[rule.alert].append(rule)
    files = {}
    for alert, held in by_alert.items():
        path = f"prometheus/tests/{alert}"
        for suffix, step, some in _parts(held, _pace):
            tests, given = _tests(some)
            files[f"{path}{suffix}.yml"] = _document(some, step, tests, recorded=_reads_recorded(some))
            if given:
                files[f"{path}-limit{suffix}.yml"] = _document(some, step, given)
        for suffix, step, some in _parts([rule for rule in held if rule.keep_firing], _held_pace):
            held_tests = _held_tests(some)
            files[f"{path}-held{suffix}.yml"] = _document(some, step, held_tests, recorded=_reads_recorded(some))
        if looking_back := _looking_back([rule for rule in held if rule.kind is not None]):
            files[f"{path}-long.yml"] = _document(held, _LONG_STEP, looking_back)
    return files


def _parts(rules: list[AlertRule], pace: Callable[[AlertRule], int]) -> Iterator[tuple[str, int, list[AlertRule]]]:
    """What the file's name ends with, pace and rules of each file that the rules' tests are written to."""
    paces: dict[int, list[AlertRule]] = defaultdict(list)
    for rule in rules:
        paces[pace(rule)].append(rule)
    for position, (step, held) in enumerate(paces.items()):
        suffix = f"-{duration(step)}" if position else ""
        for start in range(0, len(held), _TOGETHER):
            part = f"-{start // _TOGETHER + 1}" if start else ""
            yield f"{suffix}{part}", step, held[start : start + _TOGETHER]


def timing_of(for_: int, window: int) -> Timing:
    """Steps short enough for rates over `window` and for looks just before and after `for_` has passed.

    Yet neither a `for` of days nor one of seconds beside a window of hours takes promtool minutes.
    """
    longest = window // 4 if window else _LONGEST_STEP
    step = max(1, min(_LONGEST_STEP, longest, for_ // 4 if for_ > 3 else for_ or _LONGEST_STEP))
    step = max(step, min(window, LONGEST_FILL) // _MOST_EVALUATIONS)
    pace = step * max(1, for_ // (_MOST_EVALUATIONS * step))
    return Timing(step=step, pace=pace, start=2 * step, for_=for_, window=window)


def _pace(rule: AlertRule) -> int:
    """Seconds between two evaluations in the rule's tests."""
    if rule.custom is not None:
        return min(promql.seconds(_interval(c)) for c in (rule.custom.fires_case, rule.custom.silent_case))
    return _timing(rule).pace


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


def _reads_recorded(rules: list[AlertRule]) -> bool:
    """Whether the recording rules are needed: promtool evaluates all of them at every step."""
    return any("job:" in rule.expression for rule in rules)


def _document(rules: list[AlertRule], step: int, tests: list[dict[str, Any]], *, recorded: bool = False) -> str:
    return dump(
        {
            "rule_files": [*([_RECORDING] if recorded else []), f"../rules/{rules[0].file.removeprefix(_RULES)}"],
            "evaluation_interval": duration(step),
            "group_eval_order": [*([recording.GROUP] if recorded else []), *(rule.group for rule in rules)],
            "tests": tests,
        }
    )


def _tests(rules: list[AlertRule]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The tests of some of an alert's rules that share a pace, and those whose cases give recorded series.

    The others, in the same rule file, see none of this.
    """
    if rules[0].custom is not None:
        return _custom_tests(rules[0].custom), []
    cases = [(timing, rule, case) for rule in rules for timing in [_timing(rule)] for case in _cases(rule, timing)]
    now = [each for each in cases if not each[2].after]
    return _together([each for each in now if not each[2].given]), _together([each for each in now if each[2].given])


def _looking_back(rules: list[AlertRule]) -> list[dict[str, Any]]:
    """The tests whose cases look far back."""
    # A shorter `for` than this would pass between two evaluations of a slow pace.
    slow = [
        (rule, replace(_timing(rule), step=_LONG_STEP, pace=_LONG_STEP, start=2 * _LONG_STEP))
        for rule in rules
        if rule.for_ >= 2 * _LONG_STEP
    ]
    return _together([(timing, rule, case) for rule, timing in slow for case in _cases(rule, timing) if case.after])


def _cases(rule: AlertRule, timing: Timing) -> list[Case]:
    return _kind(rule).cases(_scope(rule), timing)


def _together(cases: list[tuple[Timing, AlertRule, Case]]) -> list[dict[str, Any]]:
    """One test for each case, of all the policies with the same times at once: their models keep them apart."""
    alike: dict[tuple[Timing, str], list[tuple[AlertRule, Case]]] = defaultdict(list)
    for timing, rule, case in cases:
        alike[timing, case.name].append((rule, case))
    return [_test(name, timing, held) for (timing, name), held in alike.items()]


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


def _held_pace(rule: AlertRule) -> int:
    """Seconds between two evaluations, a few of which are as long as the rule goes on firing."""
    window = _timing(rule).window or _kind(rule).fixed_window
    return max(1, min(rule.keep_firing // 4, window // 4 if window else rule.keep_firing))


def _held_tests(rules: list[AlertRule]) -> list[dict[str, Any]]:
    """That each rule fires for its `keep_firing_for` after its condition has ended, and no longer."""
    together: dict[tuple[Timing, int], list[tuple[AlertRule, Case]]] = defaultdict(list)
    for rule in rules:
        step = _held_pace(rule)
        timing = replace(_timing(rule), step=step, pace=step, start=2 * step)
        # Any will do; what makes it fire has to be there at once, and not as long ago as yesterday.
        case = next(c for c in _cases(rule, timing) if c.fires and not (c.late or c.after or c.given))
        together[timing, rule.keep_firing].append((rule, case))
    return [_held_test(timing, keep_firing, held) for (timing, keep_firing), held in together.items()]


def _held_test(timing: Timing, keep_firing: int, held: list[tuple[AlertRule, Case]]) -> dict[str, Any]:
    last = ceil(timing.firing_from / timing.step)  # the last evaluation at which the condition holds
    lasts = ceil(keep_firing / timing.step)  # so many evaluations later it fires no more
    expected = [expected_alert(rule, case.labels) for rule, case in held]
    looks = {last: expected, last + lasts: expected, last + lasts + 1: []}
    series = {s: _traffic_until(last, s, v) for _, case in held for s, v in case.series.items()}
    return {
        "name": f"{', '.join(rule.policy_id for rule, _ in held)}: ends {duration(keep_firing)} after the traffic did",
        "interval": duration(timing.step),
        "input_series": _input(series),
        "alert_rule_test": [
            {"eval_time": duration(at * timing.step), "alertname": held[0][0].alert, "exp_alerts": alerts}
            for at, alerts in looks.items()
        ],
    }


def _traffic_until(last: int, series: str, values: str) -> str:
    """The values; of a version's share of the traffic, until that evaluation, and then none."""
    if not series.startswith(names.TRAFFIC_WEIGHT):
        return values
    return f"{values.partition('+')[0]}+0x{last} 0+0x{last}"


def _beside_stranger(case: Case) -> dict[str, str]:
    """The case's series, and the same of a model that the rule is not about: it must not fire for that one."""
    model = promql.equals(names.MODEL, case.labels.get(names.MODEL, ""))
    stranger = promql.equals(names.MODEL, STRANGER)
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
