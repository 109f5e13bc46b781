"""A generated fleet: in memory as dataclasses, and the same in a database."""

from datetime import time

from alerts.models import AlertPolicy
from alerts.policies import Policies, PolicyRow
from models_registry.fleet import Fleet, FleetFeature, FleetModel, FleetReceiver, FleetTeam
from models_registry.models import Feature, MLModel, ModelVersion, Receiver, Team, Traffic

FEATURES, CRITICAL = 20, 3
OWN_POLICY = 20  # one model in so many has a policy of its own
SHA256 = "0" * 64


def team_name(number: int) -> str:
    return f"team-{number:03}"


def model_name(number: int) -> str:
    return f"model-{number:05}"


def own_limit(number: int) -> float | None:
    """Seconds of the model's latency alert, where they are its own."""
    return 0.2 + number / OWN_POLICY % 50 / 1000 if number % OWN_POLICY == 0 else None


def _feature_team(model: int, feature: int, teams: int) -> int:
    """One feature in five belongs to another team than its model."""
    return (model + feature) % teams if feature % 5 == 4 else model % teams


def in_memory(models: int, teams: int) -> tuple[Fleet, Policies]:
    """Every tenth model is of high risk; each has `FEATURES` features."""
    receivers = tuple(FleetReceiver(s, "webhook", f"http://127.0.0.1:9/{s}", "") for s in ("page", "ticket"))
    fleet = Fleet(
        teams=tuple(FleetTeam(team_name(n), receivers=receivers) for n in range(teams)),
        models=tuple(_model(n, teams) for n in range(models)),
    )
    rows = [
        PolicyRow("MLInferenceHighLatencyP95", model=model_name(n), thresholds={"seconds": limit})
        for n in range(models)
        if (limit := own_limit(n)) is not None
    ]
    return fleet, Policies(tuple(rows))


def _model(number: int, teams: int) -> FleetModel:
    team = team_name(number % teams)
    features = (
        FleetFeature(f"feature-{k:02}", "numeric", team_name(_feature_team(number, k, teams)), critical=k < CRITICAL)
        for k in range(FEATURES)
    )
    return FleetModel(
        name=model_name(number),
        risk="high" if number % 10 == 0 else "standard",
        task="binary_classification",
        classes=("no", "yes"),
        on_call_team=team,
        applied_ml_team=team,
        data_team=team,
        features=tuple(features),
    )


def in_database(models: int, teams: int) -> None:
    """The same fleet, each model with a live version, in the present database."""
    owners = Team.objects.bulk_create(
        Team(name=team_name(n), hours_start=time(9), hours_end=time(17)) for n in range(teams)
    )
    Receiver.objects.bulk_create(
        Receiver(team=team, severity=severity, kind="webhook", address=f"http://127.0.0.1:9/{team.name}/{severity}")
        for team in owners
        for severity in ("page", "ticket")
    )
    held = MLModel.objects.bulk_create(
        MLModel(
            name=model_name(n),
            risk="high" if n % 10 == 0 else "standard",
            classes=["no", "yes"],
            on_call_team=owners[n % teams],
            applied_ml_team=owners[n % teams],
            data_team=owners[n % teams],
        )
        for n in range(models)
    )
    Feature.objects.bulk_create(
        (
            Feature(
                model=model,
                name=f"feature-{k:02}",
                position=k,
                critical=k < CRITICAL,
                team=owners[_feature_team(n, k, teams)],
            )
            for n, model in enumerate(held)
            for k in range(FEATURES)
        ),
        batch_size=1000,
    )
    versions = ModelVersion.objects.bulk_create(
        ModelVersion(model=model, version="v1", artifact=f"/srv/{model.name}.skops", sha256=SHA256) for model in held
    )
    Traffic.objects.bulk_create(Traffic(model=model, live=v) for model, v in zip(held, versions, strict=True))
    AlertPolicy.objects.bulk_create(
        AlertPolicy(alert="MLInferenceHighLatencyP95", model=model, thresholds={"seconds": limit})
        for n, model in enumerate(held)
        if (limit := own_limit(n)) is not None
    )
