"""What an edit does to the alerts that fire or are pending, before it is saved and after.

Whatever the edit is, it is judged by the rules of the state before and of the state after: of a policy, a custom alert
or an objective only the one alert's, of all else (a model's page, a registry file) those of every active alert.
The servers are asked before the edit: after it, the loop may have published already. Never inside a transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction

from alerts.catalogue import KINDS
from alerts.custom_rules import custom_rules
from alerts.firing import DEADLINE, TIMEOUT, FiringNow, firing_now
from alerts.kinds.error_budget_burn import NAME as BURN
from alerts.models import AlertPolicy, CustomAlert, Objective
from alerts.options import RenderOptions
from alerts.policies import Policies, custom_row, load_policies, policy_row
from alerts.restart_words import Told
from alerts.restarts import Effect, effect, merged
from alerts.rule import AlertRule
from alerts.rules import alert_rules, rules_of_kind
from controlplane.publishing.servers import Servers
from controlplane.rendering import render_options
from models_registry.fleet import Fleet, load_fleet


@dataclass(frozen=True, slots=True)
class State:
    """All that rules are made from."""

    fleet: Fleet
    policies: Policies
    options: RenderOptions

    def rules_of(self, alert: str) -> list[AlertRule]:
        """The rules of that alert; none where there is no such alert."""
        if alert in KINDS:
            return rules_of_kind(KINDS[alert], self.fleet, self.policies, self.options)
        only = tuple(row for row in self.policies.custom if row.name == alert)
        return custom_rules(self.fleet, replace(self.policies, custom=only), self.options)

    def differs(self, other: "State", alert: str | None = None) -> bool:
        """Whether the rules of `alert` (None: of any) are others under `other`."""
        # The replicas that there are make no rules.
        if (self.fleet.models, self.policies, self.options) == (other.fleet.models, other.policies, other.options):
            return False
        return self._written(alert) != other._written(alert)

    def _written(self, alert: str | None) -> list[tuple[object, ...]]:
        """All that Prometheus is told of the rules, but for their texts."""
        rules = alert_rules(self.fleet, self.policies, self.options) if alert is None else self.rules_of(alert)
        return [(r.file, r.group, sorted(r.labels.items()), r.for_, r.keep_firing, r.expression) for r in rules]


def present() -> State:
    """The state of now; a fixed number of queries."""
    return State(load_fleet(), load_policies(), render_options())


def ask(alert: str | None) -> FiringNow:
    """Which alerts of that name (None: of any) fire or are pending, by all servers that answer in time."""
    return firing_now(Servers.from_settings(settings, TIMEOUT).prometheuses, alert, DEADLINE)


def preview_policy(policy: AlertPolicy) -> Told:
    """As if `policy`, whose fields are right, was saved. A fixed number of queries; changes nothing."""
    before = present()
    return compare(policy.alert, before, _with(before, before.policies.having(policy_row(policy))), ask(policy.alert))


def preview_without(policy: AlertPolicy) -> Told:
    """As if `policy` was deleted."""
    before = present()
    after = _with(before, before.policies.lacking(policy.alert, policy.policy_id))
    return compare(policy.alert, before, after, ask(policy.alert))


def preview_custom(alert: CustomAlert, *, deleted: bool = False) -> Told:
    """As if the custom alert was saved, or deleted."""
    before = present()
    others = tuple(row for row in before.policies.custom if row.name != alert.name)
    own = () if deleted or not alert.enabled else (custom_row(alert),)
    after = _with(before, replace(before.policies, custom=others + own))
    return compare(alert.name, before, after, ask(alert.name))


def preview_objective(objective: Objective, *, deleted: bool = False) -> Told:
    """As if the objective was saved, or deleted."""
    before = present()
    key = (objective.model.name, objective.name)
    others = tuple(row for row in before.policies.objectives if (row.model, row.name) != key)
    held = others if deleted else tuple(sorted((*others, objective.row()), key=lambda r: (r.model, r.name)))
    return compare(BURN, before, _with(before, replace(before.policies, objectives=held)), ask(BURN))


def preview_edit(edit: Callable[[], object]) -> Told:
    """As if `edit`, which writes to the database, was done: it is, and taken back. Raises what `edit` raises."""
    firing, before = ask(None), present()
    with transaction.atomic():
        edit()
        after = present()
        transaction.set_rollback(True)
    return compare(None, before, after, firing)


def compare(alert: str | None, before: State, after: State, firing: FiringNow) -> Told:
    """What becomes of `alert`, or (None) of whatever is active. Only the rules of that are rendered."""
    if alert is not None:
        return Told(alert, _effect(alert, before, after, firing), firing)
    names = sorted({each.name for each in firing.alerts})
    return Told("", merged(_effect(name, before, after, firing) for name in names), firing)


def _effect(alert: str, before: State, after: State, firing: FiringNow) -> Effect:
    about = [each for each in firing.alerts if each.name in ("", alert)]
    return effect(before.rules_of(alert), after.rules_of(alert), about, before.fleet, after.fleet)


def _with(state: State, policies: Policies) -> State:
    return replace(state, policies=policies)
