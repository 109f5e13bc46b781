"""The rule files and their proofs, from the fleet and its policies. Pure.

Prometheus carries an alert's state over a reload only for a rule of the same name and labels, in the same group of
the same file: one group per (alert, policy), named by both, with one rule whose labels never depend on the models.
"""

from collections import defaultdict
from typing import Any

from alerts import burn_rate, recording
from alerts.burn_proofs import render_burn_proofs
from alerts.catalogue import KINDS
from alerts.custom_rules import custom_rules
from alerts.kind import AlertKind
from alerts.kinds.error_budget_burn import BurnKind
from alerts.options import RenderOptions
from alerts.policies import Policies
from alerts.proofs import render_proofs
from alerts.rule import AlertRule, catalogue_rule, evaluated_every
from alerts.yaml_text import dump
from models_registry.fleet import Fleet
from telemetry import promql


def render_rules(fleet: Fleet, policies: Policies, options: RenderOptions) -> dict[str, str]:
    """Path in the bundle -> text: prometheus/rules/... and prometheus/tests/..."""
    rules = alert_rules(fleet, policies, options)
    extra = [
        (prefix, rule.scope.window)
        for rule in rules
        if rule.kind is not None and rule.scope is not None
        for prefix in rule.kind.recorded
    ]
    files = {recording.FILE: dump({"groups": [recording.recording_group(options, extra)]})}
    # Of models that are there no more, nothing is recorded.
    objectives = [objective for objective in policies.objectives if objective.model in fleet.by_name]
    if objectives:
        files[burn_rate.FILE] = dump({"groups": burn_rate.recording_groups(objectives, options)})
    by_file: dict[str, list[AlertRule]] = defaultdict(list)
    for rule in rules:
        by_file[rule.file].append(rule)
    for path, held in by_file.items():
        files[path] = dump({"groups": [_group(rule, options) for rule in held]})
    burns = [rule for rule in rules if isinstance(rule.kind, BurnKind)]
    others = [rule for rule in rules if not isinstance(rule.kind, BurnKind)]
    return files | render_proofs(others) | render_burn_proofs(burns)


def alert_rules(fleet: Fleet, policies: Policies, options: RenderOptions) -> list[AlertRule]:
    """Every rule: the catalogue's in its order, policies by name with the default one first, then the custom ones."""
    rules = [rule for kind in KINDS.values() for rule in rules_of_kind(kind, fleet, policies, options)]
    return rules + custom_rules(fleet, policies, options)


def rules_of_kind(kind: AlertKind, fleet: Fleet, policies: Policies, options: RenderOptions) -> list[AlertRule]:
    """The rules of one kind, or of its variants."""
    kinds = kind.rendered(policies.objectives)
    return [catalogue_rule(each, policy, options) for each in kinds for policy in policies.of(each, fleet)]


def _group(rule: AlertRule, options: RenderOptions) -> dict[str, Any]:
    """The group as Prometheus' rule files hold it."""
    written: dict[str, Any] = {"alert": rule.alert, "expr": rule.expression}
    if rule.for_:
        written["for"] = promql.duration(rule.for_)
    if rule.keep_firing:
        written["keep_firing_for"] = promql.duration(rule.keep_firing)
    written |= {"labels": dict(rule.labels), "annotations": dict(rule.annotations)}
    interval = promql.duration(evaluated_every(rule.kind, options))
    return {"name": rule.group, "interval": interval, "rules": [written]}
