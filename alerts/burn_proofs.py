"""Rule tests of the burn-rate alerts: for each objective's sort, all tiers at once, from the counters on. Pure.

promtool compares all alerts of a name, and the tiers of an objective share it: each situation says of every tier
whether it fires.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from alerts import burn_rate
from alerts.backtest.burn_history import History, Look, Stretch, firing, turns
from alerts.burn_rate import BAD_ANSWERS, TIERS, Tier, base_window, enough_bad
from alerts.guards import REQUESTS_PER_MINUTE, weight_series
from alerts.kind import Scope
from alerts.kinds.error_budget_burn import NAME, NO_DATA_FOR, BurnKind
from alerts.objectives import AVAILABILITY, LATENCY, ObjectiveRow
from alerts.options import RenderOptions
from alerts.proof_series import exact, just_reaching, labelled
from alerts.proofs import STRANGER, expected_alert
from alerts.rule import AlertRule
from alerts.yaml_text import dump
from telemetry import names, promql
from telemetry.promql import duration

_RULES = "prometheus/rules/"
_LONGEST_STEP = 240  # within Prometheus' five minutes, after which a sample counts no more
_LIMIT_NEARNESS = 0.05
_MOST_STEPS = 200
_GIVEN_STEPS = 2
# By the kind of an objective: what is counted of it where the rest is missing.
_HALF = {AVAILABILITY: f"{names.ERRORS}{{", LATENCY: 'le="+Inf"'}
_FIRING = {"alertname": NAME, "alertstate": "firing"}


@dataclass(frozen=True)
class Situation:
    """Counters, and when which tiers' alerts fire; `missing`: at the end it is told that these aren't measured."""

    name: str
    series: Mapping[str, str]
    looks: tuple[Look, ...]
    missing: tuple[ObjectiveRow, ...] = ()


def render_burn_proofs(rules: list[AlertRule]) -> dict[str, str]:
    """Path in the bundle -> rule tests, a file for each period."""
    by_period: dict[int, list[AlertRule]] = defaultdict(list)
    for rule in rules:
        by_period[_kind(rule).period_days].append(rule)
    return {
        f"prometheus/tests/{NAME}-{days}d.yml": _file(held, days, rules) for days, held in sorted(by_period.items())
    }


def _file(rules: list[AlertRule], days: int, of_all_periods: list[AlertRule]) -> str:
    periods = {_kind(rule).period_days for rule in of_all_periods}
    step = step_of(days, _scope(rules[0]).options, periods)
    by_policy: dict[str, list[AlertRule]] = defaultdict(list)
    for rule in rules:
        by_policy[rule.policy_id].append(rule)
    missing = [rule for rule in of_all_periods if _kind(rule).tier is None]
    tests = _together([test for held in by_policy.values() for test in _tests(held, missing, step)])
    return dump(
        {
            "rule_files": [f"../rules/{path.removeprefix(_RULES)}" for path in (burn_rate.FILE, rules[0].file)],
            "evaluation_interval": duration(step),
            "group_eval_order": [*burn_rate.groups_of(days), *(rule.group for rule in of_all_periods)],
            "tests": tests,
        }
    )


def _together(tests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tests of one situation and the same times as one, where no series is in both: promtool starts a store for each.

    However many targets there are, their objectives are on different models, or count different things.
    """
    kept: list[dict[str, Any]] = []
    open_: dict[Any, tuple[dict[str, Any], set[str]]] = {}
    for test in tests:
        looks = test.get("alert_rule_test")
        if looks is None:
            kept.append(test)
            continue
        alike = (test["name"].rpartition(": ")[2], tuple(look["eval_time"] for look in looks))
        series = {each["series"] for each in test["input_series"]}
        other, known = open_.get(alike, (None, set()))
        if other is None or series & known:
            kept.append(test)
            open_[alike] = (test, series)
            continue
        other["name"] = f"{test['name'].rpartition(': ')[0]}, {other['name']}"
        other["input_series"] += test["input_series"]
        for look, added in zip(other["alert_rule_test"], looks, strict=True):
            look["exp_alerts"] += added["exp_alerts"]
        known |= series
    return kept


