"""What the three alerts on a feature's ratio share: missing, defaulted and out-of-range values above their limit. Pure.

The limit is a series of the quality exporter (the feature's own, the drift check's, or what the baseline had with a
margin); the policy's is for ratios that come without one.
"""

from dataclasses import dataclass

from alerts.expressions import Expr, max_by, min_by, series
from alerts.guards import carrying_traffic, weight_series
from alerts.kind import Case, Parameter, Scope, Timing
from alerts.proof_series import constant, exactly, from_start, labelled
from telemetry import names, promql

FEATURE_LABELS = (names.MODEL, names.VERSION, names.FEATURE)


@dataclass(frozen=True, slots=True)
class FeatureRatio:
    """One of the ratios: its metric, its limit's, and what the registry calls that limit."""

    metric: str
    limit_metric: str
    limit_name: str

    def parameter(self, default: float) -> Parameter:
        """The limit of a policy."""
        return Parameter(
            "ratio",
            default,
            f"The fallback, for features without a series {self.limit_metric}. For those that a drift check "
            "has looked at, the exporter states one and this changes nothing: change the feature's "
            f"{self.limit_name}, or the drift check's.",
            unit="ratio",
            maximum=0.99,
        )

    @property
    def own(self) -> Parameter:
        """The limit of one feature."""
        return Parameter(self.limit_name, 0, f"The feature's {self.limit_name}.", unit="ratio", maximum=1)

    def measured(self, scope: Scope) -> Expr:
        return max_by(FEATURE_LABELS, series(self.metric, scope.matcher))

    def limit(self, scope: Scope) -> Expr:
        """A ratio whose limit is not exported is held against the policy's."""
        stated = min_by(FEATURE_LABELS, series(self.limit_metric, scope.matcher))
        for feature, value in scope.feature_limits.items():
            ratio = max_by(FEATURE_LABELS, series(self.metric, scope.matcher, promql.equals(names.FEATURE, feature)))
            stated = ratio.times(0).plus(value).otherwise(stated)
        return stated.otherwise(self.measured(scope).times(0).plus(scope.limit("ratio")))

    def expression(self, scope: Scope) -> Expr:
        return carrying_traffic(self.measured(scope).above(self.limit(scope.beside)), scope)

    def cases(self, scope: Scope, timing: Timing) -> list[Case]:
        subject, limit = scope.models[0], scope.limit("ratio")
        labels = {names.MODEL: subject.name, names.VERSION: "v1", names.FEATURE: subject.features[0].name}
        over = min(limit * 1.05, (limit + 1) / 2) or 0.01

        def situation(ratio: str, exported: float | None = None, weight: float = 1) -> dict[str, str]:
            given = {
                labelled(self.metric, labels): ratio,
                weight_series(subject.name, "v1"): constant(weight, timing),
            }
            if exported is not None:
                given[labelled(self.limit_metric, labels)] = constant(exported, timing)
            return given

        rises = from_start(0, over, timing)
        return [
            Case("fires over the policy's limit where none is exported", situation(rises), True, labels),
            Case("fires over the exported limit", situation(from_start(0, 0.5, timing), exported=0.4), True, labels),
            Case("is silent at the policy's limit", situation(exactly(limit, timing)), False),
            Case("is silent at the exported limit", situation(from_start(0, over, timing), exported=over), False),
            Case("is silent on a version without traffic", situation(rises, weight=0), False),
        ]
