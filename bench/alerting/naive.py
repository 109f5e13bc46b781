"""What most generators write: each alert of each model spelled out, a file for each model. The conditions are ours."""

import re

from alerts import annotations
from alerts.catalogue import KINDS
from alerts.kind import Scope
from alerts.options import RenderOptions
from alerts.owners import severity_of, team_of
from alerts.policies import Policies
from alerts.rule import addresses, linked, text_values
from alerts.yaml_text import dump
from models_registry.fleet import Fleet, FleetModel
from telemetry import promql


def naive_rules(fleet: Fleet, policies: Policies, options: RenderOptions) -> dict[str, str]:
    """Path -> text, beside the same recording rules as ours."""
    return {
        f"prometheus/rules/models/{model.name}.yml": dump({"groups": [_group(model, policies, options)]})
        for model in fleet.models
    }


def _group(model: FleetModel, policies: Policies, options: RenderOptions) -> dict[str, object]:
    rules = []
    for kind in KINDS.values():
        if not kind.on_models or kind.variants is not None or not kind.concerns(model):
            continue
        limits = policies.limits(kind, model)
        scope = Scope((model,), limits.thresholds, limits.window, limits.for_, options)
        values = text_values(kind, scope)
        links = {name: annotations.link_template(a, linked(kind)) for name, a in addresses(kind.name, options).items()}
        rules.append(
            {
                "alert": kind.name,
                "expr": re.sub(r'model_name=~"', 'model_name="', kind.expression(scope).text),
                **({"for": promql.duration(limits.for_)} if limits.for_ else {}),
                "labels": {
                    "severity": severity_of(kind, model, limits.severity),
                    "team": team_of(kind.owner, model),
                    "plane": kind.plane.value,
                },
                "annotations": {
                    "summary": annotations.as_template(kind.summary, values),
                    "description": annotations.as_template(kind.description, values),
                    **links,
                },
            }
        )
    return {"name": model.name, "interval": promql.duration(options.evaluation_interval), "rules": rules}
