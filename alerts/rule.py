"""One alerting rule, before it is written: what Prometheus keeps its identity by, and what may change. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from alerts import annotations
from alerts.kind import AlertKind, Owner, Plane, Scope
from alerts.options import KEEP_FIRING_MARGIN, RenderOptions
from alerts.owners import SEVERITY, TEAM, with_severity, with_team
from alerts.policies import CustomRow, Policy
from telemetry import names, promql

PLANE, POLICY = "plane", "policy"


@dataclass(frozen=True)
class AlertRule:
    """Identity: file, group, alert and `labels`, which are constants of the policy. The rest may change under it.

    A rule has either a `kind` with its scope, or the custom alert that it comes from.
    """

    alert: str
    policy_id: str
    file: str
    expression: str
    for_: int
    keep_firing: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    kind: AlertKind | None = None
    scope: Scope | None = None
    custom: CustomRow | None = None
    notify: str = ""  # the team that a policy names, which is told instead of whose role it is

    @property
    def group(self) -> str:
        """The rule's group: stable, whatever models it spans."""
        variant = f":{self.kind.variant}" if self.kind is not None and self.kind.variant else ""
        return f"{self.alert}:{self.policy_id}{variant}"


def catalogue_rule(kind: AlertKind, policy: Policy, options: RenderOptions) -> AlertRule:
    """The rule of `kind` for the models under `policy`."""
    limits = policy.limits
    scope = Scope(policy.models, limits.thresholds, limits.window, limits.for_, options)
    expression = kind.expression(scope)
    labels = {PLANE: kind.plane.value, POLICY: limits.policy_id, **kind.variant_labels}
    if kind.owner is Owner.PLATFORM:
        labels[TEAM] = limits.notify or options.platform_team
    else:
        expression = with_team(expression, kind.owner, policy.models, limits.notify)
    if kind.high_risk_severity and not limits.severity:
        expression = with_severity(expression, kind, policy.models)
    else:
        labels[SEVERITY] = limits.severity or kind.severity
    values = text_values(kind, scope)
    return AlertRule(
        alert=kind.name,
        policy_id=limits.policy_id,
        file=kind.file,
        expression=expression.text,
        for_=limits.for_,
        keep_firing=_keep_firing(kind, scope),
        labels=dict(sorted(labels.items())),
        annotations={
            "summary": annotations.as_template(kind.summary, values),
            "description": annotations.as_template(kind.description, values),
            **{name: annotations.link_template(a, linked(kind)) for name, a in addresses(kind.name, options).items()},
        },
        kind=kind,
        scope=scope,
        notify=limits.notify,
    )


def evaluated_every(kind: AlertKind | None, options: RenderOptions) -> int:
    """Seconds between two evaluations of an alert; `None` is a custom one."""
    if kind is not None and kind.plane is Plane.QUALITY:
        return options.quality_interval
    return options.evaluation_interval


def text_values(kind: AlertKind, scope: Scope) -> dict[str, str]:
    """What the kind's texts may name beside the alert's labels: its limits, its window and how long it waited."""
    limits = {p.name: annotations.readable(scope.limit(p.name), p.unit) for p in kind.parameters}
    return {**limits, "window": promql.duration(scope.window), "for": promql.duration(scope.for_)}


def linked(kind: AlertKind) -> tuple[str, ...]:
    """The labels that the alert's links carry."""
    return tuple(label for label in kind.labels if label in (names.MODEL, names.VERSION, names.FEATURE))


def addresses(alert: str, options: RenderOptions) -> dict[str, str]:
    """Annotation -> where it leads, without the query."""
    return {
        "runbook_url": f"{options.plumbline_url}/runbooks/{alert}/",
        "dashboard_url": f"{options.plumbline_url}/dashboards/go/",
        "mitigation_url": f"{options.plumbline_url}/mitigate/{alert}/",
    }


def _keep_firing(kind: AlertKind, scope: Scope) -> int:
    """Seconds. The scores of a check that fails are withdrawn, so a quality alert waits for the next check.

    One rule spans models that are checked at different intervals: it waits for the slowest. Ending sooner, it would
    tell that all is well because a score is missing; ending later, it tells of what was true a while ago.
    """
    if kind.plane is not Plane.QUALITY:
        return 0
    return max(scope.options.check_interval_of(m.name) for m in scope.models) + KEEP_FIRING_MARGIN
