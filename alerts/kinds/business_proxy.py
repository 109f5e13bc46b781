"""Business proxies outside their band: a number that the business watches, long before outcomes arrive."""

from alerts.expressions import Expr, max_by, min_by, series
from alerts.guards import VERSION_LABELS, carrying_traffic, weight_series
from alerts.kind import TICKET, AlertKind, Case, Comparison, Owner, Plane, Scope, Timing
from alerts.proof_series import constant, from_start, labelled
from telemetry import names

_OF_PROXY = (*VERSION_LABELS, names.PROXY)


# The worse of what several exporters tell; and a band with one side has no other.
def _highest(scope: Scope) -> Expr:
    return max_by(_OF_PROXY, series(names.BUSINESS_PROXY, scope.matcher))


def _lowest(scope: Scope) -> Expr:
    return min_by(_OF_PROXY, series(names.BUSINESS_PROXY, scope.matcher))


def _upper(scope: Scope) -> Expr:
    return min_by(_OF_PROXY, series(names.BUSINESS_PROXY_UPPER, scope.matcher))


def _lower(scope: Scope) -> Expr:
    return max_by(_OF_PROXY, series(names.BUSINESS_PROXY_LOWER, scope.matcher))


def expression(scope: Scope) -> Expr:
    above, below = _highest(scope).above(_upper(scope.beside)), _lowest(scope).below(_lower(scope.beside))
    return carrying_traffic(above.otherwise(below), scope)


def cases(scope: Scope, timing: Timing) -> list[Case]:
    model = scope.models[0].name
    labels = {names.MODEL: model, names.VERSION: "v1", names.PROXY: "approval_rate"}

    def situation(
        now: float, lower: float | None = 0.4, upper: float | None = 0.6, weight: float = 1
    ) -> dict[str, str]:
        given = {
            labelled(names.BUSINESS_PROXY, labels): from_start(0.5, now, timing),
            weight_series(model, "v1"): constant(weight, timing),
        }
        for metric, bound in ((names.BUSINESS_PROXY_LOWER, lower), (names.BUSINESS_PROXY_UPPER, upper)):
            if bound is not None:
                given[labelled(metric, labels)] = constant(bound, timing)
        return given

    return [
        Case("fires above the band", situation(0.61), True, labels),
        Case("fires below the band", situation(0.39), True, labels),
        Case("fires above a band without a lower side", situation(0.61, lower=None), True, labels),
        Case("fires below a band without an upper side", situation(0.39, upper=None), True, labels),
        Case("is silent on the upper side of the band", situation(0.6), False),
        Case("is silent on the lower side of the band", situation(0.4), False),
        Case("is silent without a band", situation(9, lower=None, upper=None), False),
        Case("is silent on a version without traffic", situation(0.61, weight=0), False),
    ]


KIND = AlertKind(
    name="MLBusinessProxyOutOfBand",
    plane=Plane.QUALITY,
    owner=Owner.APPLIED_ML,
    severity=TICKET,
    for_=1800,
    labels=_OF_PROXY,
    summary="{proxy} of {model_name} is outside its band",
    description=(
        "{proxy}, which the business watches of {model_name}, version {model_version}, has been outside its band "
        "for {for}."
    ),
    expression=expression,
    cases=cases,
    comparisons=(
        Comparison("Proxies and the upper side of their band", _highest, limit=_upper, limit_name="upper side"),
        Comparison("Proxies and the lower side of their band", _lowest, limit=_lower, limit_name="lower side"),
    ),
)
