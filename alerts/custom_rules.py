"""Rules of custom alerts: the person's expression, made to speak of its model alone. Pure."""

from alerts import annotations
from alerts.custom_expression import collapsed
from alerts.expressions import set_label
from alerts.kind import Plane
from alerts.options import RenderOptions
from alerts.owners import SEVERITY, TEAM, team_of
from alerts.policies import CustomRow, Policies
from alerts.rule import PLANE, POLICY, AlertRule, addresses
from models_registry.fleet import Fleet, FleetModel
from telemetry import names


def custom_rules(fleet: Fleet, policies: Policies, options: RenderOptions) -> list[AlertRule]:
    """The rules of the custom alerts whose models are in the fleet."""
    return [_rule(row, fleet.by_name[row.model], options) for row in policies.custom if row.model in fleet.by_name]


def _rule(row: CustomRow, model: FleetModel, options: RenderOptions) -> AlertRule:
    owned = set_label(collapsed(row.expression), names.MODEL, model.name)
    owned = set_label(owned, TEAM, team_of(row.owner, model))
    plane = Plane.HEALTH if row.owner == "on_call" else Plane.QUALITY
    return AlertRule(
        alert=row.name,
        policy_id=row.policy_id,
        file=f"prometheus/rules/custom/{row.name}.yml",
        expression=owned.text,
        for_=row.for_,
        keep_firing=0,
        labels={PLANE: plane.value, POLICY: row.policy_id, SEVERITY: row.severity},
        annotations={
            "summary": annotations.escape(f"{row.name} on {model.name}"),
            "description": annotations.escape(row.description),
            **{
                name: annotations.link_template(address, (names.MODEL,))
                for name, address in addresses(row.name, options).items()
            },
        },
        custom=row,
    )
