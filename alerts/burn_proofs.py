"""Rule tests of the burn-rate alerts: for each objective's sort, all tiers at once, from the counters on. Pure.

promtool compares all alerts of a name, and the tiers of an objective share it: each situation says of every tier
whether it fires.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alerts import burn_rate
from alerts.burn_history import History, Stretch, firing
from alerts.burn_rate import TIERS, Tier, base_window
from alerts.guards import REQUESTS_PER_MINUTE, weight_series
from alerts.kind import Scope
from alerts.kinds.error_budget_burn import NAME, NO_DATA_FOR, BurnKind
from alerts.objectives import LATENCY, ObjectiveRow
from alerts.options import RenderOptions
from alerts.proof_series import labelled, value
from alerts.proofs import expected_alert
from alerts.rule import AlertRule
from alerts.yaml_text import dump
from telemetry import names
from telemetry.promql import duration

_RULES = "prometheus/rules/"
_LONGEST_STEP = 120
_LIMIT_NEARNESS = 0.05


@dataclass(frozen=True)
class Situation:
    """Counters, and which tiers' alerts they come to fire; `missing`: it is told that nothing is measured."""

    name: str
    series: Mapping[str, str]
    at: int
    fires: tuple[Tier, ...] = ()
    missing: bool = False


def render_burn_proofs(rules: list[AlertRule]) -> dict[str, str]:
    """Path in the bundle -> rule tests, a file for each period."""
    by_period: dict[int, list[AlertRule]] = defaultdict(list)
    for rule in rules:
        by_period[_kind(rule).period_days].append(rule)
    return {
        f"prometheus/tests/{NAME}-{days}d.yml": _file(held, days, rules) for days, held in sorted(by_period.items())
    }


def _file(rules: list[AlertRule], days: int, of_all_periods: list[AlertRule]) -> str:
    step = step_of(days, _scope(rules[0]).options)
    by_policy: dict[str, list[AlertRule]] = defaultdict(list)
    for rule in rules:
        by_policy[rule.policy_id].append(rule)
    missing = [rule for rule in of_all_periods if _kind(rule).tier is None]
    tests = [test for held in by_policy.values() for test in _tests(held, missing, step)]
    return dump(
        {
            "rule_files": [f"../rules/{path.removeprefix(_RULES)}" for path in (burn_rate.FILE, rules[0].file)],
            "evaluation_interval": duration(step),
            "group_eval_order": [*burn_rate.groups_of(days), *(rule.group for rule in of_all_periods)],
            "tests": tests,
        }
    )


