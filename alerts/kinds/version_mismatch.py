"""Replicas that hold other versions than they should: one that is not registered, or not the one that has traffic."""

from alerts.expressions import Expr, count_by, max_by, series
from alerts.guards import MODEL_LABELS, VERSION_LABELS
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Plane, Scope, Timing
from alerts.proof_series import appearing, constant, labelled, vanishing
from telemetry import names

_REPLICA, _FRAMEWORK = "instance", "onnx"


def _desired(scope: Scope) -> Expr:
    return max_by(VERSION_LABELS, series(names.DESIRED_WEIGHT, scope.matcher))


def _loaded(scope: Scope) -> Expr:
    """On how many replicas each version is loaded."""
    info = series(names.MODEL_INFO, scope.matcher)
    return count_by(VERSION_LABELS, max_by((*VERSION_LABELS, _REPLICA), info)).otherwise(_desired(scope).times(0))


def _replicas(scope: Scope) -> Expr:
    """How many replicas ought to serve the model: each shows its limit, whatever it has loaded of the model."""
    serving = max_by((*MODEL_LABELS, _REPLICA), series(names.IN_FLIGHT_LIMIT, scope.matcher))
    info = max_by((*MODEL_LABELS, _REPLICA), series(names.MODEL_INFO, scope.matcher))
    return count_by(MODEL_LABELS, serving.otherwise(info))


def _told(scope: Scope) -> Expr:
    """While no control plane tells, nobody knows what is registered. A model may be, without a single version."""
    return max_by(MODEL_LABELS, series(names.MODEL_REGISTERED, scope.matcher))


def expression(scope: Scope) -> Expr:
    info = series(names.MODEL_INFO, scope.matcher)
    registered = max_by(VERSION_LABELS, series(names.VERSION_REGISTERED, scope.beside.matcher))
    held = max_by(VERSION_LABELS, info)
    unknown = held.unless_on(VERSION_LABELS, registered).and_on(MODEL_LABELS, _told(scope.beside))
    lacking = _loaded(scope).below_matching(MODEL_LABELS, _replicas(scope.beside))
    return unknown.otherwise(lacking.and_on(VERSION_LABELS, _desired(scope).above(0)))


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model = scope.models[0].name
    labels = {names.MODEL: model, names.VERSION: "v1"}
    always, gone, appears = constant(1, timing), vanishing(1, timing), appearing(1, timing)

    def registered(*versions: str) -> dict[str, str]:
        found = {labelled(names.VERSION_REGISTERED, {**labels, names.VERSION: each}): always for each in versions}
        return {**found, labelled(names.MODEL_REGISTERED, {names.MODEL: model, "risk": "standard"}): always}

    def wanted(version: str, share: float = 1) -> dict[str, str]:
        of = {**labels, names.VERSION: version, names.ROLE: "live"}
        return {labelled(names.DESIRED_WEIGHT, of): constant(share, timing)}

    def replica(place: int, **loaded: str) -> dict[str, str]:
        """One that serves the model, with the versions that it has loaded and when."""
        of = {"job": names.JOB_INFERENCE, "instance": f"replica-{place}"}
        info = {
            labelled(names.MODEL_INFO, {**labels, names.VERSION: version, names.FRAMEWORK: _FRAMEWORK, **of}): when
            for version, when in loaded.items()
        }
        return {**info, labelled(names.IN_FLIGHT_LIMIT, {names.MODEL: model, **of}): constant(64, timing)}

    well = {**registered("v1", "v2"), **wanted("v1"), **replica(1, v1=always)}
    return [
        Case(
            "fires when a replica has loaded what is not registered",
            {**registered("v2"), **wanted("v2"), **replica(1, v2=always, v1=appears)},
            True,
            labels,
        ),
        Case(
            "fires when the only version is registered no more",
            {**registered(), **replica(1, v1=appears)},
            True,
            labels,
        ),
        Case("fires when one replica lacks what has weight", {**well, **replica(2, v1=gone)}, True, labels),
        Case("fires when every replica lacks what has weight", {**well, **replica(1, v1=gone)}, True, labels),
        Case("is silent while every replica has it", {**well, **replica(2, v1=always, v2=always)}, False),
        Case("is silent on a version without weight", {**registered("v1"), **wanted("v1", 0), **replica(1)}, False),
        Case(
            "is silent on a shadow that one replica lacks",
            {**well, **wanted("v2", 0), **replica(1, v1=always, v2=always), **replica(2, v1=always)},
            False,
        ),
        Case("is silent while nobody says what is registered", replica(1, v1=always), False),
        Case("is silent while no replica is known", {**registered("v1"), **wanted("v1")}, False),
    ]


KIND = AlertKind(
    name="MLVersionMismatch",
    plane=Plane.HEALTH,
    owner=Owner.ON_CALL,
    severity=TICKET,
    for_=600,
    labels=VERSION_LABELS,
    summary="Replicas of {model_name} hold other versions than the registry says: {model_version}",
    description=(
        "For {for}, a replica of {model_name} has had version {model_version} loaded, which is not registered, or has "
        "lacked it although it has traffic."
    ),
    expression=expression,
    cases=cases,
    comparisons=(
        Comparison("Replicas that have the version loaded", _loaded, limit=_replicas, limit_name="all replicas"),
    ),
    known=_told,
)
