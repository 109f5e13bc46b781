"""What a runbook page is about: the alert, and the model that is registered under the name that a link gave."""

from collections.abc import Iterable
from dataclasses import replace

from django.conf import settings

from alerts.annotations import expanded, readable, readable_duration
from alerts.catalogue import KINDS
from alerts.kind import AlertKind
from alerts.live.part import Subject
from alerts.live.queries import WINDOW_SECONDS
from alerts.live.rows import Limits
from alerts.live.words import ToldChange
from alerts.models import CustomAlert, Incident
from alerts.policies import Policies, load_policies
from models_registry.fleet import FleetModel
from models_registry.models import Change
from telemetry.names import FEATURE, MODEL, ROUTE, VERSION

# What a release is, for the question whether it started with one.
RELEASE_KINDS = (Change.Kind.DEPLOY, Change.Kind.ROLLBACK, Change.Kind.TRAFFIC, Change.Kind.PIPELINE)
RECENT = 15
# While traffic is being shifted, what the last minutes were says little of now: as short as a rate can be.
MOVING_SCRAPES = 4


def is_known(alert: str) -> bool:
    """Whether there is such an alert: in the catalogue, or one that a person wrote."""
    return alert in KINDS or CustomAlert.objects.filter(name=alert).exists()


def concerns_models(alert: str) -> bool:
    """Whether the alert is about a model rather than about Plumbline itself."""
    return alert not in KINDS or KINDS[alert].on_models


def limits_of(alert: str, model: FleetModel, policies: Policies | None = None) -> Limits:
    """Above which the page marks a number: what the model's policies say."""
    policies = policies or load_policies()

    def threshold(kind: str, name: str) -> float:
        return policies.limits(KINDS[kind], model).thresholds[name]

    kind: AlertKind | None = KINDS.get(alert)
    return Limits(
        errors=threshold("MLInferenceHighErrorRate", "ratio"),
        p95=threshold("MLInferenceHighLatencyP95", "seconds"),
        score_shift=threshold("MLPredictionDistributionShift", "shift"),
        window=(policies.limits(kind, model).window if kind else 0) or WINDOW_SECONDS,
    )


def says(kind: AlertKind, model: FleetModel | None = None, version: str = "", feature: str = "") -> str:
    """What the alert says, in one sentence; of nobody in particular where no model is given."""
    limits = load_policies().limits(kind, model) if model else Policies().limits(kind)
    values = {p.name: readable(limits.thresholds[p.name], p.unit) for p in kind.parameters}
    values |= {"for": readable_duration(limits.for_), "window": readable_duration(limits.window)}
    labels = dict.fromkeys(kind.labels, "…") | {
        MODEL: model.name if model else "a model",
        VERSION: version or "any",
        FEATURE: feature or "any",
        ROUTE: "any",
    }
    return expanded(kind.description, values, labels)


def subject_of(
    alert: str,
    model: FleetModel,
    version: str,
    feature: str,
    changes: Iterable[Change],
    incidents: Iterable[Incident],
    *,
    moving: bool,
) -> Subject:
    """The subject of the live part, with what the database knows of it."""
    kind, limits = KINDS.get(alert), limits_of(alert, model)
    began = sorted(incident.starts_at for incident in incidents if incident.alert == alert and incident.is_open)
    return Subject(
        model=model,
        version=version,
        feature=feature,
        changes=tuple(ToldChange(c.at, c.summary, c.author) for c in changes if c.kind in RELEASE_KINDS),
        began_at=began[0] if began else None,
        limits=replace(limits, window=_shortest(limits.window)) if moving else limits,
        quality=kind is not None and kind.plane == "quality",
        moving=moving,
    )


def _shortest(window: int) -> int:
    return min(window, max(10, MOVING_SCRAPES * settings.SCRAPE_INTERVAL_SECONDS))


def recent_changes(model_name: str) -> list[Change]:
    """The newest changes of the model."""
    return list(Change.objects.filter(model_name=model_name).order_by("-at")[:RECENT])


def open_incidents(model_name: str) -> list[Incident]:
    """What fires about the model, the oldest first."""
    return list(Incident.objects.filter(model_name=model_name, ends_at__isnull=True).order_by("starts_at", "pk"))