def step_of(days: int, options: RenderOptions) -> int:
    """Seconds between two samples: three to the base window."""
    return min(_LONGEST_STEP, base_window(days, options) // 3)


def _tests(rules: list[AlertRule], missing: list[AlertRule], step: int) -> Iterator[dict[str, Any]]:
    """Of the rules of one policy and period. `missing`: the rules about missing series, of all periods."""
    # That of this period knows all objectives, whatever their targets.
    objectives = next(_kind(rule).of(_scope(rule)) for rule in rules if _kind(rule).tier is None)
    alike: dict[tuple[str, float], dict[float, ObjectiveRow]] = defaultdict(dict)
    for objective in objectives:
        alike[objective.kind, objective.latency_seconds or 0].setdefault(objective.target, objective)
    scope = _scope(rules[0])
    seen: set[str] = set()
    for (kind, _), by_target in sorted(alike.items()):
        for _, objective in sorted(by_target.items()):
            situations = [*at_the_limits(objective, scope, step)]
            # All objectives share the windows' rules, and those of a kind the guards: one shows how they work.
            if not seen:
                situations += over_time(objective, scope, step)
            if kind not in seen:
                situations += guarded(objective, [o for o, _ in _beside(objective, missing)], scope, step)
            seen.add(kind)
            for situation in situations:
                yield _test(rules, missing, objective, situation, step)


def _test(
    rules: list[AlertRule], missing: list[AlertRule], objective: ObjectiveRow, situation: Situation, step: int
) -> dict[str, Any]:
    expected = [
        expected_alert(rule, _labels(objective))
        for rule in rules
        if _kind(rule).tier in situation.fires and objective in _kind(rule).objectives
    ]
    looks = [{"eval_time": duration(situation.at), "alertname": NAME, "exp_alerts": expected}]
    if situation.missing:
        # What one objective lacks, the others of its model lack as well.
        expected += [expected_alert(rule, _labels(other)) for other, rule in _beside(objective, missing)]
        looks.insert(0, {"eval_time": duration(situation.at - NO_DATA_FOR), "alertname": NAME, "exp_alerts": []})
    return {
        "name": f"{rules[0].policy_id}: {objective.name} of {objective.model}: {situation.name}",
        "interval": duration(step),
        "input_series": [{"series": each, "values": values} for each, values in situation.series.items()],
        "alert_rule_test": looks,
    }


def _labels(objective: ObjectiveRow) -> dict[str, str]:
    return {names.MODEL: objective.model, names.ROUTE: objective.route, names.OBJECTIVE: objective.name}


def _beside(objective: ObjectiveRow, missing: list[AlertRule]) -> list[tuple[ObjectiveRow, AlertRule]]:
    """The objectives of the same model, that one among them, each with the rule that tells if it lacks series."""
    pairs = [(other, rule) for rule in missing for other in _kind(rule).of(_scope(rule))]
    return [(other, rule) for other, rule in pairs if other.model == objective.model]


def at_the_limits(objective: ObjectiveRow, scope: Scope, step: int) -> Iterator[Situation]:
    """Just over and just under what each tier tolerates, steadily."""
    short = 2 * base_window(objective.period_days, scope.options) // step
    for tier in _tiers(objective):
        limit = float(tier.threshold(objective))
        over = min(limit * (1 + _LIMIT_NEARNESS), (limit + 1) / 2)
        for words, share in (("over", over), ("under", limit * (1 - _LIMIT_NEARNESS))):
            history = History((Stretch(short, share),), _busy(scope), step)
            yield from _situation(f"steadily just {words} {tier.name}", history, objective, scope)


def over_time(objective: ObjectiveRow, scope: Scope, step: int) -> Iterator[Situation]:
    """Burning that is over by now, and burning that has only begun: in each case one of a tier's windows is good."""
    base = base_window(objective.period_days, scope.options)
    # The tickets' windows would take thousands of steps to fill; the slow page's shows the same.
    longest = TIERS[1].long_window(objective.period_days)
    for tier in _tiers(objective):
        short = tier.short_window(objective.period_days, scope.options)
        recent = (short + base) // step + 2
        past = min(tier.long_window(objective.period_days), longest) // step
        limit = float(tier.threshold(objective))
        burnt = min(3 * short, longest) // step
        over = [(Stretch(burnt, share), Stretch(recent, 0)) for share in (1.0, 0.8, 0.6)]
        begun = [(Stretch(past, 0), Stretch(recent, min(1, limit * times))) for times in (3, 2.5, 2, 1.6, 1.3)]
        for words, pasts in (("burnt until lately", over), ("burns only since lately", begun)):
            for stretches in pasts:
                history = History(stretches, _busy(scope), step)
                found = firing(history, objective, _tiers(objective), scope.options)
                if found is not None and tier not in found:
                    yield from _situation(f"{words}, as {tier.name} sees it", history, objective, scope)
                    break


def guarded(objective: ObjectiveRow, of_model: list[ObjectiveRow], scope: Scope, step: int) -> Iterator[Situation]:
    """What must stay silent whatever the ratio, and what is told where there is nothing to measure."""
    steps = 2 * base_window(objective.period_days, scope.options) // step
    floor = scope.limit(REQUESTS_PER_MINUTE.name) / 60
    if floor:
        thin = History((Stretch(steps, 1),), 0.9 * floor, step)
        yield Situation("too little traffic to judge by", _counters(objective, thin), steps * step)
    if objective.kind != LATENCY:
        invalid = History((Stretch(steps, 1),), _busy(scope), step)
        series = _counters(objective, invalid, reason=names.INVALID_INPUT)
        yield Situation("invalid input is no failure", series, steps * step)
    waiting = NO_DATA_FOR // step + 2
    served = {weight_series(objective.model, "v1"): f"1+0x{max(steps, waiting)}"}
    good = History((Stretch(max(steps, waiting), 0),), _busy(scope), step)
    measured = {each: values for other in of_model for each, values in _counters(other, good).items()}
    yield Situation("served and measured", {**served, **measured}, good.steps * step)
    yield Situation("served, yet nothing is counted", served, waiting * step, missing=True)
    unserved = {weight_series(objective.model, "v1"): f"0+0x{waiting}"}
    yield Situation("not served, so nothing to count", unserved, waiting * step)


def _situation(name: str, history: History, objective: ObjectiveRow, scope: Scope) -> Iterator[Situation]:
    """None where a tier is too near to its limit to say."""
    found = firing(history, objective, _tiers(objective), scope.options)
    if found is not None:
        yield Situation(name, _counters(objective, history), history.steps * history.step, found)


def _tiers(objective: ObjectiveRow) -> tuple[Tier, ...]:
    return tuple(tier for tier in TIERS if tier.can_fire(objective))


def _busy(scope: Scope) -> float:
    """Events a second, many times the least that is judged by."""
    return max(10.0, 10 * scope.limit(REQUESTS_PER_MINUTE.name) / 60)


def _counters(objective: ObjectiveRow, history: History, reason: str = "model_error") -> dict[str, str]:
    """The serving app's counters in that history."""
    answers = {names.MODEL: objective.model, names.VERSION: "v1", names.ROUTE: objective.route}
    events = _counter(history, [1.0 for _ in history.stretches])
    if objective.latency_seconds is not None:
        fast = _counter(history, [1 - stretch.bad for stretch in history.stretches])
        buckets = {repr(float(objective.latency_seconds)): fast, "+Inf": events}
        return {labelled(f"{names.LATENCY}_bucket", {**answers, "le": le}): held for le, held in buckets.items()}
    bad = _counter(history, [stretch.bad for stretch in history.stretches])
    return {
        labelled(names.REQUESTS, {**answers, names.STATUS: "success"}): events,
        labelled(names.ERRORS, {**answers, names.REASON: reason}): bad,
    }


def _counter(history: History, shares: list[float]) -> str:
    """A counter of that share of the events, in promtool's notation."""
    total, parts = 0.0, ["0"]
    for stretch, share in zip(history.stretches, shares, strict=True):
        grown = history.per_second * history.step * share
        parts.append(f"{value(total + grown)}+{value(grown)}x{stretch.steps - 1}")
        total += grown * stretch.steps
    return " ".join(parts)


def _kind(rule: AlertRule) -> BurnKind:
    if not isinstance(rule.kind, BurnKind):
        raise ValueError(f"The rule {rule.group} is about no objective.")
    return rule.kind


def _scope(rule: AlertRule) -> Scope:
    if rule.scope is None:
        raise ValueError(f"The rule {rule.group} has no scope.")
    return rule.scope
