"""The labels that routing sees on an alert before it has ever fired: of the catalogue, or a person's own. Pure."""

from collections.abc import Iterator

from alerts.catalogue import KINDS
from alerts.kind import AlertKind, Owner, Plane
from alerts.kinds.error_budget_burn import BurnKind
from alerts.options import RenderOptions
from alerts.owners import SEVERITY, TEAM, severity_of, team_of
from alerts.policies import CustomRow, Policies
from alerts.rule import PLANE, POLICY
from models_registry.fleet import FleetModel
from telemetry.names import FEATURE, MODEL, OBJECTIVE

Labels = dict[str, str]


def alert_labels(
    alert: str, model: FleetModel | None, policies: Policies, options: RenderOptions, feature: str = ""
) -> list[Labels]:
    """What `alert` (about `model`) carries: one entry for each severity and team that it can have.

    Empty where there is no such alert, it is off, or it says nothing about the model. A feature that isn't the
    model's is left out.
    """
    found: dict[tuple[str, str], Labels] = {}
    for labels in _all(alert, model, policies, options, feature):
        found.setdefault((labels[SEVERITY], labels[TEAM]), labels)
    return list(found.values())


def _all(
    alert: str, model: FleetModel | None, policies: Policies, options: RenderOptions, feature: str
) -> Iterator[Labels]:
    kind = KINDS.get(alert)
    if kind is None:
        yield from (
            _custom(row, model) for row in policies.custom if row.name == alert and model and row.model == model.name
        )
    elif not policies.limits(kind, model).enabled:
        return
    elif not kind.on_models:
        yield _labels(kind, None, policies, policies.limits(kind).notify or options.platform_team)
    elif model is not None:
        for variant in kind.rendered(policies.objectives):
            if variant.concerns(model):
                yield from _about(variant, model, policies, feature)


def _about(kind: AlertKind, model: FleetModel, policies: Policies, feature: str) -> Iterator[Labels]:
    notify = policies.limits(kind, model).notify
    if FEATURE not in kind.labels:
        named = (
            {OBJECTIVE: next(o.name for o in kind.objectives if o.model == model.name)}
            if isinstance(kind, BurnKind)
            else {}
        )
        yield {**_labels(kind, model, policies, notify or team_of(kind.owner, model)), **named}
        return
    wanted = [f.name for f in model.features if f.name == feature] or [f.name for f in model.features]
    for name in wanted:
        yield {**_labels(kind, model, policies, notify or team_of(kind.owner, model, name)), FEATURE: name}


def _labels(kind: AlertKind, model: FleetModel | None, policies: Policies, team: str) -> Labels:
    limits = policies.limits(kind, model)
    about = {MODEL: model.name} if model is not None else {}
    return {
        "alertname": kind.name,
        **about,
        TEAM: team,
        SEVERITY: severity_of(kind, model, limits.severity),
        PLANE: kind.plane.value,
        POLICY: limits.policy_id,
        **kind.variant_labels,
    }


def _custom(row: CustomRow, model: FleetModel) -> Labels:
    plane = Plane.HEALTH if row.owner == Owner.ON_CALL else Plane.QUALITY
    return {
        "alertname": row.name,
        MODEL: model.name,
        TEAM: team_of(row.owner, model),
        SEVERITY: row.severity,
        PLANE: plane.value,
        POLICY: row.policy_id,
    }
