"""How fast an error budget burns: the published arithmetic, the rules it becomes, and that their proofs can fail."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alerts.backtest.burn_history import History, Stretch
from alerts.burn_proofs import over_time, step_of
from alerts.burn_rate import TIERS, base_window, left_out, recording_groups, windows
from alerts.kind import Scope
from alerts.objectives import PERIOD_DAYS, TARGET, ObjectiveRow
from alerts.policies import Policies, PolicyRow
from alerts.slim import slim_proofs
from models_registry.fleet import Fleet
from telemetry.promql import duration, seconds
from tests.alerts import tools
from tests.alerts.fleets import OPTIONS, RICH, SMALL, bundle, model, with_model, written
from tests.alerts.mutations import judged
from tests.alerts.rendered import Rule, alerts, rules

NAME = "MLErrorBudgetBurn"
BURN = "prometheus/rules/health/MLErrorBudgetBurn.yml"
RECORDED = "prometheus/rules/objectives.yml"


def availability(target: float = 0.999, days: int = 30, of: str = "claims-risk") -> ObjectiveRow:
    return ObjectiveRow(of, "availability", "availability", "predict", target, days)


def latency(target: float = 0.95, days: int = 30, limit: float = 0.35) -> ObjectiveRow:
    return ObjectiveRow("claims-risk", "fast", "latency", "predict", target, days, limit)


def rendered(*objectives: ObjectiveRow, fleet: Fleet = SMALL, rows: tuple[PolicyRow, ...] = ()) -> dict[str, str]:
    return bundle(fleet, Policies(rows, objectives=objectives))


def tiers(files: dict[str, str]) -> dict[str, Rule]:
    return {rule.body["labels"]["tier"]: rule for rule in alerts(files, NAME)}


# --- The arithmetic, against what others publish ------------------------------------------------------------------

# github.com/slok/sloth, internal/alert/windows/google-30d.yaml (commit 7833d8b): (errorBudgetPercent, long, short).
SLOTH_30D = {
    "page-fast": (2, "1h", "5m"),
    "page-slow": (5, "6h", "30m"),
    "ticket-fast": (10, "1d", "2h"),
    "ticket-slow": (10, "3d", "6h"),
}
# github.com/slok/sloth, examples/_gen/getting-started.yml: an objective of 99.9 %, `> (14.4 * 0.0009999999999999432)`.
SLOTH_99_9 = {"page-fast": 0.0144, "page-slow": 0.006, "ticket-fast": 0.003, "ticket-slow": 0.001}
# github.com/pyrra-dev/pyrra, slo/rules.go, Windows(): factors and windows for 28 days, scaled with the period.
PYRRA_28D = {
    "page-fast": (14, "1h", "5m"),
    "page-slow": (7, "6h", "30m"),
    "ticket-fast": (2, "1d", "2h"),
    "ticket-slow": (1, "4d", "6h"),
}


@pytest.mark.parametrize("tier", TIERS, ids=lambda tier: tier.name)
def test_windows_and_factors_are_sloths_for_thirty_days(tier) -> None:
    percent, long, short = SLOTH_30D[tier.name]
    assert (tier.long_window(30), tier.short_window(30, OPTIONS)) == (seconds(long), seconds(short))
    # Sloth's factor: the share of the budget, times how often the long window fits into the period.
    assert tier.factor == Decimal(percent) / 100 * timedelta(days=30).days * 86400 / seconds(long)
    assert float(tier.threshold(availability(0.999))) == SLOTH_99_9[tier.name]


@pytest.mark.parametrize("tier", TIERS, ids=lambda tier: tier.name)
def test_against_pyrra_the_short_windows_scale_alike_and_each_tier_spends_a_like_share(tier) -> None:
    factor, long, short = PYRRA_28D[tier.name]
    for days in (7, 28, 56, 84):
        theirs = seconds(short) * days / 28
        # Ours are those of 30 days, theirs of 28, and rounded to minutes.
        assert tier.short_window(days, OPTIONS) == pytest.approx(theirs, rel=0.08)
    ours = float(tier.factor) * tier.long_window(30) / (30 * 86400)
    assert ours == pytest.approx(factor * seconds(long) / (28 * 86400), rel=0.45)


@given(days=st.integers(*PERIOD_DAYS))
def test_a_tier_stands_for_the_same_share_of_the_budget_whatever_the_period(days: int) -> None:
    for tier in TIERS:
        spent = tier.factor * tier.long_window(days) / (days * 86400)
        assert spent == tier.factor * tier.long / (30 * 86400)
        assert tier.long_window(days) == 12 * (tier.short * days // 30)


@given(days=st.integers(*PERIOD_DAYS), scrape=st.integers(1, 120))
def test_no_window_is_too_short_for_the_scrapes(days: int, scrape: int) -> None:
    assert min(windows(days, replace(OPTIONS, scrape_interval=scrape))) >= 4 * scrape


@given(target=st.floats(*TARGET))
def test_the_tiers_that_are_left_out_are_those_that_nothing_could_pass(target: float) -> None:
    objective = availability(target)
    for tier in TIERS:
        assert (tier in left_out(objective)) == (float(tier.factor) * (1 - target) > 1 - 1e-12)
    assert TIERS[-1] not in left_out(objective)


# --- The rules -----------------------------------------------------------------------------------------------------


def test_each_tier_has_its_severity_and_says_which_it_is() -> None:
    found = tiers(rendered(availability()))
    assert {name: rule.body["labels"]["severity"] for name, rule in found.items()} == {
        "page-fast": "page",
        "page-slow": "page",
        "ticket-fast": "ticket",
        "ticket-slow": "ticket",
        "no-data": "ticket",
    }
    assert {rule.body["labels"]["period"] for rule in found.values()} == {"30d"}
    assert {name for name, rule in found.items() if "for" in rule.body} == {"no-data"}


def test_windows_scale_with_the_period() -> None:
    expression = tiers(rendered(availability(days=7)))["page-fast"].body["expr"]
    assert "job:ml_objective_bad:ratio14m{" in expression and "job:ml_objective_bad:ratio1m10s{" in expression
    assert "> 0.0144" in expression


def test_an_unreachable_tier_is_left_out_for_that_objective_alone() -> None:
    lenient, strict = availability(0.9, of="claims-risk"), availability(0.999, of="churn")
    assert "page-fast" not in tiers(rendered(lenient))
    expression = tiers(rendered(lenient, strict, fleet=RICH))["page-fast"].body["expr"]
    assert "churn" in expression and "claims-risk" not in expression


def test_without_objectives_there_is_no_rule() -> None:
    files = rendered()
    assert not alerts(files, NAME)
    assert RECORDED not in files


def test_an_objective_of_a_model_that_is_gone_is_not_rendered() -> None:
    assert rendered(availability(of="gone")).keys() == rendered().keys()


def test_rules_grow_with_periods_not_with_objectives() -> None:
    added = [model(f"m{n}") for n in range(100)]
    few = rendered(availability(), availability(0.99, 7, of="churn"), fleet=RICH)
    many = rendered(
        availability(),
        availability(0.99, 7, of="churn"),
        *(availability((0.99, 0.999)[n % 2], of=m.name) for n, m in enumerate(added)),
        fleet=with_model(RICH, *added),
    )
    assert [rule.identity for rule in rules(few)] == [rule.identity for rule in rules(many)]


def test_another_target_another_limit_or_another_objective_changes_no_rules_identity() -> None:
    before = {rule.identity for rule in alerts(rendered(availability(0.999), latency(0.95)), NAME)}
    for edited in ((availability(0.99), latency(0.97, limit=0.5)), (availability(0.999),)):
        assert {rule.identity for rule in alerts(rendered(*edited), NAME)} == before


def test_a_policy_turns_a_models_alerts_off_and_sets_its_floor() -> None:
    off = rendered(availability(), rows=(PolicyRow(NAME, model="claims-risk", enabled=False),))
    assert not alerts(off, NAME)
    floor = rendered(availability(), rows=(PolicyRow(NAME, thresholds={"requests_per_minute": 5}),))
    assert "* 60 >= 5" in tiers(floor)["page-fast"].body["expr"]


def test_every_window_is_recorded_from_counts_and_every_series_that_an_alert_reads_is_recorded() -> None:
    files = rendered(availability(), latency(), availability(0.99, 7, of="churn"), fleet=RICH)
    recorded = {rule.name for rule in rules(files) if rule.path == RECORDED}
    for days in (7, 30):
        for window in windows(days, OPTIONS):
            assert f"job:ml_objective_bad:ratio{duration(window)}" in recorded
    for rule in [*alerts(files, NAME), *(r for r in rules(files) if r.path == RECORDED)]:
        read = {name.rstrip("{[ ") for name in rule.body["expr"].replace("(", " ").split() if name.startswith("job:")}
        assert {name.partition("{")[0] for name in read} <= recorded
    for group in yaml.safe_load(files[RECORDED])["groups"]:
        for rule_ in group["rules"]:
            promql_parser.parse(rule_["expr"])
            assert "ratio" not in rule_["expr"], "a mean of ratios"


def test_what_is_recorded_slowly_never_goes_stale_between_two_evaluations() -> None:
    for group in recording_groups([availability(), availability(0.9, 90)], OPTIONS):
        assert seconds(group["interval"]) <= 120


# --- The proofs ----------------------------------------------------------------------------------------------------

OBJECTIVES = {
    "lenient ones over a week": (availability(0.5, 7), latency(0.9, 7, limit=5.0)),
    "two that count the same, over a quarter": (
        replace(availability(0.9999, 90), name="strict"),
        availability(0.9, 90),
    ),
    "of two periods": (availability(), latency(0.95, 7)),
}


@pytest.mark.parametrize("objectives", OBJECTIVES.values(), ids=OBJECTIVES)
def test_each_objective_is_proven(objectives: tuple[ObjectiveRow, ...], tmp_path: Path) -> None:
    folder = written(rendered(*objectives), tmp_path)
    for outcome in (tools.check_rules(folder), tools.run_proofs(folder, f"{NAME}-*.yml")):
        assert outcome.accepted, outcome.text


@pytest.mark.parametrize("days", [14, 15, 28, 30, 90])
@pytest.mark.parametrize("other", [7, 14, 15, 24, 30])
def test_a_proof_never_steps_as_wide_as_another_periods_shortest_window(days: int, other: int) -> None:
    step = step_of(days, OPTIONS, {days, other})
    assert step != base_window(other, OPTIONS)
    assert base_window(days, OPTIONS) >= 2 * step


def test_a_proof_shows_of_each_tier_that_it_fires_and_that_each_of_its_guards_holds() -> None:
    proof = yaml.safe_load(rendered(availability())["prometheus/tests/MLErrorBudgetBurn-30d.yml"])
    fired = {
        alert["exp_labels"]["tier"]
        for test in proof["tests"]
        for look in test["alert_rule_test"]
        for alert in look["exp_alerts"]
    }
    assert fired == {"page-fast", "page-slow", "ticket-fast", "ticket-slow", "no-data"}
    told = {test["name"].rpartition(": ")[2] for test in proof["tests"]}
    for tier in TIERS:
        assert {f"steadily just over {tier.name}", f"steadily just under {tier.name}"} <= told


@pytest.mark.parametrize("tier", TIERS, ids=lambda tier: tier.name)
def test_the_history_shows_each_tier_silent_while_one_of_its_windows_is_over_the_limit(tier) -> None:
    """Else a proof would not notice that a rule reads another window."""
    objective, scope = availability(), Scope(SMALL.models, {"requests_per_minute": 1, "bad_answers": 3}, 0, 0, OPTIONS)
    (situation,) = over_time(objective, scope, step_of(30, OPTIONS))
    fires = [tier in look.fires for look in situation.looks]
    # It comes to fire and ends again within the history, in which the long window stays over until the end.
    assert fires[0] is False and True in fires and fires[-1] is False


def test_the_number_of_tests_does_not_grow_with_models_and_targets() -> None:
    """promtool takes its time for each of them, and publishing waits for it."""
    added = [model(f"m{n}") for n in range(30)]
    targets = [availability(0.99 + n / 10000, of=m.name) for n, m in enumerate(added)]
    path = "prometheus/tests/MLErrorBudgetBurn-30d.yml"
    few, many = (
        yaml.safe_load(rendered(*objectives, fleet=with_model(SMALL, *added))[path])["tests"]
        for objectives in (targets[:1], targets)
    )
    assert len(many) == len(few)
    assert {series["series"] for test in few for series in test["input_series"]} < {
        series["series"] for test in many for series in test["input_series"]
    }


@pytest.mark.parametrize(
    ("errors", "fires"),
    [
        ("0x60 1x30", False),
        ("0x60 1 2x30", False),
        ("0x60 1 2 3x30", True),
        ("0x2 1x90", False),  # the recorded series are young: a mean over them says a lot of one
    ],
)
def test_one_bad_answer_an_hour_tells_nothing_and_three_do(errors: str, fires: bool, tmp_path: Path) -> None:
    """At the traffic that is just judged by, evaluated as Prometheus does: one bad answer of 66 burns 15 times."""
    of = 'model_name="claims-risk",model_version="v1",route="predict"'
    folder = written(rendered(availability()), tmp_path)
    began = 60 if errors.startswith("0x60") else 2
    asked = {
        "rule_files": ["rules/objectives.yml", "rules/health/MLErrorBudgetBurn.yml"],
        "evaluation_interval": "30s",
        "group_eval_order": ["ml-objectives:30d", "ml-objectives-slow:30d"],
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f'ml_inference_requests_total{{{of},status="success"}}', "values": "0+1.1x95"},
                    {"series": f'ml_inference_errors_total{{{of},reason="model_error"}}', "values": errors},
                ],
                "promql_expr_test": [
                    {
                        "expr": 'count(ALERTS{alertstate="firing",severity="page"}) > bool 0 or vector(0)',
                        "eval_time": f"{began + minutes}m",
                        "exp_samples": [{"labels": "{}", "value": int(fires and minutes == 7)}],
                    }
                    for minutes in ((1, 7) if fires else range(1, 13))
                ],
            }
        ],
    }
    (folder / "prometheus/one.yml").write_text(yaml.safe_dump(asked), encoding="utf-8")
    outcome = tools.run(tools.PROMTOOL, "test", "rules", "prometheus/one.yml", folder=folder)
    assert outcome.accepted, outcome.text


PROOF = "prometheus/tests/MLErrorBudgetBurn-30d.yml"
HALF = "served, yet only half of it is counted"
EVENTS = "objective) job:ml_objective_events:rate5m{"
HISTORY = "good, slow burning, fast burning, good"
# Where it is, what is there, the mistake, and the situation that shows it.
MISTAKES = {
    "the limit": (BURN, "> 0.0144", "> 0.0132", "steadily just under page-fast"),
    "the long window of a page": (BURN, "bad:ratio6h{", "bad:ratio1h{", HISTORY),
    "the long window of a ticket": (BURN, "bad:ratio3d{", "bad:ratio6h{", HISTORY),
    "the short window": (BURN, "bad:ratio30m{", "bad:ratio6h{", HISTORY),
    "the traffic floor": (BURN, " * 60 >= 1", " * 60 >= 0", "too little traffic to judge by"),
    "whole answers": (BURN, "round(job:", "floor(job:", "just enough bad answers to judge by"),
    "what a recorded rate stands for": (RECORDED, "[1h]) * 30", "[1h]) * 300", "too few bad answers to judge by"),
    "answers that are not counted": (BURN, "(job:ml_objective_events:rate5m{", "(job:ml_objective_bad:rate5m{", HALF),
    "bad answers of latency that are not counted": (BURN, "objective) job:ml_objective_bad:rate5m{", EVENTS, HALF),
    "the wait for series": (BURN, "for: 10m", "for: 1h", "served, yet nothing is counted"),
    "what is served": (BURN, "ml_model_traffic_weight{", "x{", "served, yet nothing is counted"),
    "invalid input": (RECORDED, ',reason!="invalid_input"', "", "invalid input is no failure"),
    "counts by counts": (RECORDED, "[1h]) / (", "[1h]) / 2 / (", "steadily just over page-fast"),
    "the latency limit's bucket": (RECORDED, 'le=~"0\\\\.35"', 'le="+Inf"', "steadily just over page-fast"),
}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_a_proof_notices_a_mistake(mistake: str, tmp_path: Path) -> None:
    path, there, instead, situation = MISTAKES[mistake]
    files = rendered(latency() if "latency" in mistake else availability())
    proof = yaml.safe_load(files[PROOF])
    proof["tests"] = [test for test in proof["tests"] if test["name"].endswith(situation)]
    assert len(proof["tests"]) == 1
    wrong = {**files, path: files[path].replace(there, instead), PROOF: yaml.safe_dump(proof)}
    assert wrong[path] != files[path]
    assert not tools.run_proofs(written(wrong, tmp_path), f"{NAME}-*.yml").accepted


# Mistake -> why nothing can notice it.
EQUAL = {
    'matcher: ,period="30d" ->  ': "a model's objectives are named once, so that the name says which period",
    "no-data, matcher: of all objectives": "what is left out is joined by the objective's name",
    "threshold: 3 -> 2.25 ": "bad answers are whole ones",
}


def test_the_proof_fails_each_small_mistake_in_a_rule(tmp_path: Path) -> None:
    """Of an objective so lenient that it has one tier: the tiers are made alike. Over time, the history shows them."""
    files = rendered(availability(0.5))
    proof = yaml.safe_load(files[PROOF])
    proof["tests"] = [test for test in proof["tests"] if not test["name"].endswith(HISTORY)]
    found = judged(slim_proofs({**files, PROOF: yaml.safe_dump(proof)}, [PROOF]), BURN, tmp_path)
    assert found.unchanged_passes and found.made > 40
    left = [mistake for mistake in found.survivors if not any(excused in mistake for excused in EQUAL)]
    assert not left
    assert all(any(excused in mistake for mistake in found.survivors) for excused in EQUAL)


def test_the_plain_arithmetic_counts_each_step_of_a_window_once() -> None:
    history = History((Stretch(30, 0.0), Stretch(6, 1.0)), per_second=10, step=100, base=300, interval=30)
    assert history.bad_ratio(300, at=36) == 1.0
    assert history.bad_ratio(300, at=30) == 0.0
    # Six steps of which the first two are smoothed: a third, two thirds, then whole.
    assert history.bad_ratio(3600, at=36) == pytest.approx((1 / 3 + 2 / 3 + 4) / 36)
    assert history.bad_count(3600, at=36) == pytest.approx((1 / 3 + 2 / 3 + 4) * 10 * 30)


def test_the_plain_arithmetic_makes_no_more_of_a_counter_than_it_shows() -> None:
    """One that began at 0 a step ago has grown by a step, whatever the window is."""
    history = History((Stretch(6, 1.0),), per_second=10, step=100, base=300, interval=30)
    assert history.bad_count(3600, at=1) == pytest.approx(1 / 3 * 10 * 30)
    assert history.bad_count(3600, at=4) == pytest.approx((1 / 3 + 2 / 3 + 2) * 10 * 30)
