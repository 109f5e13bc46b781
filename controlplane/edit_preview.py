"""What an edit of a policy, a custom alert or an objective does to the alerts that fire, before it is saved and after.

The servers are asked before the edit: after it, the loop may have published already. Never inside a transaction.
"""

from dataclasses import replace

from django.conf import settings

from alerts.catalogue import KINDS
from alerts.custom_rules import custom_rules
from alerts.firing import DEADLINE, TIMEOUT, FiringNow, firing_now
from alerts.kinds.error_budget_burn import NAME as BURN
from alerts.models import AlertPolicy, CustomAlert, Objective
from alerts.policies import Policies, custom_row, load_policies, policy_row
from alerts.restart_words import Told
from alerts.restarts import effect
from alerts.rule import AlertRule
from alerts.rules import rules_of_kind
from controlplane.rendering import render_options
from controlplane.servers import Servers
from models_registry.fleet import load_fleet


def ask(alert: str) -> FiringNow:
    """Which alerts of that name fire, by all servers that answer in time."""
    return firing_now(Servers.from_settings(settings, TIMEOUT).prometheuses, alert, DEADLINE)


def preview_policy(policy: AlertPolicy) -> Told:
    """As if `policy`, whose fields are right, was saved. A fixed number of queries; changes nothing."""
    present = load_policies()
    return compare(policy.alert, present, present.having(policy_row(policy)), ask(policy.alert))


def preview_without(policy: AlertPolicy) -> Told:
    """As if `policy` was deleted."""
    present = load_policies()
    return compare(policy.alert, present, present.lacking(policy.alert, policy.policy_id), ask(policy.alert))


def preview_custom(alert: CustomAlert, *, deleted: bool = False) -> Told:
    """As if the custom alert was saved, or deleted."""
    present = load_policies()
    others = tuple(row for row in present.custom if row.name != alert.name)
    own = () if deleted or not alert.enabled else (custom_row(alert),)
    return compare(alert.name, present, replace(present, custom=others + own), ask(alert.name))


def preview_objective(objective: Objective, *, deleted: bool = False) -> Told:
    """As if the objective was saved, or deleted."""
    present = load_policies()
    key = (objective.model.name, objective.name)
    others = tuple(row for row in present.objectives if (row.model, row.name) != key)
    held = others if deleted else tuple(sorted((*others, objective.row()), key=lambda r: (r.model, r.name)))
    return compare(BURN, present, replace(present, objectives=held), ask(BURN))


def compare(alert: str, before: Policies, after: Policies, firing: FiringNow) -> Told:
    """Only the rules of `alert` are rendered."""
    fleet = load_fleet()
    options = render_options()

    def rules(policies: Policies) -> list[AlertRule]:
        if alert in KINDS:
            return rules_of_kind(KINDS[alert], fleet, policies, options)
        only = tuple(row for row in policies.custom if row.name == alert)
        return custom_rules(fleet, replace(policies, custom=only), options)

    return Told(alert, effect(rules(before), rules(after), firing.alerts, fleet), firing)
