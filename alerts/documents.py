"""Export documents of policies, custom alerts and objectives: plain data, for the registry file and for Changes."""

from typing import Any

from alerts.models import AlertPolicy, CustomAlert, Objective
from telemetry.promql import duration

Document = dict[str, Any]


def policy_document(policy: AlertPolicy) -> Document:
    """What the policy states; what comes from a wider one is left out."""
    stated: Document = {
        "alert": policy.alert,
        "team": policy.team.name if policy.team else None,
        "model": policy.model.name if policy.model else None,
        "thresholds": policy.thresholds or None,
        "window": _duration(policy.window_seconds),
        "for": _duration(policy.for_seconds),
        "severity": policy.severity or None,
        "notify": policy.notify.name if policy.notify else None,
        "enabled": None if policy.enabled else False,
    }
    return {name: value for name, value in stated.items() if value is not None}


def custom_alert_document(alert: CustomAlert) -> Document:
    """The whole alert."""
    return {
        "name": alert.name,
        "model": alert.model.name,
        "expression": alert.expression,
        "for": duration(alert.for_seconds),
        "severity": alert.severity,
        "owner": alert.owner,
        "description": alert.description,
        "runbook": alert.runbook,
        "fires_case": alert.fires_case,
        "silent_case": alert.silent_case,
        **({} if alert.enabled else {"enabled": False}),
    }


def objective_document(objective: Objective) -> Document:
    """The whole objective."""
    return {
        "model": objective.model.name,
        "name": objective.name,
        "kind": objective.kind,
        "route": objective.route,
        "target": objective.target,
        "period_days": objective.period_days,
        **({} if objective.latency_seconds is None else {"latency_seconds": objective.latency_seconds}),
    }


def _duration(seconds: int | None) -> str | None:
    return None if seconds is None else duration(seconds)
