"""The dashboards as tests read them: parsed, with their panels and expressions laid open."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dashboards.options import DashboardOptions, ThresholdLine
from dashboards.rendering import render_dashboards
from dashboards.starter import render_starter
from models_registry.fleet import Fleet, FleetModel

OPTIONS = DashboardOptions(
    plumbline_url="https://plumbline.example.com",
    prometheus_url="http://prometheus:9090",
    alertmanager_url="http://alertmanager:9093",
    dashboards_path="/var/lib/plumbline/current/grafana/dashboards",
)
WITH_GRAFANA = replace(OPTIONS, grafana_api=True)
THRESHOLDS = {
    "MLInferenceHighLatencyP95": ThresholdLine(0.35, {"fraud": 0.5, "churn": 0.5, "delay": 0.2}),
    "MLInferenceHighErrorRate": ThresholdLine(0.03),
    "MLInferenceSaturated": ThresholdLine(0.9),
    "MLDriftManyFeatures": ThresholdLine(3),
    "MLPredictionClassShift": ThresholdLine(0.15),
}
FLEET, MODEL = "grafana/dashboards/ml-fleet.json", "grafana/dashboards/ml-model.json"
# What Grafana puts in place of its variables.
VARIABLES = {
    "$__rate_interval": "1m",
    "$__range": "1h",
    "$model": "fraud",
    "$version": ".+",
    "$route": ".+",
}

Dashboard = dict[str, Any]


def fleet_of(*names: str) -> Fleet:
    """A fleet of models that have nothing but a name."""
    teams = {"on_call_team": "payments", "applied_ml_team": "payments", "data_team": "payments"}
    models = (FleetModel(name=name, risk="standard", task="binary", classes=(), **teams) for name in names)
    return Fleet(teams=(), models=tuple(models))


def rendered(options: DashboardOptions = OPTIONS) -> dict[str, str]:
    return render_dashboards(fleet_of("churn", "fraud"), options, THRESHOLDS)


def dashboards(options: DashboardOptions) -> dict[str, Dashboard]:
    """All three, by title."""
    texts = [*(text for path, text in rendered(options).items() if path.endswith(".json")), render_starter(options)]
    return {parsed["title"]: parsed for parsed in map(json.loads, texts)}


def panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    """Without the rows' headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """(panel's title, expression) with Grafana's variables filled in, markers included."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            yield panel["title"], filled(target["expr"])
    for marker in dashboard["annotations"]["list"]:
        if marker.get("expr"):
            yield marker["name"], filled(marker["expr"])


def filled(expr: str) -> str:
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return expr
