"""The quality exporter is gone: no drift score, no missing ratio, and every quality alert is blind."""

from alerts.expressions import Expr
from alerts.kind import TICKET, AlertKind, Case, Owner, Plane, Scope, Timing
from alerts.kinds.plumbline_down import is_up
from alerts.proof_series import constant, from_start, labelled
from telemetry import names


def expression(scope: Scope) -> Expr:
    return is_up(names.JOB_DRIFT).equal_to(0)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    up = labelled("up", {"job": names.JOB_DRIFT, "instance": "exporter"})
    other = {labelled("up", {"job": names.JOB_PLUMBLINE, "instance": "other"}): constant(1, timing)}
    return [
        Case("fires when it can't be scraped", {up: from_start(1, 0, timing), **other}, True),
        Case("fires when its target is gone", {up: f"1+0x{timing.start // timing.step} stale", **other}, True),
        Case("is silent while it is up", {up: constant(1, timing)}, False),
    ]


KIND = AlertKind(
    name="QualityExporterDown",
    plane=Plane.META,
    owner=Owner.PLATFORM,
    severity=TICKET,
    for_=600,
    summary="The quality exporter is down",
    description="For {for}, Prometheus has not reached the quality exporter: drift and missing features go unseen.",
    expression=expression,
    cases=cases,
)
