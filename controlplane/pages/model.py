"""A model's page: what is registered, how it serves, how its inputs look, what fires, what holds, what changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from alerts.annotations import readable, readable_duration
from alerts.backtest.terms import why_not
from alerts.catalogue import KINDS
from alerts.live.part import DEFAULT_SPAN, SPANS, Subject, look, span_of
from alerts.live.words import ToldChange
from alerts.mitigation import preview_promote, preview_roll_back
from alerts.models import CustomAlert
from alerts.owners import severity_of
from alerts.policies import load_policies
from alerts.subject import RELEASE_KINDS, limits_of, open_incidents, recent_changes
from alerts.views.frame import page, partial
from alerts.views.runbook import prometheus
from alerts.views.traffic import weights
from controlplane.pages.drift_check import told
from controlplane.pages.objectives import objectives_shown
from drift.engine.verdict import Verdict, from_document
from drift.models import CheckStatus
from drift.readings import proxies_of
from models_registry.fleet import FleetBaseline, FleetModel, load_model
from models_registry.models import Baseline, Change, MLModel, Replica
from models_registry.permissions import may_edit_model, may_operate_model

CHECK_LEVELS = {"ok": "good", "drifted": "bad", "source_failed": "bad", "baseline_mismatch": "bad"}


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """What holds for the model under one alert kind."""

    alert: str
    says: str
    policy: str
    limits: str
    waits: str
    severity: str
    enabled: bool
    can_look_back: bool


@dataclass(frozen=True, slots=True)
class DriftRow:
    """Where a version's drift check stands."""

    version: str
    level: str
    state: str
    reason: str
    at: datetime | None
    rows: int
    verdict: Verdict | None


@login_required
@require_safe
def show(request: HttpRequest, name: str) -> HttpResponse:
    """The page."""
    model, row = load_model(name), MLModel.objects.filter(name=name).first()
    if model is None or row is None:
        unknown = {"name": name, "models": MLModel.objects.order_by("name").values_list("name", flat=True)[:100]}
        return page(request, "plumbline/model_unknown.html", unknown, title="No such model", status=404)
    now = timezone.now()
    changes = recent_changes(name)
    context: dict[str, Any] = {
        "model": model,
        "row": row,
        "rights": {"edit": may_edit_model(request.user, row), "operate": may_operate_model(request.user, row)},
        "weights": weights(model.split),
        "preview": preview_roll_back(model.split),
        "promotion": preview_promote(model.split),
        "here": request.get_full_path(),
        "admin_url": _admin_url(row),
        "policies_url": _policies_url(row),
        "incidents": open_incidents(name),
        "policies": policy_rows(model),
        "custom": CustomAlert.objects.filter(model=row).order_by("name"),
        "drift": drift_rows(row),
        **told(request, row),
        "proxies": proxies_of(row, model, now),
        "objectives": objectives_shown(row, now),
        "baselines": [(b, age_days(b, now)) for b in _baselines(row)],
        "replicas": [r for r in Replica.objects.order_by("name") if name in r.loaded],
        "changes": changes,
        **_live(request, model, changes),
    }
    return page(request, "plumbline/model.html", context, title="Model", about=name)


@login_required
@require_safe
def live(request: HttpRequest, name: str) -> HttpResponse:
    """The part that refreshes itself."""
    model = load_model(name)
    if model is None:
        raise Http404(f"No model {name}.")
    context = {"model": model, "incidents": open_incidents(name), **_live(request, model, recent_changes(name))}
    return partial(request, "plumbline/model_live.html", context)


def _live(request: HttpRequest, model: FleetModel, changes: list[Change]) -> dict[str, Any]:
    chosen = request.GET.get("range", DEFAULT_SPAN)
    chosen = chosen if chosen in SPANS else DEFAULT_SPAN
    told = tuple(ToldChange(c.at, c.summary, c.author) for c in changes if c.kind in RELEASE_KINDS)
    limits = limits_of("MLInferenceHighErrorRate", model)
    now = timezone.now()
    return {
        "live": look(prometheus(), Subject(model, changes=told, limits=limits), span_of(chosen), now),
        "limits": limits,
        "ranges": [(name, urlencode({"range": name}), name == chosen) for name in SPANS],
        "range": chosen,
        "now": now,
    }


def policy_rows(model: FleetModel) -> list[PolicyRow]:
    """The limits in force for the model, kind by kind."""
    policies = load_policies()
    rows = []
    for kind in KINDS.values():
        if not kind.on_models or not kind.concerns(model):
            continue
        limits = policies.limits(kind, model)
        numbers = [f"{p.name.replace('_', ' ')} {readable(limits.thresholds[p.name], p.unit)}" for p in kind.parameters]
        numbers += [f"window {readable_duration(limits.window)}"] if limits.window else []
        rows.append(
            PolicyRow(
                alert=kind.name,
                says=kind.summary,
                policy=limits.policy_id,
                limits=", ".join(numbers) or "none",
                waits=readable_duration(limits.for_),
                severity=severity_of(kind, model, limits.severity),
                enabled=limits.enabled,
                can_look_back=not why_not(kind, model, policies.objectives),
            )
        )
    return rows


def drift_rows(model: MLModel) -> list[DriftRow]:
    """Where each version with traffic stands, as the drift room keeps it: known without Prometheus."""
    statuses = CheckStatus.objects.filter(version__model=model).select_related("version", "latest")
    rows = []
    for status in statuses.order_by("version__created_at"):
        run = status.latest
        state = run.state if run else "never_run"
        rows.append(
            DriftRow(
                version=status.version.version,
                level=CHECK_LEVELS.get(state, "notice"),
                state=run.get_state_display() if run else "Never run",
                reason=run.reason if run else "No check has finished yet.",
                at=run.window_end if run else None,
                rows=run.rows if run else 0,
                verdict=from_document(run.result) if run and run.result else None,
            )
        )
    return rows


def _baselines(model: MLModel) -> list[FleetBaseline]:
    rows = Baseline.objects.filter(model=model).defer("profile").order_by("-created_at")
    return [
        FleetBaseline(b.name, b.population, b.sha256, b.rows, b.max_age_days, b.frozen_at, b.data_until) for b in rows
    ]


def age_days(baseline: FleetBaseline, now: datetime) -> int | None:
    """Whole days since its data ended, else since it was frozen; None for one that is not frozen."""
    since = baseline.data_until or baseline.frozen_at
    return (now - since).days if since else None


def _admin_url(row: MLModel) -> str:
    try:
        return reverse("admin:models_registry_mlmodel_change", args=[row.pk])
    except NoReverseMatch:
        return ""


def _policies_url(row: MLModel) -> str:
    try:
        return f"{reverse('admin:alerts_alertpolicy_changelist')}?{urlencode({'model__id__exact': row.pk})}"
    except NoReverseMatch:
        return ""
