"""What an edit does to firing alerts, by the rules before and after it.

tests/alerts/test_on_prometheus.py asks Prometheus whether that is what happens.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from alerts.catalogue import KINDS
from alerts.custom_rules import custom_rules
from alerts.firing import FiringNow
from alerts.owners import SEVERITY, TEAM
from alerts.policies import Policies, PolicyRow
from alerts.proofs import expected_alert
from alerts.restart_words import Told, verdict
from alerts.restarts import Effect, Firing, effect
from alerts.rule import AlertRule
from alerts.rules import rules_of_kind
from models_registry.fleet import Fleet
from telemetry.names import FEATURE, MODEL, VERSION
from tests.alerts.fleets import CUSTOM, OBJECTIVES, OPTIONS, RICH

SINCE = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
DOWN, DRIFT, MISSING, BURN = (
    "MLServingDown",
    "MLDriftCriticalFeatureDetected",
    "MLFeatureMissingRatioHigh",
    "MLErrorBudgetBurn",
)


def rules(alert: str, policies: Policies, fleet: Fleet = RICH) -> list[AlertRule]:
    return rules_of_kind(KINDS[alert], fleet, policies, OPTIONS)


def fires(rule: AlertRule, model: str, **more: str) -> Firing:
    """An alert of `rule` about `model`, with all the labels that it carries."""
    given = {"alertname": rule.alert, VERSION: "v1", MODEL: model, **more}
    labels = expected_alert(rule, given)["exp_labels"]
    return Firing(labels, SINCE, rule.file, rule.group, rule.labels)


def everywhere(alert: str, policies: Policies, **more: str) -> list[Firing]:
    """The alert fires for every model that it is about."""
    return [fires(rule, m.name, **more) for rule in rules(alert, policies) for m in rule.scope.models]


def edited(alert: str, before: Policies, after: Policies, **more: str) -> Effect:
    return effect(rules(alert, before), rules(alert, after), everywhere(alert, before, **more), RICH)


def models(held: tuple[Firing, ...]) -> list[str]:
    return sorted(firing.labels[MODEL] for firing in held)


NONE = Policies()
ALL = sorted(m.name for m in RICH.models)


def test_a_policy_of_its_own_restarts_that_models_alert_and_no_other() -> None:
    found = edited(DOWN, NONE, NONE.having(PolicyRow(DOWN, model="fraud", for_=60)))
    assert (models(found.restarts), found.ends, found.keeps, found.models) == (["fraud"], (), (), ("fraud",))


def test_giving_up_the_models_policy_restarts_it_too() -> None:
    own = NONE.having(PolicyRow(DOWN, model="fraud", for_=60))
    found = edited(DOWN, own, own.lacking(DOWN, "model:fraud"))
    assert (models(found.restarts), found.models) == (["fraud"], ("fraud",))


def test_a_teams_policy_restarts_the_alerts_of_its_models() -> None:
    found = edited(DOWN, NONE, NONE.having(PolicyRow(DOWN, team="flights", for_=60)))
    assert models(found.restarts) == ["flight-delay"]


@pytest.mark.parametrize("changed", [{"thresholds": {"ratio": 0.2}}, {"for_": 60}], ids=["limit", "for"])
def test_another_limit_or_for_keeps_the_state_of_all(changed: dict[str, Any]) -> None:
    found = edited(MISSING, NONE, NONE.having(PolicyRow(MISSING, **changed)), **{FEATURE: "age"})
    assert (found.restarts, found.ends) == ((), ())
    with_features = sorted(m.name for m in RICH.models if m.features)
    assert models(found.keeps) == with_features and list(found.models) == with_features


def test_what_a_narrower_policy_holds_is_not_concerned() -> None:
    own = NONE.having(PolicyRow(MISSING, model="fraud", thresholds={"ratio": 0.1}))
    found = edited(MISSING, own, own.having(PolicyRow(MISSING, thresholds={"ratio": 0.2})), **{FEATURE: "age"})
    assert "fraud" not in found.models and "fraud" not in models(found.keeps)


def test_another_severity_restarts_all_under_the_policy() -> None:
    assert models(edited(DOWN, NONE, NONE.having(PolicyRow(DOWN, severity="ticket"))).restarts) == ALL


def test_a_severity_that_was_put_on_by_risk_restarts_too() -> None:
    """It moves from the series to the rule: the alert of a standard model is a ticket as before, by another rule."""
    found = edited(DRIFT, NONE, NONE.having(PolicyRow(DRIFT, severity="ticket")), **{FEATURE: "age"})
    assert models(found.restarts) == ["churn", "claims-risk", "flight-delay"]


def test_a_policy_that_is_switched_off_ends_its_alerts() -> None:
    found = edited(DOWN, NONE, NONE.having(PolicyRow(DOWN, model="fraud", enabled=False)))
    assert (models(found.ends), found.restarts, found.models) == (["fraud"], (), ("fraud",))


def test_a_quality_alert_that_leaves_its_rule_is_told_for_a_while_yet() -> None:
    """`keep_firing_for`, which its rule has on account of the checks' interval. A rule that is gone tells nothing."""
    with_own = NONE.having(PolicyRow(MISSING, model="fraud", for_=60))
    own = edited(MISSING, NONE, with_own, **{FEATURE: "age"})
    (default, *_) = rules(MISSING, NONE)
    assert own.lingers == default.keep_firing > 300
    assert edited(MISSING, with_own, NONE, **{FEATURE: "age"}).lingers == 0
    assert edited(DOWN, NONE, NONE.having(PolicyRow(DOWN, model="fraud", for_=60))).lingers == 0


