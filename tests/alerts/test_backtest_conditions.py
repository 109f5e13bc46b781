"""The past of every alert about models: whole conditions, replayed beside what a person would change."""

import re
from dataclasses import dataclass, replace

import pytest

from alerts.backtest.terms import Edits, NotComparable, Terms, edit, why_not
from alerts.backtest.trial import backtest
from alerts.backtest.words import notes
from alerts.catalogue import KINDS
from alerts.expressions import Expr
from alerts.kind import AlertKind, Scope
from alerts.kinds.error_budget_burn import NO_DATA
from alerts.policies import Policies
from alerts.prometheus import Prometheus, Series
from controlplane.stack.prometheus import Prometheus as Server
from models_registry.fleet import FleetModel
from telemetry.names import DRIFT_SCORE, DRIFT_THRESHOLD
from tests.alerts import watched_conditions
from tests.alerts.fleets import OPTIONS, feature, model

DAY = 86_400
FRAUD = model("fraud", features=(feature("amount", critical=True),))
CHURN = model("churn", features=(feature("f0", critical=True), *(feature(f"f{n}") for n in range(1, 5))))
ABOUT_MODELS = [kind for kind in KINDS.values() if kind.on_models]


def terms_of(kind: AlertKind) -> Terms:
    """The catalogue's, with the objective of `churn`."""
    return Terms(Policies().limits(kind), (watched_conditions.OBJECTIVE,))


@pytest.mark.parametrize("kind", ABOUT_MODELS, ids=lambda k: k.name)
def test_every_alert_about_a_model_is_asked_for_in_a_way_that_is_understood(
    kind: AlertKind, watched: Server, end: int
) -> None:
    terms = terms_of(kind)
    found = backtest(Prometheus(watched.url), kind, CHURN, terms, terms, OPTIONS, days=1, now=end)
    assert found.present.replay is not None
    assert not found.cut_short
    assert {drawn.problem for drawn in found.drawn} <= {""}


@dataclass(frozen=True)
class Situation:
    """An alert on `churn`'s past, what is edited, and the seconds that each of the two would have fired for."""

    alert: str
    edits: Edits
    present: list[int]
    edited: list[int]
    labels: dict[str, str]


UNTIL_THE_NEXT_CHECK = OPTIONS.check_interval + 300
SITUATIONS = [
    # The canary fails six times as often as live for 20 minutes: with a margin of 10 points that is not enough.
    Situation("MLCanaryWorse", Edits({"error_margin": 0.1}), [900], [], {"model_version": "v2"}),
    Situation("MLCanaryWorse", Edits(for_=1080), [900], [120], {"model_version": "v2"}),
    Situation(
        "MLDriftManyFeatures",
        Edits({"features": 4, "share": 0.7}),
        [3600 - 900 + UNTIL_THE_NEXT_CHECK],
        [],
        {"model_version": "v1"},
    ),
    Situation("MLInferenceSaturated", Edits({"in_flight": 0.96}), [300], [], {}),
    Situation("MLServingDown", Edits(for_=540), [480], [60], {}),
    # 14.4 times a budget of 1 % is less than a fifth, of 2 % it is more; 1 in 1,000 burns one of 0.05 % slowly.
    Situation("MLErrorBudgetBurn", Edits(targets={"answers": 0.98}), [1800], [], {"tier": "page-fast"}),
    Situation("MLErrorBudgetBurn", Edits(targets={"answers": 0.9995}), [1800], [43200], {"tier": "page-fast"}),
    # f0's score is 0.15 but for an hour: another threshold for that feature alone.
    Situation(
        "MLDriftCriticalFeatureDetected",
        Edits(feature_limits={"f0": 0.4}),
        [3600 - 900 + UNTIL_THE_NEXT_CHECK],
        [],
        {"model_version": "v1", "feature_name": "f0"},
    ),
    Situation(
        "MLDriftCriticalFeatureDetected",
        Edits(feature_limits={"f0": 0.1}),
        [3600 - 900 + UNTIL_THE_NEXT_CHECK],
        [43200 - 900],
        {"model_version": "v1", "feature_name": "f0"},
    ),
]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: f"{s.alert}-{s.edits}"[:70])
def test_the_whole_condition_is_looked_back_at(situation: Situation, watched: Server, end: int) -> None:
    kind = KINDS[situation.alert]
    present = terms_of(kind)
    edited = edit(present, situation.edits)
    found = backtest(Prometheus(watched.url), kind, CHURN, present, edited, OPTIONS, days=1, now=end)
    assert found.present.replay is not None and found.edited.replay is not None
    assert [episode.seconds for episode in found.present.replay.episodes] == situation.present
    assert [episode.seconds for episode in found.edited.replay.episodes] == situation.edited
    first = found.present.replay.firings[0]
    assert {label: first.labels[label] for label in situation.labels} == situation.labels
    assert found.edited.unseen_seconds == DAY - watched_conditions.SPAN


