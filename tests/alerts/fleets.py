"""Fleets and policies to render, and bundles on disk for the real tools."""

from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from alerts.objectives import ObjectiveRow
from alerts.options import RenderOptions
from alerts.policies import CustomRow, Policies, PolicyRow
from alerts.routing import render_alertmanager
from alerts.rules import render_rules
from alerts.scraping import render_prometheus, render_targets
from models_registry.fleet import Fleet, FleetFeature, FleetModel, FleetReceiver, FleetReplica, FleetTeam

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
OPTIONS = RenderOptions(
    plumbline_url="https://plumbline.example.com",
    alertmanager_url="http://alertmanager.example.com:9093",
    prometheus_url="http://prometheus.example.com:9090",
    environment="production",
    plumbline_target="plumbline.example.com",
    drift_exporter_target="exporter.example.com:9109",
    webhook_token_file="/run/secrets/webhook_token",
)
# Names that try to end a string, a pattern, a template, a YAML scalar, a series of promtool's, a Slack message.
NASTY = (
    'quote" } or vector(1) #',
    "back\\slash\\",
    "{{ $labels.team }} {{",
    "$1 ${1} $",
    "a|b.*(c)[d]{2}^+?",
    "naïve, 特徴 🚀",
    "yaml: [x] & *y ! %z 'single' `tick`",
    "<!channel> <b>&amp;</b>",
    "model/feature",
)


def feature(name: str, team: str = "data-platform", **fields: Any) -> FleetFeature:
    return FleetFeature(name=name, kind="numeric", team=team, **fields)


def model(name: str, **fields: Any) -> FleetModel:
    """A binary classifier of standard risk with one critical feature."""
    given = {
        "risk": "standard",
        "task": "binary_classification",
        "classes": ("no", "yes"),
        "on_call_team": "ml-platform",
        "applied_ml_team": "applied-ml",
        "data_team": "data-platform",
        "features": (feature("age", critical=True),),
    }
    return FleetModel(name=name, **(given | fields))


def receivers(page: str = "webhook", ticket: str = "webhook", team: str = "") -> tuple[FleetReceiver, ...]:
    return tuple(receiver(severity, kind, team) for severity, kind in (("page", page), ("ticket", ticket)) if kind)


def receiver(severity: str, kind: str, team: str) -> FleetReceiver:
    address = {"webhook": f"http://127.0.0.1:9/{team}/{severity}", "slack": f"#{team}", "pagerduty": ""}[kind]
    return FleetReceiver(severity, kind, address, "" if kind == "webhook" else f"/run/secrets/{team}-{severity}")


def replica(name: str, address: str, seen: datetime = NOW) -> FleetReplica:
    return FleetReplica(name, address, seen, NOW, "", {}, {})


