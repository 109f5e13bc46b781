"""Objectives at risk: an error budget that burns too fast, tier by tier, and one that can't be measured at all.

One rule for each policy, period and tier. Objectives of a period share them: their names stand on the series.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alerts.burn_rate import BAD_ANSWERS, TIERS, Tier, bad_count, bad_share, base_window, burning, of_period, tolerated
from alerts.expressions import Expr, max_by, series, set_label
from alerts.guards import REQUESTS_PER_MINUTE
from alerts.kind import PAGE, TICKET, AlertKind, Case, Comparison, Owner, Plane, Scope, Timing
from alerts.live.numbers import Unit
from alerts.objectives import ObjectiveRow
from telemetry import names, promql

NAME = "MLErrorBudgetBurn"
NO_DATA = "no-data"
NO_DATA_FOR = 600  # seconds: a replica that starts has no rates for its first scrapes
_ON = (names.MODEL, names.OBJECTIVE)


@dataclass(frozen=True)
class BurnKind(AlertKind):
    """One tier for the objectives of one period. Without a tier, it is what tells that nothing is measured."""

    tier: Tier | None = None
    period_days: int = 0
    objectives: tuple[ObjectiveRow, ...] = ()

    def of(self, scope: Scope) -> list[ObjectiveRow]:
        """The objectives of the scope's models."""
        held = {model.name for model in scope.models}
        return [objective for objective in self.objectives if objective.model in held]


def variants(objectives: Sequence[ObjectiveRow]) -> list[AlertKind]:
    """The kinds for `objectives`: for each period the tiers that can fire for one of them, and the missing series."""
    by_period: dict[int, list[ObjectiveRow]] = defaultdict(list)
    for objective in objectives:
        by_period[objective.period_days].append(objective)
    found: list[AlertKind] = []
    for days, held in sorted(by_period.items()):
        for tier in TIERS:
            reachable = tuple(objective for objective in held if tier.can_fire(objective))
            if reachable:
                found.append(_tier_kind(tier, days, reachable))
        found.append(_no_data_kind(days, tuple(held)))
    return found


def _tier_kind(tier: Tier, days: int, objectives: tuple[ObjectiveRow, ...]) -> BurnKind:
    def expression(scope: Scope) -> Expr:
        found = burning(tier, kind.of(scope), days, scope)
        if found is None:
            raise ValueError(f"None of the objectives can burn at {tier.factor} times their budget.")
        return found

    factor = f"{tier.factor:f}"
    kind = _kind(
        days,
        objectives,
        tier.name,
        severity=tier.severity,
        expression=expression,
        summary=f"{{model_name}}: the error budget of {{objective}} burns {factor} times too fast",
        description=(
            f"The objective {{objective}} of {{model_name}}, route {{route}}, has spent its error budget over {factor} "
            f"times as fast as lasts for {days} days, for {promql.duration(tier.long_window(days))} and still now."
        ),
        tier=tier,
        comparisons=(
            Comparison(
                f"Bad answers over {promql.duration(tier.long_window(days))}, {tier.name}",
                lambda scope: bad_share(tier, kind.of(scope), days),
                unit=Unit.RATIO,
                limit=lambda scope: tolerated(tier, kind.of(scope), days),
            ),
        ),
        known=lambda scope: bad_share(tier, kind.of(scope), days).and_on(_ON, bad_count(tier, kind.of(scope), days)),
    )
    return kind


def _no_data_kind(days: int, objectives: tuple[ObjectiveRow, ...]) -> BurnKind:
    def expression(scope: Scope) -> Expr:
        return _unmeasured(kind.of(scope), days, scope)

    kind = _kind(
        days,
        objectives,
        NO_DATA,
        severity=TICKET,
        expression=expression,
        for_=NO_DATA_FOR,
        summary="{model_name}: the objective {objective} can't be measured",
        description=(
            "{model_name} is served, but for {for} there have been no counts for its objective {objective}, "
            "route {route}: nobody would notice if it was missed."
        ),
    )
    return kind


def _unmeasured(objectives: list[ObjectiveRow], days: int, scope: Scope) -> Expr:
    """Objectives whose model answers, while what they count is not there: all answers, or the bad ones."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for objective in objectives:
        alike[objective.name, objective.route].append(objective.model)
    window = promql.duration(base_window(days, scope.options))
    found: Expr | None = None
    for (name, route), models in sorted(alike.items()):
        served = max_by((names.MODEL,), series(names.TRAFFIC_WEIGHT, promql.one_of(names.MODEL, models))).above(0)
        expected = set_label(set_label(served, names.ROUTE, route), names.OBJECTIVE, name)
        all_, bad = (
            series(names.recorded(each, window), promql.equals(names.OBJECTIVE, name), of_period(days))
            for each in (names.OBJECTIVE_EVENTS, names.OBJECTIVE_BAD)
        )
        branch = expected.unless_on(_ON, all_.and_on(_ON, bad))
        found = branch if found is None else found.otherwise(branch)
    if found is None:
        raise ValueError("There is no objective to look for.")
    return found


def _kind(
    days: int,
    objectives: tuple[ObjectiveRow, ...],
    name: str,
    *,
    severity: str,
    expression: Callable[[Scope], Expr],
    summary: str,
    description: str,
    for_: int = 0,
    tier: Tier | None = None,
    comparisons: tuple[Comparison, ...] = (),
    known: Callable[[Scope], Expr] | None = None,
) -> BurnKind:
    about = {objective.model for objective in objectives}
    return BurnKind(
        name=KIND.name,
        plane=KIND.plane,
        owner=KIND.owner,
        severity=severity,
        for_=for_,
        summary=summary,
        description=description,
        expression=expression,
        cases=_no_cases,
        labels=KIND.labels,
        parameters=KIND.parameters,
        concerns=lambda model: model.name in about,
        variant=f"{days}d:{name}",
        variant_labels={names.PERIOD: f"{days}d", names.TIER: name},
        comparisons=comparisons,
        known=known,
        tier=tier,
        period_days=days,
        objectives=objectives,
    )


def _by_variant(_: Scope) -> Expr:
    raise ValueError(f"{NAME} has no rule of its own: it is rendered tier by tier, for the objectives there are.")


def _no_cases(_: Scope, __: Timing) -> list[Case]:
    """None of the usual form: alerts.burn_proofs proves the tiers together."""
    return []


KIND = AlertKind(
    name=NAME,
    plane=Plane.HEALTH,
    owner=Owner.ON_CALL,
    severity=PAGE,
    for_=0,
    parameters=(REQUESTS_PER_MINUTE, BAD_ANSWERS),
    labels=(names.MODEL, names.ROUTE, names.OBJECTIVE),
    summary="{model_name}: the error budget of {objective} burns too fast",
    description="The objective {objective} of {model_name}, route {route}, spends its error budget too fast to last.",
    expression=_by_variant,
    cases=_no_cases,
    variants=variants,
)
