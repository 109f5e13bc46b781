"""Replicas that start again and again: they crash, or something kills them."""

from alerts.expressions import Expr, call, increase, max_by
from alerts.guards import MODEL_LABELS
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.proof_series import constant, counting, from_start, labelled
from telemetry import names


def starts(scope: Scope) -> Expr:
    """Whole starts: increase() reckons beyond the first and the last sample, and 3 of them come out as 3.03."""
    return call("round", max_by(MODEL_LABELS, increase(names.REPLICA_STARTS, scope.window_text, scope.matcher)))


def expression(scope: Scope) -> Expr:
    return starts(scope).above(scope.limit("starts"))


def cases(scope: Scope, timing: Timing) -> list[Case]:
    labels, limit = {names.MODEL: scope.models[0].name}, scope.limit("starts")
    counter = labelled(names.REPLICA_STARTS, labels)
    return [
        Case("fires after more starts than the limit", {counter: from_start(0, limit + 1, timing)}, True, labels),
        # As many in each window, spread evenly.
        Case(
            "fires however they are spread over the window",
            {counter: counting((limit + 1) / scope.window, timing)},
            True,
            labels,
            late=True,
        ),
        Case("is silent at the limit", {counter: counting(limit / scope.window, timing)}, False),
        Case("is silent however often it once started", {counter: constant(1000, timing)}, False),
    ]


KIND = AlertKind(
    name="MLReplicaRestarting",
    plane=Plane.HEALTH,
    owner=Owner.ON_CALL,
    severity=TICKET,
    window=1800,
    for_=0,
    parameters=(
        Parameter("starts", 3, "Replicas that serve the model may start this often in the window.", maximum=1000),
    ),
    labels=MODEL_LABELS,
    summary="Replicas of {model_name} start again and again",
    description="Replicas that serve {model_name} have started more than {starts} times within {window}.",
    expression=expression,
    cases=cases,
    comparisons=(Comparison("Starts of replicas", starts, "starts"),),
)