SMALL = Fleet(
    teams=(
        FleetTeam("applied-ml", receivers=receivers("", "slack", "applied-ml")),
        FleetTeam("data-platform", receivers=receivers("", "slack", "data-platform")),
        FleetTeam("ml-platform", receivers=receivers("pagerduty", "slack", "ml-platform")),
        FleetTeam("platform", always_on_duty=True, receivers=receivers(team="platform")),
    ),
    models=(model("claims-risk", features=(feature("age", critical=True), feature("income"))),),
    replicas=(replica("r1", "10.0.0.1:8000"),),
)
RICH = Fleet(
    teams=(
        *SMALL.teams,
        FleetTeam("flights", time_zone="Europe/Berlin", hours_start=time(7, 30), hours_end=time(22)),
        FleetTeam("geo", receivers=receivers("pagerduty", "", "geo"), working_days=("monday",)),
    ),
    models=(
        *SMALL.models,
        model("churn", risk="high", features=tuple(feature(n, critical=True) for n in NASTY)),
        model("flight-delay", on_call_team="flights", applied_ml_team="flights"),
        model("fraud", risk="high", features=tuple(feature(n, team="geo") for n in NASTY)),
        model("price", task="regression", classes=(), features=(feature("km", team="geo"),)),
        model("bare", features=()),
    ),
)
CUSTOM = CustomRow(
    model="flight-delay",
    name="LateFlightsTooMany",
    expression='sum by (model_version) (rate(ml_predictions_total{predicted_class="late"}[5m])) > 1 # per second',
    for_=300,
    severity="ticket",
    owner="data",
    description='Over 1 a second is "late": {{ $value }} {{ printf "%s" $labels.instance }} {',
    fires_case={"series": {'ml_predictions_total{model_version="v1",predicted_class="late"}': "0+120x20"}, "at": "15m"},
    silent_case={"series": {'ml_predictions_total{model_version="v1",predicted_class="late"}': "0+6x20"}, "at": "15m"},
)
OBJECTIVES = (
    ObjectiveRow("flight-delay", "availability", "availability", "predict", target=0.999),
    ObjectiveRow("flight-delay", "fast", "latency", "predict", target=0.9, latency_seconds=0.35),
    ObjectiveRow("fraud", "batches", "availability", "predict_batch", target=0.99, period_days=7),
    ObjectiveRow("price", "availability", "availability", "predict", target=0.995),
)
POLICIES = Policies(
    rows=(
        PolicyRow("MLCanaryWorse", model="flight-delay", window=60, for_=30, thresholds={"requests": 20}),
        PolicyRow("MLBaselineStale", model="churn", thresholds={"days": 0.1}, for_=60),
        PolicyRow("MLDriftManyFeatures", model="churn", thresholds={"features": 9, "fewest": 1, "share": 1}),
        PolicyRow("MLFeatureOutOfRangeHigh", team="flights", thresholds={"ratio": 0}, severity="page"),
        PolicyRow("MLInferenceSaturated", team="flights", thresholds={"in_flight": 1, "refused": 0.99}, window=60),
        PolicyRow("MLInvalidInputHigh", model="fraud", thresholds={"ratio": 0.99}, window=60, for_=60),
        PolicyRow("MLPredictionClassShift", model="flight-delay", thresholds={"shift": 0.95}),
        PolicyRow("MLReplicaRestarting", model="price", thresholds={"starts": 0}, window=60),
        PolicyRow("MLTrafficShareMismatch", model="fraud", thresholds={"share": 0.5, "requests": 1}, for_=30),
        PolicyRow("MLDriftCriticalFeatureDetected", model="churn", severity="ticket", for_=30),
        PolicyRow("MLFeatureMissingRatioHigh", team="applied-ml", thresholds={"ratio": 0.2}),
        PolicyRow("MLInferenceHighErrorRate", thresholds={"errors": 0, "requests_per_minute": 0}),
        PolicyRow("MLInferenceHighErrorRate", model="flight-delay", window=60, for_=30, thresholds={"ratio": 0.95}),
        PolicyRow("MLInferenceHighErrorRate", team="flights", thresholds={"ratio": 0.0001}),
        PolicyRow("MLInferenceHighLatencyP95", model="fraud", thresholds={"seconds": 4.9}, window=900),
        PolicyRow("MLInferenceHighLatencyP95", team="flights", thresholds={"seconds": 0.01}, for_=0),
        PolicyRow("MLPredictionDistributionShift", model="churn", thresholds={"shift": 0.95}, for_=60),
        PolicyRow("MLServingDown", model="price", enabled=False),
        PolicyRow("PlumblineDown", for_=60),
    ),
    custom=(CUSTOM,),
    objectives=OBJECTIVES,
)


def bundle(fleet: Fleet = RICH, policies: Policies = POLICIES, options: RenderOptions = OPTIONS) -> dict[str, str]:
    """What the room puts into the bundle."""
    return {
        **render_rules(fleet, policies, options),
        "prometheus/prometheus.yml": render_prometheus(options),
        "alertmanager/alertmanager.yml": render_alertmanager(fleet, options, policies),
    }


def written(files: dict[str, str], folder: Path, fleet: Fleet | None = None, options: RenderOptions = OPTIONS) -> Path:
    """`files` in `folder`, with the targets of `fleet` beside prometheus.yml."""
    targets = render_targets(fleet, options) if fleet else {}
    for path, text in (files | {f"prometheus/targets/{name}": text for name, text in targets.items()}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def with_model(fleet: Fleet, *added: FleetModel) -> Fleet:
    return replace(fleet, models=tuple(sorted((*fleet.models, *added), key=lambda m: m.name)))
