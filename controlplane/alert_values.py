"""An alert of a model with every value in force and where it comes from, for the page and the API alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings

from alerts.annotations import readable, readable_duration
from alerts.backtest.terms import why_not
from alerts.catalogue import KINDS
from alerts.kind import AlertKind
from alerts.models import CustomAlert
from alerts.owners import team_of
from alerts.policies import Policies, load_policies, widening
from alerts.runbook_page import SHIPPED_TEXT, origins_of
from alerts.sources import ROLES, Origin, Sourced, Stated, sourced
from drift.checks import as_check
from drift.engine.policy import Policy as DriftPolicy
from drift.engine.verdict import FeatureVerdict, from_document
from drift.models import CheckStatus, DriftCheck
from models_registry.fleet import FleetFeature, FleetModel

RUNBOOK = "runbook"
CUSTOM = "custom alert"
# Alert -> what the drift check and the feature call the limit that travels as a series.
TRAVELLING = {
    "MLDriftCriticalFeatureDetected": "drift",
    "MLDriftManyFeatures": "drift",
    "MLFeatureMissingRatioHigh": "missing",
    "MLFeatureDefaultedHigh": "defaulted",
    "MLFeatureOutOfRangeHigh": "out_of_range",
}


@dataclass(frozen=True, slots=True)
class FeatureLimit:
    """A limit of one feature, which no policy states: it travels as a series beside what it limits.

    `limits`: version -> what its newest check held the feature against. `stated` is what is registered; a check may
    hold it against more, see drift.engine.policy. `source`: feature, drift check.
    """

    feature: str
    stated: float
    source: str
    limits: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class AlertValues:
    """An alert about a model. `policies`: the ids that could state a value, each with whether it is stored."""

    alert: str
    says: str
    policies: tuple[tuple[str, bool], ...]
    values: tuple[Sourced, ...]
    feature_limits: tuple[FeatureLimit, ...] = ()
    can_look_back: bool = False

    @property
    def told_by(self) -> str:
        """Whose role it is to be told, in words; empty for a custom alert, which says it by itself."""
        return ROLES[KINDS[self.alert].owner] if self.alert in KINDS else ""


def values_of(model: FleetModel, alert: str = "") -> list[AlertValues]:
    """The alerts about `model`, or only the one called `alert`; custom ones last. A fixed number of queries."""
    policies, texts = load_policies(), origins_of(model)
    kinds = [kind for kind in KINDS.values() if kind.on_models and kind.concerns(model) and alert in ("", kind.name)]
    limits = _feature_limits(model) if any(kind.name in TRAVELLING for kind in kinds) else {}
    found = [_of_kind(kind, model, policies, texts, limits.get(TRAVELLING.get(kind.name, ""), ())) for kind in kinds]
    custom = CustomAlert.objects.filter(model__name=model.name).select_related("model").order_by("name")
    return found + [_of_custom(row, model, texts) for row in custom if alert in ("", row.name)]


def _of_kind(
    kind: AlertKind,
    model: FleetModel,
    policies: Policies,
    texts: Mapping[str, str],
    limits: Iterable[FeatureLimit],
) -> AlertValues:
    ids = widening(kind, model)
    look = not why_not(kind, model, policies.objectives)
    stored = {row.policy_id for row in policies.holding(kind, model)}
    values = (*sourced(kind, model, policies, settings.PLATFORM_TEAM), _runbook(kind.name, ids, texts))
    return AlertValues(kind.name, kind.summary, tuple((p, p in stored) for p in ids), values, tuple(limits), look)


def _runbook(alert: str, ids: Iterable[str], texts: Mapping[str, str]) -> Sourced:
    origin = texts.get(alert, SHIPPED_TEXT)
    stated = tuple(Stated(p, "a text" if p == origin else "", p == origin) for p in ids)
    words = SHIPPED_TEXT if origin == SHIPPED_TEXT else f"the text of {origin.partition(':')[2]}"
    source = Origin.CATALOGUE if origin == SHIPPED_TEXT else origin
    return Sourced(RUNBOOK, origin, words, source, SHIPPED_TEXT, stated)


def _of_custom(row: CustomAlert, model: FleetModel, texts: Mapping[str, str]) -> AlertValues:
    """A person wrote all of it, but who has the role."""
    named = {
        "for": readable_duration(row.for_seconds),
        "severity": row.severity,
        "enabled": "on" if row.enabled else "off",
    }
    own = [Sourced(name, words, words, CUSTOM, "", ()) for name, words in named.items()]
    team = team_of(row.owner, model)
    text = texts.get(row.name, CUSTOM)
    runbook = Sourced(RUNBOOK, text, "its own text" if text == CUSTOM else f"the text of {model.name}", text, "", ())
    values = (*own, Sourced("team", team, team, Origin.ROLE, "", ()), runbook)
    return AlertValues(row.name, row.description, (), values)


def _feature_limits(model: FleetModel) -> dict[str, list[FeatureLimit]]:
    """What is limited -> each feature's limit."""
    check = DriftCheck.objects.filter(model__name=model.name).select_related("model").first()
    policy = as_check(check, {}).policy if check is not None else DriftPolicy()
    own_psi = check.feature_psi_thresholds if check is not None else {}
    verdicts: dict[str, dict[str, FeatureVerdict]] = {}
    statuses = CheckStatus.objects.filter(version__model__name=model.name).select_related("version", "latest")
    for status in statuses.order_by("version__created_at"):
        verdict = from_document(status.latest.result) if status.latest and status.latest.result else None
        if verdict is not None:
            verdicts[status.version.version] = {feature.name: feature for feature in verdict.features}
    return {
        what: [_feature_limit(what, feature, own_psi.get(feature.name), policy, verdicts) for feature in model.features]
        for what in dict.fromkeys(TRAVELLING.values())
    }


def _feature_limit(
    what: str,
    feature: FleetFeature,
    own_psi: float | None,
    policy: DriftPolicy,
    verdicts: Mapping[str, Mapping[str, FeatureVerdict]],
) -> FeatureLimit:
    own = own_psi if what == "drift" else getattr(feature, f"{what}_limit")
    general = policy.psi if what == "drift" else getattr(policy, what)
    held = {
        version: (found.threshold if what == "drift" else found.limit)
        for version, features in verdicts.items()
        if feature.name in features and (found := getattr(features[feature.name], what)) is not None
    }
    source = "drift check" if own is None or what == "drift" else "feature"
    return FeatureLimit(feature.name, general if own is None else own, source, held)


def limit_in_words(alert: str, limit: float) -> str:
    """A feature's limit as a person reads it."""
    return readable(limit, "" if TRAVELLING[alert] == "drift" else "ratio")
