"""Which limits hold for whom, what a policy may say, and that each edit leaves a Change."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from alerts.catalogue import KINDS
from alerts.models import AlertPolicy, CustomAlert
from alerts.policies import Policies, PolicyRow, load_policies
from alerts.policy_edits import delete_custom_alert, delete_policy, save_custom_alert, save_policy, set_policy
from alerts.rules import render_rules
from models_registry.actor import SYSTEM
from models_registry.fleet import load_fleet
from models_registry.models import Change
from tests.alerts.fleets import OPTIONS, RICH, model
from tests.alerts.rendered import alerts
from tests.fixtures.registry import Registry, make_model, make_team

LATENCY, DRIFT = KINDS["MLInferenceHighLatencyP95"], KINDS["MLDriftCriticalFeatureDetected"]
SECONDS = {"seconds": 0.5}

# --- Which policy holds -------------------------------------------------------------------------------------------


def limits(*rows: PolicyRow, kind: Any = LATENCY, **fields: Any) -> Any:
    return Policies(rows).limits(kind, model("m", **fields))


def test_without_policies_the_catalogue_holds() -> None:
    found = limits()
    assert (found.policy_id, found.for_, found.window, found.thresholds["seconds"]) == ("default", 600, 300, 0.35)


def test_a_models_policy_goes_before_its_teams_and_that_before_the_default() -> None:
    default = PolicyRow(LATENCY.name, for_=1)
    team = PolicyRow(LATENCY.name, team="ml-platform", for_=2)
    own = PolicyRow(LATENCY.name, model="m", for_=3)
    assert [limits(*rows).for_ for rows in ((default,), (default, team), (default, team, own))] == [1, 2, 3]
    assert [limits(*rows).policy_id for rows in ((default,), (default, team), (default, team, own))] == [
        "default",
        "team:ml-platform",
        "model:m",
    ]


def test_what_a_policy_leaves_empty_comes_from_the_next_wider_one() -> None:
    found = limits(
        PolicyRow(LATENCY.name, thresholds={"seconds": 0.1, "requests_per_minute": 5}, severity="ticket"),
        PolicyRow(LATENCY.name, team="ml-platform", window=60),
        PolicyRow(LATENCY.name, model="m", thresholds=SECONDS),
    )
    assert found.thresholds == {"seconds": 0.5, "requests_per_minute": 5}
    assert (found.window, found.for_, found.severity) == (60, 600, "ticket")


@pytest.mark.parametrize(
    ("kind", "team", "other"), [(LATENCY, "ml-platform", "applied-ml"), (DRIFT, "applied-ml", "ml-platform")]
)
def test_the_team_is_the_on_call_one_for_health_and_applied_ml_for_quality(kind: Any, team: str, other: str) -> None:
    assert limits(PolicyRow(kind.name, team=team, for_=7), kind=kind).for_ == 7
    assert limits(PolicyRow(kind.name, team=other, for_=7), kind=kind).for_ == kind.for_


def test_whether_a_policy_is_on_is_its_own_affair() -> None:
    off = PolicyRow(LATENCY.name, team="ml-platform", enabled=False)
    assert not limits(off).enabled
    assert limits(off, PolicyRow(LATENCY.name, model="m")).enabled


def test_every_model_is_under_exactly_one_policy() -> None:
    rows = (PolicyRow(LATENCY.name, team="flights"), PolicyRow(LATENCY.name, model="churn"))
    held = [m.name for policy in Policies(rows).of(LATENCY, RICH) for m in policy.models]
    assert sorted(held) == sorted(m.name for m in RICH.models)


# --- What may be stored -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"alert": "MLNothing"}, "alert", "is no alert"),
        ({"thresholds": {"ratio": 1}}, "thresholds", "its limits: seconds, requests_per_minute"),
        ({"thresholds": {"seconds": "fast"}}, "thresholds", "is a number"),
        ({"thresholds": {"seconds": True}}, "thresholds", "is a number"),
        ({"thresholds": {"seconds": float("nan")}}, "thresholds", "is a number"),
        ({"thresholds": [1]}, "thresholds", "an object of names and numbers"),
        # Over the histogram's last bucket, or under its first, p95 says nothing: it would never, or always, fire.
        ({"thresholds": {"seconds": 5}}, "thresholds", "at most 4.95 s"),
        ({"thresholds": {"seconds": 0.005}}, "thresholds", "at least 0.01 s"),
        ({"window_seconds": 59}, "window_seconds", "1m to 1w, 4 scrapes at least, not 59"),
        ({"for_seconds": 10**7}, "for_seconds", "up to 1w"),
        ({"severity": "panic"}, "severity", "not a valid choice"),
        ({"alert": DRIFT.name, "window_seconds": 60}, "window_seconds", "leave this empty"),
    ],
)
def test_a_wrong_field_is_named_with_its_remedy(db: None, fields: dict[str, Any], field: str, told: str) -> None:
    policy = AlertPolicy(**({"alert": LATENCY.name} | fields))
    with pytest.raises(ValidationError) as refused:
        save_policy(policy, actor=SYSTEM)
    assert told in str(refused.value.message_dict[field])
    assert not Change.objects.exists()


def test_a_meta_alert_has_no_models_to_be_set_for(registry: Registry) -> None:
    with pytest.raises(ValidationError, match="about Plumbline itself"):
        set_policy("PlumblineDown", model=registry.model, actor=SYSTEM)
    assert set_policy("PlumblineDown", for_seconds=60, actor=SYSTEM)


def test_a_policy_is_for_a_team_or_a_model_not_both(registry: Registry) -> None:
    both = AlertPolicy(alert=LATENCY.name, team=registry.team, model=registry.model)
    with pytest.raises(ValidationError, match="not for both"):
        save_policy(both, actor=SYSTEM)
    with pytest.raises(IntegrityError), transaction.atomic():
        AlertPolicy.objects.bulk_create([both])


@pytest.mark.database
def test_the_database_holds_one_policy_for_each_scope(registry: Registry) -> None:
    scopes: list[dict[str, Any]] = [{}, {"team": registry.team}, {"model": registry.model}]
    for scope in scopes:
        AlertPolicy.objects.create(alert=LATENCY.name, **scope)
        with pytest.raises(IntegrityError), transaction.atomic():
            AlertPolicy.objects.create(alert=LATENCY.name, **scope)


# --- Edits --------------------------------------------------------------------------------------------------------


def test_each_edit_writes_one_change_and_a_repeated_one_none(registry: Registry) -> None:
    first = set_policy(LATENCY.name, model=registry.model, thresholds=SECONDS, actor=SYSTEM, reason="slow by design")
    again = set_policy(LATENCY.name, model=registry.model, thresholds=SECONDS, actor=SYSTEM)
    third = set_policy(LATENCY.name, model=registry.model, thresholds={"seconds": 0.6}, actor=SYSTEM)
    assert first is not None and again is None and third is not None
    assert (first.kind, first.model_name, first.reason) == ("threshold", "fraud", "slow by design")
    assert first.before is None
    assert third.before["thresholds"] == SECONDS
    assert third.after["thresholds"] == {"seconds": 0.6}
    assert third.summary == f"alert policy {LATENCY.name} (model:fraud): thresholds changed"


def test_a_deleted_policy_leaves_a_change(registry: Registry) -> None:
    set_policy(LATENCY.name, team=registry.team, thresholds=SECONDS, actor=SYSTEM)
    change = delete_policy(AlertPolicy.objects.get(), actor=SYSTEM)
    assert change.before == {"alert": LATENCY.name, "team": "payments", "thresholds": SECONDS}
    assert not AlertPolicy.objects.exists()


def test_a_policy_can_not_become_another(registry: Registry) -> None:
    set_policy(LATENCY.name, model=registry.model, thresholds=SECONDS, actor=SYSTEM)
    policy = AlertPolicy.objects.get()
    policy.model = None
    with pytest.raises(ValidationError) as refused:
        save_policy(policy, actor=SYSTEM)
    assert "delete it and make another" in str(refused.value.message_dict["model"])


def test_an_edit_that_fails_leaves_neither_row_nor_change(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("models_registry.changes.Change.objects.create", fails)
    with pytest.raises(RuntimeError):
        set_policy(LATENCY.name, model=registry.model, thresholds=SECONDS, actor=SYSTEM)
    assert not AlertPolicy.objects.exists()


# --- Custom alerts ------------------------------------------------------------------------------------------------


def custom(model_row: Any, **fields: Any) -> CustomAlert:
    case = {"series": {'ml_predictions_total{predicted_class="bad"}': "0+120x20"}, "at": "15m"}
    given = {
        "name": "BadTooMany",
        "expression": 'sum(rate(ml_predictions_total{predicted_class="bad"}[5m])) > 1',
        "description": "Too many bad ones.",
        "runbook": "## Meaning\nToo many.\n## Impact\nMoney.\n## Diagnosis\nLook.\n## Mitigation\nRoll back.",
        "fires_case": case,
        "silent_case": {"series": {}, "at": "15m"},
    }
    return CustomAlert(model=model_row, **(given | fields))


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"expression": "sum(rate(x[5m])"}, "expression", "Prometheus would not read this"),
        # Balanced only inside ours.
        ({"expression": "up) or (vector(1)"}, "expression", "Prometheus would not read this"),
        ({"expression": "1 > bool 0"}, "expression", "expected type vector"),
        ({"expression": "x[5m]"}, "expression", "expected type vector"),
        ({"expression": ""}, "expression", "blank"),
        ({"name": "2Bad"}, "name", "start with a letter"),
        ({"name": "Bad-One"}, "name", "start with a letter"),
        ({"name": "Watchdog"}, "name", "an alert of the catalogue"),
        ({"name": "mlcanaryworse"}, "name", "an alert of the catalogue"),
        ({"runbook": ""}, "runbook", "blank"),
        ({"runbook": " "}, "runbook", "The section Meaning is missing"),
        ({"runbook": "## Meaning\nToo many."}, "runbook", "The section Impact is missing"),
        ({"description": ""}, "description", "blank"),
        ({"for_seconds": 10**7}, "for_seconds", "up to 1w"),
        ({"fires_case": ["x"]}, "fires_case", "A case is an object"),
        ({"fires_case": {"series": {}, "when": "1m"}}, "fires_case", "has no 'when'"),
        ({"fires_case": {"series": {}}}, "fires_case", "at: '' is not a duration"),
        ({"fires_case": {"series": {}, "at": "1h", "interval": "0s"}}, "fires_case", "one second at least"),
        ({"fires_case": {"series": {}, "at": "1w"}}, "fires_case", "up to 3,000 intervals"),
        ({"fires_case": {"series": {"sum(up)": "1"}, "at": "1m"}}, "fires_case", "is no series"),
        ({"fires_case": {"series": {'up{job=~"x"}': "1"}, "at": "1m"}}, "fires_case", "is no series"),
        ({"fires_case": {"series": {"up offset 5m": "1"}, "at": "1m"}}, "fires_case", "is no series"),
        ({"fires_case": {"series": {"up": "1 up"}, "at": "1m"}}, "fires_case", "promtool's notation"),
        ({"fires_case": {"series": {"up": 1}, "at": "1m"}}, "fires_case", "are a text"),
        ({"silent_case": {"series": {"up": "0x1f"}, "at": "1m"}}, "silent_case", "promtool's notation"),
    ],
)
def test_a_custom_alerts_wrong_field_is_named_with_its_remedy(
    registry: Registry, fields: dict[str, Any], field: str, told: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        save_custom_alert(custom(registry.model, **fields), actor=SYSTEM)
    assert told in str(refused.value.message_dict[field])


def test_a_comment_at_the_end_of_an_expression_hides_nothing_of_ours(registry: Registry) -> None:
    assert save_custom_alert(custom(registry.model, expression="up == 0 # gone"), actor=SYSTEM)


def test_what_errs_only_at_evaluation_is_left_for_publishing_to_find(registry: Registry) -> None:
    many = "up * on (job) up > 0"
    assert save_custom_alert(custom(registry.model, expression=many), actor=SYSTEM)


@pytest.mark.database
def test_a_custom_alert_without_a_runbook_can_not_be_stored(registry: Registry) -> None:
    """Invariant 1, past every form."""
    with pytest.raises(IntegrityError), transaction.atomic():
        CustomAlert.objects.bulk_create([custom(registry.model, runbook="")])


def test_a_custom_alert_is_edited_and_deleted_with_changes(registry: Registry) -> None:
    alert = custom(registry.model)
    assert save_custom_alert(alert, actor=SYSTEM)
    assert save_custom_alert(alert, actor=SYSTEM) is None
    alert.severity = "page"
    change = save_custom_alert(alert, actor=SYSTEM)
    assert change is not None and change.summary == "custom alert BadTooMany: severity changed"
    assert delete_custom_alert(alert, actor=SYSTEM).before["severity"] == "page"
    assert [c.kind for c in Change.objects.filter(object_type="custom alert")] == ["threshold"] * 3


def test_a_disabled_custom_alert_is_not_rendered(registry: Registry) -> None:
    save_custom_alert(custom(registry.model, enabled=False), actor=SYSTEM)
    assert load_policies().custom == ()


# --- Loading ------------------------------------------------------------------------------------------------------


@pytest.mark.database
def test_policies_are_loaded_in_a_fixed_number_of_queries(registry: Registry, django_assert_num_queries: Any) -> None:
    save_custom_alert(custom(registry.model), actor=SYSTEM)
    for n in range(5):
        team = make_team(f"team-{n}")
        row = make_model(f"model-{n}", team)
        set_policy(LATENCY.name, team=team, thresholds=SECONDS, actor=SYSTEM)
        set_policy(LATENCY.name, model=row, thresholds=SECONDS, actor=SYSTEM)
        save_custom_alert(custom(row, name=f"Custom{n}"), actor=SYSTEM)
    with django_assert_num_queries(3):
        policies = load_policies()
    assert (len(policies.rows), len(policies.custom)) == (10, 6)


def test_what_is_stored_is_what_is_rendered(registry: Registry) -> None:
    set_policy(LATENCY.name, model=registry.model, thresholds=SECONDS, for_seconds=90, severity="ticket", actor=SYSTEM)
    save_custom_alert(custom(registry.model), actor=SYSTEM)
    files = render_rules(load_fleet(), load_policies(), OPTIONS)
    (rule,) = alerts(files, LATENCY.name)
    assert "> 0.5" in rule.body["expr"]
    assert rule.body["for"] == "1m30s"
    assert rule.body["labels"] == {"plane": "health", "policy": "model:fraud", "severity": "ticket"}
    assert alerts(files, "BadTooMany")
