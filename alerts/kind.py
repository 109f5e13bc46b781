"""What an alert kind is: a condition with its defaults, its texts and the cases that prove it. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from alerts.expressions import Expr
from alerts.live.numbers import Unit
from alerts.objectives import ObjectiveRow
from alerts.options import RenderOptions
from models_registry.fleet import FleetModel
from telemetry import promql
from telemetry.names import MODEL


class Plane(StrEnum):
    """Whose data an alert reads: the serving path's, the analysis jobs', or Plumbline's own."""

    HEALTH = "health"
    QUALITY = "quality"
    META = "meta"


class Owner(StrEnum):
    """Who is told."""

    ON_CALL = "on_call"
    APPLIED_ML = "applied_ml"
    DATA = "data"
    FEATURE = "feature"  # the feature's team, else the model's data team
    CHECK = "check"  # of a drift check: the data team, and where the baseline does not fit the applied-ML team
    PLATFORM = "platform"


PAGE, TICKET = "page", "ticket"
_MANY_MODELS = 50
LONGEST_FOR = 7 * 86400  # seconds
# Seconds of a window that a proof fills at most.
LONGEST_FILL = 3600


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a policy can change. `unit` is s, ratio (0 to 1), or empty for a plain number."""

    name: str
    default: float
    help: str
    unit: str = ""
    minimum: float = 0.0
    maximum: float | None = None


@dataclass(frozen=True)
class Scope:
    """What one rule is about: models under one policy with its limits. `window` and `for_` are seconds.

    `feature_limits`: limits of single features, in place of those that the exporter states. No rule has any: they are
    for looking back.
    """

    models: tuple[FleetModel, ...]
    thresholds: Mapping[str, float]
    window: int
    for_: int
    options: RenderOptions
    is_beside: bool = False
    feature_limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def beside(self) -> "Scope":
        """For an operand that is matched by model with one of this scope, which keeps the result to the models.

        Of many models it selects all series there are. A long pattern is read, compiled and looked up at each
        evaluation, which costs more than the series of the other models.
        """
        return replace(self, is_beside=True)

    @property
    def matcher(self) -> str:
        """Matches the models' series; always a pattern, so that one more model changes no form. Empty: all series."""
        if self.is_beside and len(self.models) > _MANY_MODELS:
            return ""
        return promql.one_of(MODEL, (m.name for m in self.models))

    @property
    def window_text(self) -> str:
        return promql.duration(self.window)

    def limit(self, name: str) -> float:
        return self.thresholds[name]


