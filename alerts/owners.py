"""Whose an alert is: the labels `team` and, where it depends on the model's risk, `severity`, put on the series.

They can't be labels of the rule: Prometheus pairs a rule with its former self by name and labels, and one rule spans
models of many teams. One label_replace for each distinct team, however many models it has.
"""

from collections import defaultdict
from collections.abc import Iterable

from alerts.expressions import Expr, join_labels, set_label, set_label_where
from alerts.kind import AlertKind, Owner
from alerts.literal_patterns import MODEL_INPUT
from models_registry.fleet import FleetModel
from telemetry.names import BASELINE_MISMATCH, FEATURE, MODEL, STATE

TEAM, SEVERITY = "team", "severity"


def team_of(owner: str, model: FleetModel, feature: str = "", state: str = "") -> str:
    """The name of the team that is told."""
    if owner == Owner.ON_CALL:
        return model.on_call_team
    if owner == Owner.APPLIED_ML:
        return model.applied_ml_team
    if owner == Owner.FEATURE:
        return next((f.team for f in model.features if f.name == feature), model.data_team)
    if owner == Owner.CHECK and state == BASELINE_MISMATCH:
        return model.applied_ml_team
    return model.data_team


def with_team(expression: Expr, owner: Owner, models: Iterable[FleetModel], notify: str = "") -> Expr:
    """`expression`, each series with the label `team`: `notify` where a policy names one, else by role."""
    if notify:
        return set_label(expression, TEAM, notify)
    models = list(models)
    by_team: dict[str, list[str]] = defaultdict(list)
    for model in models:
        by_team[team_of(owner, model)].append(model.name)
    for team, names in sorted(by_team.items()):
        expression = set_label_where(expression, TEAM, team, MODEL, names)
    if owner is Owner.FEATURE:
        # The features whose team is not the model's data team go to theirs.
        return _with_other_teams(expression, FEATURE, ((m, f.name, f.team) for m in models for f in m.features))
    if owner is Owner.CHECK:
        return _with_other_teams(expression, STATE, ((m, BASELINE_MISMATCH, m.applied_ml_team) for m in models))
    return expression


def _with_other_teams(expression: Expr, label: str, told: Iterable[tuple[FleetModel, str, str]]) -> Expr:
    """`told` says who is told of a model's series whose `label` has that value; of the rest, the data team is."""
    inputs: dict[str, list[str]] = defaultdict(list)
    for model, value, team in told:
        if team != model.data_team:
            inputs[team].append(f"{model.name}/{value}")
    if not inputs:
        return expression
    expression = join_labels(expression, MODEL_INPUT, "/", MODEL, label)
    for team, names in sorted(inputs.items()):
        expression = set_label_where(expression, TEAM, team, MODEL_INPUT, names)
    return set_label(expression, MODEL_INPUT, "")


def with_severity(expression: Expr, kind: AlertKind, models: Iterable[FleetModel]) -> Expr:
    """`expression`, each series with the label `severity` that the model's risk asks for."""
    high = [m.name for m in models if m.risk == "high"]
    expression = set_label(expression, SEVERITY, kind.severity)
    if high and kind.high_risk_severity:
        expression = set_label_where(expression, SEVERITY, kind.high_risk_severity, MODEL, high)
    return expression


def severity_of(kind: AlertKind, model: FleetModel | None, policy_severity: str) -> str:
    """The severity that an alert about `model` carries."""
    if policy_severity:
        return policy_severity
    if kind.high_risk_severity and model is not None and model.risk == "high":
        return kind.high_risk_severity
    return kind.severity