def step_of(days: int, options: RenderOptions, periods: Iterable[int] = ()) -> int:
    """Seconds between two samples: as few as rates over the base window can do with.

    Never as long as the base window of another of the `periods`: whether its rates then have two samples or one
    differs between Prometheus 2 and 3.
    """
    step = min(_LONGEST_STEP, base_window(days, options) // 2)
    return step // 2 if step in {base_window(other, options) for other in periods} else step


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
            situations = [*at_the_limits(objective, scope, step), *exactly_at_the_limits(objective, scope)]
            # The windows' rules are shared by all objectives, the guards by those of a kind: one shows how they work.
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
    named = {
        "name": f"{rules[0].policy_id}: {objective.name} of {objective.model}: {situation.name}",
        "interval": duration(step),
        "input_series": [{"series": each, "values": values} for each, values in situation.series.items()],
    }
    beside = _beside(objective, missing)
    if situation.missing:
        untold = [expected_alert(rule, _labels(other)) for other, rule in beside if other in situation.missing]
        at_first, at_last = NO_DATA_FOR // step - 1, situation.looks[-1].at
        return named | {"alert_rule_test": [_alerts(at_first * step, []), _alerts(at_last * step, untold)]}
    looks = [(look.at * step, _firing_rules(rules, objective, look.fires)) for look in situation.looks]
    if any(_counts_alike(objective, other) for other, _ in beside if other != objective):
        # The others have limits of their own: promtool can look at this one by its series alone.
        return named | {"promql_expr_test": [_samples(at, objective, fires) for at, fires in looks]}
    expected = [(at, [expected_alert(rule, _labels(objective)) for rule in fires]) for at, fires in looks]
    return named | {"alert_rule_test": [_alerts(at, alerts) for at, alerts in expected]}


def _firing_rules(rules: list[AlertRule], objective: ObjectiveRow, fires: tuple[Tier, ...]) -> list[AlertRule]:
    return [rule for rule in rules if _kind(rule).tier in fires and objective in _kind(rule).objectives]


def _alerts(at: int, alerts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"eval_time": duration(at), "alertname": NAME, "exp_alerts": alerts}


def _samples(at: int, objective: ObjectiveRow, fires: list[AlertRule]) -> dict[str, Any]:
    """The firing alerts of the objective, as the series ALERTS shows them."""
    about = promql.selector(
        "ALERTS",
        promql.equals("alertstate", "firing"),
        *(promql.equals(name, value) for name, value in _labels(objective).items()),
    )
    samples = [
        {
            "labels": labelled("ALERTS", expected_alert(rule, _labels(objective))["exp_labels"] | _FIRING),
            "value": 1,
        }
        for rule in fires
    ]
    return {"expr": about, "eval_time": duration(at), "exp_samples": samples}


def _counts_alike(one: ObjectiveRow, other: ObjectiveRow) -> bool:
    """Whether what one counts is what the other counts."""
    return (one.kind, one.route, one.latency_seconds) == (other.kind, other.route, other.latency_seconds)


def _labels(objective: ObjectiveRow) -> dict[str, str]:
    return {names.MODEL: objective.model, names.ROUTE: objective.route, names.OBJECTIVE: objective.name}


def _beside(objective: ObjectiveRow, missing: list[AlertRule]) -> list[tuple[ObjectiveRow, AlertRule]]:
    """The objectives of the same model, that one among them, each with the rule that tells if it lacks series."""
    pairs = [(other, rule) for rule in missing for other in _kind(rule).of(_scope(rule))]
    return [(other, rule) for other, rule in pairs if other.model == objective.model]


def at_the_limits(objective: ObjectiveRow, scope: Scope, step: int) -> Iterator[Situation]:
    """Just over and just under what each tier tolerates, steadily."""
    steps = 2 * base_window(objective.period_days, scope.options) // step
    for tier in _tiers(objective):
        limit = float(tier.threshold(objective))
        over = min(limit * (1 + _LIMIT_NEARNESS), (limit + 1) / 2)
        for words, share in (("over", over), ("under", limit * (1 - _LIMIT_NEARNESS))):
            history = _history(objective, scope, step, Stretch(steps, share))
            found = firing(history, steps, objective, _tiers(objective), scope)
            if found is not None:
                look = (Look(steps, found),)
                yield Situation(f"steadily just {words} {tier.name}", _counters(objective, history), look)


def exactly_at_the_limits(objective: ObjectiveRow, scope: Scope) -> Iterator[Situation]:
    """One window of each tier exactly at what it tolerates; then of all tiers exactly what is enough to judge by.

    Given as if recorded, without the counters: no rate is exactly a number that is asked for.
    """
    days, tiers = objective.period_days, _tiers(objective)
    for some in _apart(tiers, days, scope):
        for words in ("long", "short"):
            shares: dict[int, float] = {}
            for tier in some:
                limit = float(tier.threshold(objective))
                over = min(limit * (1 + _LIMIT_NEARNESS), (limit + 1) / 2)
                long, short = tier.long_window(days), tier.short_window(days, scope.options)
                shares |= {long: limit, short: over} if words == "long" else {long: over, short: limit}
            series = _recorded(objective, scope, shares, [tier.long_window(days) for tier in some])
            name = f"the {words} windows exactly at the limits of {', '.join(tier.name for tier in some)}"
            yield Situation(name, series, _silent(_GIVEN_STEPS))
    fastest = float(tiers[0].threshold(objective))
    shares = dict.fromkeys(
        burn_rate.windows(days, scope.options), min(fastest * (1 + _LIMIT_NEARNESS), (fastest + 1) / 2)
    )
    long_windows = [tier.long_window(days) for tier in tiers]
    # The same of another model, and of another objective of this one: no rule is about those.
    strangers = (
        replace(objective, model=f"{STRANGER}-{objective.model}"),
        replace(objective, name=f"{STRANGER}-{objective.name}"),
    )
    series = {s: v for o in (objective, *strangers) for s, v in _recorded(o, scope, shares, long_windows).items()}
    yield Situation("exactly enough to judge by", series, (Look(_GIVEN_STEPS, tiers),))


def _apart(tiers: Iterable[Tier], days: int, scope: Scope) -> list[list[Tier]]:
    """The tiers in as few groups as have no window in common: promtool takes its time for each situation."""
    groups: list[tuple[set[int], list[Tier]]] = []
    for tier in tiers:
        windows = {tier.long_window(days), tier.short_window(days, scope.options)}
        used, group = next(((u, g) for u, g in groups if not u & windows), (set(), []))
        if not group:
            groups.append((used, group))
        used |= windows
        group.append(tier)
    return [group for _, group in groups]


def _recorded(
    objective: ObjectiveRow, scope: Scope, shares: Mapping[int, float], long: Iterable[int]
) -> dict[str, str]:
    """The share of bad answers by window, and in the `long` ones as many answers as are just enough."""
    labels = {**_labels(objective), names.PERIOD: objective.period}
    found = {(names.OBJECTIVE_BAD_RATIO, window): share for window, share in shares.items()}
    for window in long:
        found[names.OBJECTIVE_EVENTS, window] = just_reaching(scope.limit(REQUESTS_PER_MINUTE.name), 60)
        found[names.OBJECTIVE_BAD_COUNT, window] = max(0.0, enough_bad(scope))
    return {
        labelled(names.recorded(prefix, duration(window)), labels): f"{exact(number)}+0x{_GIVEN_STEPS}"
        for (prefix, window), number in found.items()
    }


def over_time(objective: ObjectiveRow, scope: Scope, step: int) -> Iterator[Situation]:
    """Good, then burning slowly, then fast, then good: each window is over its limit while its pair is not."""
    days, budget = objective.period_days, float(objective.budget)
    slow = TIERS[-1].short_window(days, scope.options) // step
    settled = base_window(days, scope.options) // step + 2
    history = _history(
        objective,
        scope,
        step,
        Stretch(2 * slow, 0),
        # The slowest tier's short window is full of it, its long window far from it.
        Stretch(slow + settled, min(1.0, 1.6 * budget)),
        Stretch(slow // 2, min(1.0, 24 * budget)),
        Stretch(slow + settled, 0),
    )
    looks = turns(history, objective, _tiers(objective), scope, since=2 * settled)
    yield Situation("good, slow burning, fast burning, good", _counters(objective, history), tuple(looks))


def guarded(objective: ObjectiveRow, of_model: list[ObjectiveRow], scope: Scope, step: int) -> Iterator[Situation]:
    """What must stay silent whatever the ratio, and what is told where there is nothing to measure."""
    steps = 2 * base_window(objective.period_days, scope.options) // step
    bad = _history(objective, scope, step, Stretch(steps, 1))
    yield from _at_the_floors(objective, scope, step)
    if objective.kind != LATENCY:
        yield Situation("invalid input is no failure", _counters(objective, bad, names.INVALID_INPUT), _silent(steps))
    end = max(steps, NO_DATA_FOR // step + 2)
    served = {weight_series(objective.model, "v1"): f"1+0x{end}"}
    good = _history(objective, scope, step, Stretch(end, 0))
    measured = {each: values for other in of_model for each, values in _counters(other, good).items()}
    # Of a shorter period, whose windows hold no two samples of this proof: its own proof shows it measured.
    unseen = tuple(other for other in of_model if base_window(other.period_days, scope.options) < step)
    stranger = {weight_series(f"{STRANGER}-{objective.model}", "v1"): f"1+0x{end}"}
    yield Situation("served and measured", {**served, **measured, **stranger}, _silent(end), missing=unseen)
    # What one objective lacks, the others of its model lack as well.
    every = tuple(of_model)
    yield Situation("served, yet nothing is counted", served, _silent(end), missing=every)
    half = {each: values for each, values in _counters(objective, good).items() if _HALF[objective.kind] in each}
    yield Situation("served, yet only half of it is counted", {**served, **half}, _silent(end), missing=every)
    unserved = {weight_series(objective.model, "v1"): f"0+0x{end}"}
    yield Situation("not served, so nothing to count", unserved, _silent(end))


def _at_the_floors(objective: ObjectiveRow, scope: Scope, step: int) -> Iterator[Situation]:
    """All answers are bad, or as many as burn fastest; and there are just too few of them, or just enough."""
    base = base_window(objective.period_days, scope.options)
    steps, floor, enough = 2 * base // step, scope.limit(REQUESTS_PER_MINUTE.name) / 60, enough_bad(scope)
    if floor:
        # For so long that there are enough bad ones.
        longer = min(
            _MOST_STEPS, steps + ceil(1.5 * max(0, enough) / (0.9 * floor * scope.options.evaluation_interval))
        )
        thin = replace(_history(objective, scope, step, Stretch(longer, 1)), per_second=0.9 * floor)
        yield Situation("too little traffic to judge by", _counters(objective, thin), _silent(longer))
    if enough < 0:
        return
    fastest = float(_tiers(objective)[0].threshold(objective))
    burning = _history(objective, scope, step, Stretch(steps, min(fastest * (1 + _LIMIT_NEARNESS), (fastest + 1) / 2)))
    for words, count in (("too few", enough * 0.96), ("just enough", enough * 1.04)):
        per_second = burning.per_second * count / burning.bad_count(TIERS[0].long_window(objective.period_days), steps)
        history = replace(burning, per_second=per_second)
        found = firing(history, steps, objective, _tiers(objective), scope)
        if found is not None and per_second >= 1.1 * floor:
            look = (Look(steps, found),)
            yield Situation(f"{words} bad answers to judge by", _counters(objective, history), look)


def _silent(steps: int) -> tuple[Look, ...]:
    return (Look(steps, ()),)


def _history(objective: ObjectiveRow, scope: Scope, step: int, *stretches: Stretch) -> History:
    """With many times the traffic that is judged by, and bad answers in it as soon as there is a share of them."""
    interval = scope.options.evaluation_interval
    least = scope.limit(BAD_ANSWERS.name) / (float(objective.budget) * interval)
    busy = max(10.0, 10 * scope.limit(REQUESTS_PER_MINUTE.name) / 60, 10 * least)
    return History(stretches, busy, step, base_window(objective.period_days, scope.options), interval)


def _tiers(objective: ObjectiveRow) -> tuple[Tier, ...]:
    return tuple(tier for tier in TIERS if tier.can_fire(objective))


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
    """A counter of that share of the events, in promtool's notation.

    Added up step by step, as promtool does: a stretch that began the least bit lower than the one before it ended
    would be a counter that has been reset, and all of it would count once more.
    """
    total, parts = 0.0, ["0"]
    for stretch, share in zip(history.stretches, shares, strict=True):
        grown = history.per_second * history.step * share
        parts.append(f"{exact(total + grown)}+{exact(grown)}x{stretch.steps - 1}")
        for _ in range(stretch.steps):
            total += grown
    return " ".join(parts)


def _kind(rule: AlertRule) -> BurnKind:
    if not isinstance(rule.kind, BurnKind):
        raise ValueError(f"The rule {rule.group} is about no objective.")
    return rule.kind


def _scope(rule: AlertRule) -> Scope:
    if rule.scope is None:
        raise ValueError(f"The rule {rule.group} has no scope.")
    return rule.scope