@dataclass(frozen=True, slots=True)
class Timing:
    """When a proof's cases look, in whole seconds; `step` lies between two samples, `pace` between two evaluations."""

    step: int
    pace: int  # a multiple of the step: of a long `for`, few evaluations tell as much as many
    start: int  # what is wrong starts here, after `start` seconds in which nothing happens
    for_: int
    window: int

    @property
    def pending_until(self) -> int:
        """The last evaluation at which the alert can't fire yet."""
        return self.start + self.for_

    @property
    def firing_from(self) -> int:
        """By now it fires: the first bad sample came one step after the start, and another evaluation is granted."""
        return self.start + self.for_ + 3 * self.pace

    @property
    def silent_at(self) -> int:
        """By now it would fire, even where its condition holds only once the window is full (the first hour of it)."""
        return self.firing_from + -(-min(self.window, LONGEST_FILL) // self.pace) * self.pace

    def at_once(self, per_second: float) -> float:
        """Events a second of which a single step has as many as the window has of `per_second`."""
        return per_second * max(1.0, self.window / self.step)

    def once_full(self, per_second: float) -> float:
        """Events a second that come to `per_second` over the window when it is as full as a proof makes it."""
        return per_second * max(1.0, self.window / LONGEST_FILL)

    def at_the_end(self, per_second: float) -> float:
        """Events a second that never come to more than `per_second` over the window."""
        return per_second * max(1.0, self.window / (self.silent_at - self.start))

    @property
    def steps(self) -> int:
        """Samples that cover the whole proof."""
        return self.silent_at // self.step + 2


@dataclass(frozen=True, slots=True)
class Case:
    """One situation of a proof: input series (selector -> promtool's values), and whether the alert comes to fire.

    `labels` are those that the alert then carries, beside the constant ones. `late`: what makes it fire holds only
    once the window is full. `after` are seconds that lie before the situation, for what is compared with long ago: the
    timing counts from there, and the case gives recorded series itself, since promtool takes long to record that many.
    `given`: here too it gives them itself, since nothing that is made of rates meets a limit exactly.
    """

    name: str
    series: Mapping[str, str]
    fires: bool
    labels: Mapping[str, str] = field(default_factory=dict)
    late: bool = False
    after: int = 0
    given: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing that the condition looks at, for looking back: `measured` is drawn, with the limit it is held against.

    The limit is the policy's `parameter`; or `limit`, where it moves (series whose labels `measured` has too) or comes
    from elsewhere. Without either nothing is held against a number: only `for` can be tried out.
    """

    title: str
    measured: Callable[[Scope], Expr]
    parameter: str = ""
    unit: Unit = Unit.PLAIN
    limit: Callable[[Scope], Expr | float] | None = None
    limit_name: str = "limit"

    def held_against(self, scope: Scope) -> Expr | float | None:
        """The limit under the scope's policy; None without one."""
        if self.limit is not None:
            return self.limit(scope)
        return scope.limit(self.parameter) if self.parameter else None


@dataclass(frozen=True)
class AlertKind:
    """One alert of the catalogue. `labels` are the labels that its series carry."""

    name: str
    plane: Plane
    owner: Owner
    severity: str
    for_: int
    summary: str
    description: str
    expression: Callable[[Scope], Expr]
    cases: Callable[[Scope, Timing], list[Case]]
    labels: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    window: int = 0  # seconds; 0: it looks at the present, or over a window that is no policy's
    counts: bool = True  # over the window it looks at counters, so that has to hold a few scrapes
    fixed_window: int = 0  # seconds of that one, for its proof
    longest_for: int = LONGEST_FOR
    high_risk_severity: str | None = None  # where it differs: the severity for models of high risk
    concerns: Callable[[FleetModel], bool] = lambda _: True  # models it says something about
    recorded: tuple[str, ...] = ()  # prefixes of the recorded series that it reads over the policy's window
    # For looking back: what is drawn, and what has series wherever the condition could be judged (else: what is drawn).
    comparisons: tuple[Comparison, ...] = ()
    known: Callable[[Scope], Expr] | None = None
    # Where features have limits of their own: what such a limit is, for trying another one on the past.
    feature_limit: Parameter | None = None

    # Where one alert has several rules in a policy: what tells them apart, in the group's name and as constant labels.
    variant: str = ""
    variant_labels: Mapping[str, str] = field(default_factory=dict)
    # Of an alert about objectives: the kinds, each with its variant, that are rendered for the objectives there are.
    variants: Callable[[Sequence[ObjectiveRow]], "list[AlertKind]"] | None = None

    def rendered(self, objectives: Sequence[ObjectiveRow]) -> "list[AlertKind]":
        """The kinds that rules are made of: itself, or its variants."""
        return [self] if self.variants is None else self.variants(objectives)

    @property
    def defaults(self) -> dict[str, float]:
        return {p.name: p.default for p in self.parameters}

    @property
    def on_models(self) -> bool:
        """Whether it is about models; the meta alerts are about Plumbline."""
        return self.plane is not Plane.META

    @property
    def file(self) -> str:
        """The rule file, in the bundle."""
        if self.plane is Plane.META:
            return "prometheus/rules/meta.yml"
        return f"prometheus/rules/{self.plane}/{self.name}.yml"
