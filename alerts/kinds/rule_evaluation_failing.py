"""Rules that Prometheus loaded and can't evaluate: the alerts in them are blind."""

from alerts.expressions import Expr, increase, sum_by
from alerts.kind import TICKET, AlertKind, Case, Owner, Plane, Scope, Timing
from alerts.proof_series import constant, counting, from_start, labelled
from telemetry import names, promql

_FAILURES = "prometheus_rule_evaluation_failures_total"
_GROUP = "rule_group"


def expression(scope: Scope) -> Expr:
    failures = increase(_FAILURES, scope.window_text, promql.equals("job", names.JOB_PROMETHEUS))
    return sum_by((_GROUP,), failures).above(0)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    labels = {_GROUP: "rules.yml;MLServingDown:default"}
    target = {"job": names.JOB_PROMETHEUS, "instance": "prometheus"}
    failures = labelled(_FAILURES, {**target, **labels})
    elsewhere = labelled(_FAILURES, {**target, "job": "other", **labels})
    return [
        Case("fires while a group can't be evaluated", {failures: counting(0.1, timing)}, True, labels),
        Case("fires while it fails now and then", {failures: _now_and_then(scope, timing)}, True, labels),
        Case("is silent while all can", {failures: constant(3, timing)}, False),
        Case("is silent on what failed once", {failures: from_start(0, 1, timing)}, False),
        Case("is silent on another job's failures", {elsewhere: counting(0.1, timing)}, False),
    ]


def _now_and_then(scope: Scope, timing: Timing) -> str:
    """A failure in three quarters of the window, again and again."""
    idle, apart = timing.start // timing.step, max(1, 3 * scope.window // (4 * timing.step))
    times = (timing.steps - idle) // apart + 1
    return " ".join([f"0+0x{idle}", *(f"{count}+0x{apart - 1}" for count in range(1, times + 1))])


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
