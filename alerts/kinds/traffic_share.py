"""Traffic that is not split as the registry says: replicas apply another share, or requests come in another."""

from alerts.expressions import Expr, call, increase, max_by, series, sum_by
from alerts.guards import MODEL_LABELS, VERSION_LABELS, weight_series
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Parameter, Plane, Scope, Timing
from alerts.live.numbers import Unit
from alerts.proof_series import constant, counting, exactly, from_start, labelled
from telemetry import names

_OF_REPLICA = (*VERSION_LABELS, "instance")


def _desired(scope: Scope, versions: Expr) -> Expr:
    """The desired shares, and 0 for those of `versions` that shall have none; nothing while no control plane tells."""
    stated = max_by(VERSION_LABELS, series(names.DESIRED_WEIGHT, scope.matcher))
    told = max_by(MODEL_LABELS, series(names.DESIRED_WEIGHT, scope.matcher))
    return stated.otherwise(versions.times(0).and_on(MODEL_LABELS, told))


def shares(scope: Scope) -> Expr:
    return series(names.recorded(names.TRAFFIC_SHARE, scope.window_text), scope.matcher)


def _applied_off(scope: Scope) -> Expr:
    weights = series(names.TRAFFIC_WEIGHT, scope.matcher)
    desired = _desired(scope.beside, max_by(VERSION_LABELS, series(names.TRAFFIC_WEIGHT, scope.beside.matcher)))
    # Replica by replica: one that is left behind would vanish in a mean over many.
    off = call("abs", max_by(_OF_REPLICA, weights).minus_matching(VERSION_LABELS, desired))
    return max_by(VERSION_LABELS, off)


def _observed_off(scope: Scope) -> Expr:
    return call("abs", shares(scope).minus(_desired(scope.beside, shares(scope.beside))))


def expression(scope: Scope) -> Expr:
    points = scope.limit("share")
    applied = _applied_off(scope).above(points)
    observed = _observed_off(scope).above(points)
    asked = sum_by(MODEL_LABELS, increase(names.REQUESTS, scope.window_text, scope.beside.matcher))
    enough = asked.at_least(scope.limit("requests"))
    return applied.otherwise(observed.and_on(MODEL_LABELS, enough))


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model, points = scope.models[0].name, scope.limit("share")
    labels = {names.MODEL: model, names.VERSION: "v1"}
    # Requests a second in which one step already holds more than the policy wants.
    busy = max(100.0, 2 * scope.limit("requests") / timing.step)
    wanted = scope.limit("requests") / scope.window
    few, least = timing.at_the_end(0.9 * wanted), timing.once_full(1.1 * wanted)
    far = points * 1.2

    def desired(**shares: float) -> dict[str, str]:
        return {
            labelled(names.DESIRED_WEIGHT, {names.MODEL: model, names.VERSION: version, names.ROLE: "live"}): constant(
                share, timing
            )
            for version, share in shares.items()
        }

    def applied(off: float) -> dict[str, str]:
        """Two replicas that give v1 everything, until one of them gives it `off` less."""
        of = {**labels, names.ROLE: "live", "job": names.JOB_INFERENCE}
        return {
            labelled(names.TRAFFIC_WEIGHT, {**of, "instance": "replica-1"}): constant(1, timing),
            labelled(names.TRAFFIC_WEIGHT, {**of, "instance": "replica-2"}): from_start(1, 1 - off, timing),
        }

    def observed(requests: float = busy, **shares: float) -> dict[str, str]:
        answers = {names.MODEL: model, names.ROUTE: "predict", names.STATUS: "success"}
        return {
            labelled(names.REQUESTS, {**answers, names.VERSION: version}): counting(requests * share, timing)
            for version, share in shares.items()
        }

    # v2 and v3 share the loss, so that v1 alone is off by more than the limit.
    halves, taken = desired(v2=0.5, v3=0.5), {"v1": far, "v2": 0.5 - far / 2, "v3": 0.5 - far / 2}
    # Off from nothing, since of a difference with anything else something is rounded off.
    within = {**desired(v2=1), weight_series(model, "v1"): exactly(points, timing)}
    observed_within = {
        labelled(names.recorded(names.TRAFFIC_SHARE, scope.window_text), labels): exactly(points, timing),
        **desired(v2=1),
        **observed(v2=1),
    }
    stray = {weight_series(model, "v1"): from_start(0, far, timing), weight_series(model, "v2"): constant(1, timing)}
    return [
        Case("fires when one replica applies another share", {**desired(v1=1), **applied(far)}, True, labels),
        Case("fires when a replica serves what shall have nothing", {**desired(v2=1), **stray}, True, labels),
        Case("fires when requests come in other shares", {**halves, **observed(**taken)}, True, labels),
        Case(
            "fires when the requests are just enough",
            {**halves, **observed(least, **taken)},
            True,
            labels,
            late=True,
        ),
        Case("is silent when a replica applies a share exactly at the limit", within, False),
        Case("is silent when requests come in a share exactly at the limit", observed_within, False, given=True),
        Case("is silent while nobody says what is desired", {**applied(far), **observed(v1=1 - far, v2=far)}, False),
        Case("is silent with too few requests", {**halves, **observed(few, **taken)}, False),
    ]


KIND = AlertKind(
    name="MLTrafficShareMismatch",
    plane=Plane.HEALTH,
    owner=Owner.ON_CALL,
    severity=TICKET,
    window=300,
    for_=600,
    parameters=(
        Parameter(
            "share",
            0.05,
            "Applied and observed shares may be off the desired one by this.",
            unit="ratio",
            minimum=0.001,
            maximum=0.5,
        ),
        Parameter(
            "requests",
            100,
            "Fewer requests to the model than this in the window say nothing about observed shares.",
            minimum=1,
            maximum=1e6,
        ),
    ),
    labels=VERSION_LABELS,
    recorded=(names.TRAFFIC_SHARE,),
    summary="The traffic of {model_name} is not split as the registry says",
    description=(
        "For {for}, the share of {model_name}'s requests that a replica gives version {model_version}, or that the "
        "version really gets, has been off the desired share by more than {share}."
    ),
    expression=expression,
    cases=cases,
    comparisons=(
        Comparison("Applied share off the desired one, the worst replica", _applied_off, "share", unit=Unit.SHARE),
        Comparison("Observed share off the desired one", _observed_off, "share", unit=Unit.SHARE),
    ),
)
