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
from telemetry.names import FEATURE, MODEL

TEAM, SEVERITY = "team", "severity"


def team_of(owner: str, model: FleetModel, feature: str = "") -> str:
    """The name of the team that is told."""
    if owner == Owner.ON_CALL:
        return model.on_call_team
    if owner == Owner.APPLIED_ML:
        return model.applied_ml_team
    if owner == Owner.FEATURE:
        return next((f.team for f in model.features if f.name == feature), model.data_team)
    return model.data_team


def with_team(expression: Expr, owner: Owner, models: Iterable[FleetModel]) -> Expr:
    """`expression`, each series with the label `team`."""
    models = list(models)
    by_team: dict[str, list[str]] = defaultdict(list)
    for model in models:
        by_team[team_of(owner, model)].append(model.name)
    for team, names in sorted(by_team.items()):
        expression = set_label_where(expression, TEAM, team, MODEL, names)
    return _with_feature_teams(expression, models) if owner is Owner.FEATURE else expression


def _with_feature_teams(expression: Expr, models: list[FleetModel]) -> Expr:
    """The features whose team is not the model's data team go to theirs."""
    inputs: dict[str, list[str]] = defaultdict(list)
    for model in models:
        for feature in model.features:
            if feature.team != model.data_team:
                inputs[feature.team].append(f"{model.name}/{feature.name}")
    if not inputs:
        return expression
    expression = join_labels(expression, MODEL_INPUT, "/", MODEL, FEATURE)
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
