"""Rules that Prometheus loaded and can't evaluate: the alerts in them are blind."""

from alerts.expressions import Expr, increase, sum_by
from alerts.kind import TICKET, AlertKind, Case, Owner, Plane, Scope, Timing
from alerts.proof_series import constant, counting, labelled
from telemetry import names, promql

_FAILURES = "prometheus_rule_evaluation_failures_total"
_GROUP = "rule_group"


def expression(scope: Scope) -> Expr:
    failures = increase(_FAILURES, scope.window_text, promql.equals("job", names.JOB_PROMETHEUS))
    return sum_by((_GROUP,), failures).above(0)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    labels = {_GROUP: "rules.yml;MLServingDown:default"}
    failures = labelled(_FAILURES, {"job": names.JOB_PROMETHEUS, "instance": "prometheus", **labels})
    return [
        Case("fires while a group can't be evaluated", {failures: counting(0.1, timing)}, True, labels),
        Case("is silent while all can", {failures: constant(3, timing)}, False),
    ]


KIND = AlertKind(
    name="PlumblineRuleEvaluationFailing",
    plane=Plane.META,
    owner=Owner.PLATFORM,
    severity=TICKET,
    window=300,
    for_=600,
    labels=(_GROUP,),
    summary="Prometheus can't evaluate a rule group",
    description="For {for}, rules of the group {rule_group} have failed to evaluate: their alerts can't fire.",
    expression=expression,
    cases=cases,
)
