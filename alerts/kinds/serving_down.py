"""Nobody answers: a model that ought to be served, and no replica that is up has it loaded."""

from alerts.expressions import Expr, count_by, max_by, over_window, series
from alerts.kind import PAGE, AlertKind, Case, Comparison, Owner, Plane, Scope, Timing
from alerts.proof_series import constant, from_start, labelled
from telemetry import names

_MODEL = (names.MODEL,)
_TARGET = ("job", "instance")


def _wanted(scope: Scope) -> Expr:
    """The last word of a control plane that may be dead by now."""
    return max_by(_MODEL, over_window("last_over_time", names.DESIRED_WEIGHT, scope.window_text, scope.matcher))


def _loaded(scope: Scope) -> Expr:
    """What replicas that are up have loaded."""
    return series(names.MODEL_INFO, scope.matcher).unless_on(_TARGET, series("up").equal_to(0))


def _serving(scope: Scope) -> Expr:
    """Loaded copies of the model's versions; 0 where there is none of a model that is wanted."""
    return count_by(_MODEL, _loaded(scope)).otherwise(_wanted(scope).times(0))


def expression(scope: Scope) -> Expr:
    beside = scope.beside.matcher
    # The word of one that lives: registered, and given no traffic. A withdrawn model is not down.
    registered = max_by(_MODEL, series(names.MODEL_REGISTERED, beside))
    withdrawn = registered.unless_on(_MODEL, max_by(_MODEL, series(names.DESIRED_WEIGHT, beside)).above(0))
    # Not absent(): over several models it stays blind while one of them lives.
    loaded = max_by(_MODEL, _loaded(scope.beside))
    return _wanted(scope).above(0).unless_on(_MODEL, withdrawn).unless_on(_MODEL, loaded)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    labels = {names.MODEL: scope.models[0].name}
    target = {"job": names.JOB_INFERENCE, "instance": "replica-1"}
    desired = labelled(names.DESIRED_WEIGHT, {**labels, names.VERSION: "v1", names.ROLE: "live"})
    info = labelled(names.MODEL_INFO, {**labels, names.VERSION: "v1", "framework": "onnx", **target})
    other = labelled(names.DESIRED_WEIGHT, {**labels, names.VERSION: "v2", names.ROLE: "live"})
    registered = labelled(names.MODEL_REGISTERED, {**labels, "risk": "standard"})
    gone = f"1+0x{timing.start // timing.step} stale"
    up = labelled("up", target)
    # What it ought to answer is known for no longer than the window.
    dead = Case("fires while the control plane is dead", {desired: gone, registered: gone, info: gone}, True, labels)
    return [
        *([dead] if timing.firing_from < timing.start + scope.window else []),
        Case(
            "fires when no replica has it loaded",
            {desired: constant(1, timing), registered: constant(1, timing), info: gone},
            True,
            labels,
        ),
        Case(
            "fires when the replica can't be reached",
            {desired: constant(1, timing), info: constant(1, timing), up: from_start(1, 0, timing)},
            True,
            labels,
        ),
        Case(
            "is silent while a replica has it loaded",
            {desired: constant(1, timing), info: constant(1, timing), up: constant(1, timing)},
            False,
        ),
        Case("is silent on a model without traffic", {desired: constant(0, timing)}, False),
        Case("is silent on a model that was withdrawn", {desired: gone, registered: constant(1, timing)}, False),
        Case(
            "is silent on one whose newest version has no traffic",
            {desired: gone, other: constant(0, timing), registered: constant(1, timing)},
            False,
        ),
    ]


KIND = AlertKind(
    name="MLServingDown",
    plane=Plane.HEALTH,
    owner=Owner.ON_CALL,
    severity=PAGE,
    window=86400,
    counts=False,
    for_=120,
    labels=_MODEL,
    summary="{model_name} is not served by any replica",
    description="{model_name} ought to answer requests, and for {for} no replica that is up has had it loaded.",
    expression=expression,
    cases=cases,
    comparisons=(Comparison("Versions loaded on replicas that are up", _serving),),
    known=_wanted,
)
