"""What a backtest holds side by side: what an alert is rendered from, and what that renders to. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from alerts.expressions import Expr, as_written, call, count_by, series, set_label
from alerts.kind import AlertKind, Comparison, Scope
from alerts.objectives import ObjectiveRow
from alerts.options import RenderOptions
from alerts.policies import Limits, Policy
from alerts.rule import AlertRule, catalogue_rule
from models_registry.fleet import FleetModel
from telemetry import names, promql
from telemetry.names import MODEL


class NotComparable(ValueError):
    """There is no past of this alert and this model to look at; the message says why."""


@dataclass(frozen=True)
class Terms:
    """What decides when an alert fires: the policy's limits, the model's objectives, limits of single features.

    `feature_limits` are those to try: the ones in force are the exporter's, and recorded.
    """

    limits: Limits
    objectives: tuple[ObjectiveRow, ...] = ()
    feature_limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Edits:
    """What a person would change. None and empty: as in force. `targets`: of objectives, by name."""

    thresholds: Mapping[str, float] = field(default_factory=dict)
    for_: int | None = None
    window: int | None = None
    targets: Mapping[str, float] = field(default_factory=dict)
    feature_limits: Mapping[str, float] = field(default_factory=dict)


def edit(present: Terms, edits: Edits) -> Terms:
    """The terms in force with what a person would change, as if switched on."""
    limits = present.limits
    return Terms(
        limits=replace(
            limits,
            thresholds={**limits.thresholds, **edits.thresholds},
            for_=limits.for_ if edits.for_ is None else edits.for_,
            window=limits.window if edits.window is None else edits.window,
            enabled=True,
        ),
        objectives=tuple(replace(o, target=edits.targets.get(o.name, o.target)) for o in present.objectives),
        feature_limits=edits.feature_limits,
    )


def why_not(kind: AlertKind, model: FleetModel, objectives: Sequence[ObjectiveRow]) -> str:
    """Why there is nothing to look back at; empty where there is."""
    if not kind.on_models:
        return f"{kind.name} is about Plumbline itself: it has no limit that a model's team could try."
    if not kind.concerns(model):
        return f"{kind.name} says nothing about {model.name}."
    if kind.variants is not None and not any(objective.model == model.name for objective in objectives):
        return f"{model.name} has no objective whose budget could burn."
    return ""


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression and how long it has to hold; rules that wait alike are one, told apart by their labels."""

    expression: str
    for_: int
    keep_firing: int


@dataclass(frozen=True)
class Rendered:
    """The rules under some terms: their conditions, what shows that they could be judged, and what is drawn.

    `labels` tell their series apart, beside the model.
    """

    terms: Terms
    conditions: tuple[Condition, ...]
    known: str
    drawn: tuple[tuple[Comparison, Scope], ...]
    labels: tuple[str, ...]


def rendered(kind: AlertKind, model: FleetModel, terms: Terms, present: Terms, options: RenderOptions) -> Rendered:
    """What is published for `model` under `terms`. NotComparable where that is nothing.

    A window that differs from the `present` one is judged only where the series over it were recorded.
    """
    reason = why_not(kind, model, terms.objectives)
    if reason:
        raise NotComparable(reason)
    rules = [
        catalogue_rule(_with_feature_limits(each, terms), Policy(terms.limits, (model,)), options)
        for each in kind.rendered(terms.objectives)
        # The rule that tells of missing series would hold wherever none were recorded yet.
        if each.comparisons
    ]
    scoped = [
        (rule, replace(rule.scope, feature_limits=terms.feature_limits)) for rule in rules if rule.kind and rule.scope
    ]
    drawn = tuple((comparison, scope) for rule, scope in scoped for comparison in _kind(rule).comparisons)
    known = _either([_known(_kind(rule), scope) for rule, scope in scoped])
    if kind.recorded and terms.limits.window != present.limits.window:
        over_window = names.recorded(kind.recorded[0], promql.duration(terms.limits.window))
        known = known.and_on((MODEL,), count_by((MODEL,), series(over_window, promql.equals(MODEL, model.name))))
    labels = [*kind.labels, *(label for rule in rules for label in _kind(rule).variant_labels)]
    told_apart = tuple(label for label in dict.fromkeys(labels) if label != MODEL)
    return Rendered(terms, tuple(_conditions(rules)), call("count", known).text, drawn, told_apart)


def _with_feature_limits(kind: AlertKind, terms: Terms) -> AlertKind:
    if not terms.feature_limits:
        return kind
    return replace(kind, expression=lambda s: kind.expression(replace(s, feature_limits=terms.feature_limits)))


def _known(kind: AlertKind, scope: Scope) -> Expr:
    if kind.known is not None:
        return kind.known(scope)
    return _either([comparison.measured(scope) for comparison in kind.comparisons])


def _conditions(rules: list[AlertRule]) -> list[Condition]:
    alike: dict[tuple[int, int], list[Expr]] = defaultdict(list)
    for rule in rules:
        told = as_written(rule.expression)
        for label, value in _kind(rule).variant_labels.items():
            told = set_label(told, label, value)
        alike[rule.for_, rule.keep_firing].append(told)
    return [Condition(_either(held).text, for_, keep) for (for_, keep), held in alike.items()]


def _either(parts: Sequence[Expr]) -> Expr:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.otherwise(part)
    return whole


def _kind(rule: AlertRule) -> AlertKind:
    if rule.kind is None:
        raise ValueError(f"{rule.alert} is not in the catalogue.")
    return rule.kind