def test_an_edit_that_changes_nothing_concerns_nobody() -> None:
    row = PolicyRow(DOWN, for_=KINDS[DOWN].for_)
    assert edited(DOWN, NONE, NONE.having(row)) == Effect(())


def test_what_fires_already_where_the_edit_puts_it_keeps_its_state() -> None:
    """The release with the edit is loaded, though the database that was read first is older."""
    after = NONE.having(PolicyRow(DOWN, model="fraud", for_=60))
    there = [firing for firing in everywhere(DOWN, after) if firing.labels[MODEL] == "fraud"]
    found = effect(rules(DOWN, NONE), rules(DOWN, after), there, RICH)
    assert (models(found.keeps), found.restarts) == (["fraud"], ())


def test_an_alert_of_a_model_that_is_there_no_more_is_not_concerned() -> None:
    gone = replace(everywhere(DOWN, NONE)[0], labels={"alertname": DOWN, MODEL: "gone"})
    assert effect(rules(DOWN, NONE), rules(DOWN, NONE), [gone], RICH) == Effect(())


def test_a_meta_alert_is_about_no_model() -> None:
    alert = "PlumblineDown"
    (rule,) = rules(alert, NONE)
    firing = Firing({"alertname": alert, **rule.labels}, SINCE, rule.file, rule.group, rule.labels)
    longer = rules(alert, NONE.having(PolicyRow(alert, for_=60)))
    louder = rules(alert, NONE.having(PolicyRow(alert, severity="ticket")))
    assert effect([rule], longer, [firing], RICH) == Effect((), keeps=(firing,))
    assert effect([rule], louder, [firing], RICH) == Effect((), restarts=(firing,))


def test_an_objective_that_is_given_up_ends_its_tiers_and_leaves_the_others() -> None:
    before, after = Policies(objectives=OBJECTIVES), Policies(objectives=OBJECTIVES[1:])
    named = {o.model: o for o in OBJECTIVES[:1] + OBJECTIVES[3:]}
    firing = [
        fires(rule, m.name, objective=named[m.name].name, route=named[m.name].route)
        for rule in rules(BURN, before)
        for m in rule.scope.models
        if m.name in named and named[m.name] in rule.kind.objectives
    ]
    found = effect(rules(BURN, before), rules(BURN, after), firing, RICH)
    assert set(models(found.ends)) == {"flight-delay"} and found.restarts == () and found.keeps == ()
    assert found.models == ("flight-delay",)


def custom(**changed: Any) -> list[AlertRule]:
    return custom_rules(RICH, Policies(custom=(replace(CUSTOM, **changed),)), OPTIONS)


def test_a_custom_alert_keeps_its_state_until_its_labels_change() -> None:
    before = custom()
    (rule,) = before
    labels = {"alertname": rule.alert, MODEL: CUSTOM.model, TEAM: "data-platform", **rule.labels}
    firing = Firing(labels, SINCE, rule.file, rule.group, rule.labels)
    assert effect(before, custom(expression="up == 0"), [firing], RICH).keeps == (firing,)
    assert effect(before, custom(severity="page"), [firing], RICH).restarts == (firing,)
    assert effect(before, custom(owner="on_call"), [firing], RICH).restarts == (firing,)
    assert effect(before, [], [firing], RICH).ends == (firing,)


class TestInWords:
    def told(self, firing: FiringNow, **held: tuple[Firing, ...]) -> str:
        return verdict(Told(DOWN, Effect(("fraud",), **held), firing))

    def test_who_starts_anew_is_named_with_model_version_and_time(self) -> None:
        firing = Firing({MODEL: "fraud", VERSION: "v2"}, SINCE, "", "", {SEVERITY: "page"})
        words = self.told(FiringNow((firing,)), restarts=(firing,))
        assert words == f"Firing now, and starts anew: {DOWN} on fraud v2, since 2026-07-01 12:30 UTC."

    def test_nothing_is_said_to_be_nothing(self) -> None:
        assert self.told(FiringNow()) == "No firing alert starts anew."

    def test_what_is_not_known_is_never_nothing(self) -> None:
        words = self.told(FiringNow(problem="http://p can't be reached: no answer", known=False))
        assert words == "Which firing alerts start anew is not known: http://p can't be reached: no answer."

    def test_one_of_two_servers_that_is_away_is_named(self) -> None:
        words = self.told(FiringNow(problem="http://p can't be reached"))
        assert words == "No firing alert starts anew. Not all servers answered: http://p can't be reached."

    def test_many_are_counted(self) -> None:
        held = tuple(Firing({MODEL: f"m{i}"}, SINCE, "", "", {}) for i in range(8))
        assert "and 3 more." in self.told(FiringNow(held), ends=held)