def test_an_objective_that_was_not_recorded_yet_has_no_past(watched: Server, end: int) -> None:
    """Rather than one in which it fired for want of series."""
    kind, limits = KINDS["MLErrorBudgetBurn"], Policies().limits(KINDS["MLErrorBudgetBurn"])
    new = Terms(limits, (replace(watched_conditions.OBJECTIVE, name="newcomer"),))
    found = backtest(Prometheus(watched.url), kind, CHURN, new, new, OPTIONS, days=1, now=end)
    assert found.knows_nothing


def test_a_limit_that_moves_is_drawn_as_it_was(watched: Server, end: int) -> None:
    """A canary may fail twice as often as live, or a point more, whichever is more."""
    kind = KINDS["MLCanaryWorse"]
    present = terms_of(kind)
    edited = edit(present, Edits({"error_margin": 0.1}))
    found = backtest(Prometheus(watched.url), kind, CHURN, present, edited, OPTIONS, days=1, now=end)
    errors, latency = found.drawn
    assert isinstance(errors.limit, tuple) and isinstance(errors.present_limit, tuple)
    assert levels(errors.limit) == {0.11}
    assert levels(errors.present_limit) == {0.02}
    assert isinstance(latency.limit, tuple) and latency.present_limit is None
    assert levels(latency.limit) == {0.3}


def test_the_limits_of_both_targets_are_drawn(watched: Server, end: int) -> None:
    kind = KINDS["MLErrorBudgetBurn"]
    present = terms_of(kind)
    edited = edit(present, Edits(targets={"answers": 0.98}))
    found = backtest(Prometheus(watched.url), kind, CHURN, present, edited, OPTIONS, days=1, now=end)
    fastest = found.drawn[0]
    assert isinstance(fastest.limit, tuple) and isinstance(fastest.present_limit, tuple)
    assert (levels(fastest.limit), levels(fastest.present_limit)) == ({0.288}, {0.144})


def levels(limit: tuple[Series, ...]) -> set[float]:
    return {round(value, 6) for series in limit for _, value in series.points}


def test_a_window_over_what_replicas_count_themselves_can_be_tried(watched: Server, end: int) -> None:
    kind = KINDS["MLServingDown"]
    present = terms_of(kind)
    edited = edit(present, Edits(window=3600))
    found = backtest(Prometheus(watched.url), kind, CHURN, present, edited, OPTIONS, days=1, now=end)
    assert not found.edited.knows_nothing and notes(found) == []


# --- What can be backtested -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ABOUT_MODELS, ids=lambda k: k.name)
def test_what_is_drawn_is_in_the_rule_or_beside_it(kind: AlertKind) -> None:
    """Every metric of a chart, of its limit and of what shows that something is known is one that the rule reads."""
    for each in kind.rendered((watched_conditions.OBJECTIVE,)):
        limits = terms_of(kind).limits
        scope = Scope((CHURN,), limits.thresholds, limits.window, limits.for_, OPTIONS)
        read = metrics(each.expression(scope).text)
        drawn = [comparison.measured(scope) for comparison in each.comparisons]
        held = [limit for c in each.comparisons if isinstance(limit := c.held_against(scope), Expr)]
        known = [each.known(scope)] if each.known else []
        # The tier that tells of missing series is not looked back at.
        assert drawn or each.variant_labels.get("tier") == NO_DATA
        shown = set().union(*(metrics(expression.text) for expression in [*drawn, *held, *known]))
        # The score that a drift check judged by; the rule reads its verdict.
        assert shown - read <= {DRIFT_SCORE, DRIFT_THRESHOLD}


def metrics(expression: str) -> set[str]:
    return set(re.findall(r"[a-z_:]+(?:\w|:)+(?=\{)", expression))


@pytest.mark.parametrize(
    ("alert", "about", "reason"),
    [
        ("PlumblineDown", CHURN, "about Plumbline itself"),
        ("MLErrorBudgetBurn", FRAUD, "has no objective"),
        ("MLFeatureMissingRatioHigh", model("bare", features=()), "says nothing about bare"),
    ],
)
def test_what_has_no_past_says_why(alert: str, about: FleetModel, reason: str, watched: Server, end: int) -> None:
    kind = KINDS[alert]
    terms = terms_of(kind)
    assert reason in why_not(kind, about, terms.objectives)
    with pytest.raises(NotComparable, match=reason):
        backtest(Prometheus(watched.url), kind, about, terms, terms, OPTIONS, days=1, now=end)
