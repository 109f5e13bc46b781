"""Replicas that start again and again: they crash, or something kills them.

Starts are counted for each model, not for each replica. A roll-out starts every replica once, however many there are:
as many starts as there were replicas within the window are no restarts.
"""

import math

from alerts.expressions import Expr, call, count_by, increase, max_by, over_window
from alerts.guards import MODEL_LABELS
from alerts.kind import LONGEST_FILL, TICKET, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.proof_series import constant, counting, from_start, labelled, vanishing
from telemetry import names

# As many replicas as a proof shows at most.
_MOST_SHOWN = 50


def starts(scope: Scope) -> Expr:
    """Whole starts: increase() reckons beyond the first and the last sample, and 3 of them come out as 3.03."""
    return call("round", max_by(MODEL_LABELS, increase(names.REPLICA_STARTS, scope.window_text, scope.matcher)))


def replicas(scope: Scope) -> Expr:
    """How many had the model loaded at some time within the window; one that starts shows nothing for a while."""
    seen = over_window("last_over_time", names.MODEL_INFO, scope.window_text, scope.matcher)
    return count_by(MODEL_LABELS, max_by((*MODEL_LABELS, "instance"), seen))


def expression(scope: Scope) -> Expr:
    rolled_out = starts(scope.beside).at_most(replicas(scope.beside))
    return starts(scope).above(scope.limit("starts")).unless_on(MODEL_LABELS, rolled_out)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    # There are whole starts only: these are just not too many.
    labels, limit = {names.MODEL: scope.models[0].name}, math.floor(scope.limit("starts"))
    counter = labelled(names.REPLICA_STARTS, labels)
    many = limit + 1

    def loaded(values: str, count: int = many) -> dict[str, str]:
        """So many replicas, with two versions each."""
        return {
            labelled(names.MODEL_INFO, {**labels, names.VERSION: version, "instance": f"replica-{n}"}): values
            for n in range(count)
            for version in ("v1", "v2")
        }

    # As many in each window, spread evenly.
    spread = {counter: counting(timing.once_full(many / scope.window), timing)}
    allowed = {counter: counting(timing.at_the_end(limit / scope.window), timing)}
    found = [
        Case("fires however they are spread over the window", spread, True, labels, late=True),
        Case("is silent at the limit", allowed, False),
        Case("is silent however often it once started", {counter: constant(1000, timing)}, False),
    ]
    # All at one moment, which has to lie within the window for as long as the alert waits.
    if timing.firing_from < timing.start + scope.window:
        found.append(
            Case("fires after more starts than the limit", {counter: from_start(0, many, timing)}, True, labels)
        )
    if many > _MOST_SHOWN:
        return found
    rolled_out = {counter: counting(timing.at_the_end(many / scope.window), timing)}
    lately = f"1+0x{(timing.silent_at - min(scope.window, LONGEST_FILL) // 2) // timing.step} stale"
    if scope.window <= LONGEST_FILL:
        long_gone = {**spread, **loaded(vanishing(1, timing))}
        found.append(Case("fires long after replicas went", long_gone, True, labels, late=True))
    return [
        *found,
        Case(
            "fires with one replica fewer", {**spread, **loaded(constant(1, timing), many - 1)}, True, labels, late=True
        ),
        Case("is silent on a roll-out, whose old replicas are gone", {**rolled_out, **loaded(lately)}, False),
    ]


KIND = AlertKind(
    name="MLReplicaRestarting",
    plane=Plane.HEALTH,
    owner=Owner.ON_CALL,
    severity=TICKET,
    window=1800,
    for_=0,
    parameters=(
        Parameter(
            "starts",
            3,
            "Replicas that serve the model may start this often in the window, all together; where there are more of "
            "them, each may start once.",
            maximum=1000,
        ),
    ),
    labels=MODEL_LABELS,
    summary="Replicas of {model_name} start again and again",
    description=(
        "Replicas that serve {model_name} have started more than {starts} times within {window}, and more often than "
        "once each."
    ),
    expression=expression,
    cases=cases,
    comparisons=(Comparison("Starts of replicas", starts, "starts"),),
)
