"""Incidents: the list, and one of them with what changed around its start."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib.auth.decorators import login_required
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from alerts.models import Incident
from alerts.subject import is_known
from alerts.views.frame import page, partial
from alerts.views.paging import paged
from models_registry.models import Change, MLModel
from telemetry.names import FEATURE, MODEL, VERSION

BEFORE, AFTER = timedelta(hours=6), timedelta(hours=1)
FILTERS = ("team", "model_name", "severity")
LINKS = ("runbook_url", "dashboard_url", "mitigation_url")


@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All incidents, open ones first; refreshes itself."""
    state, search = request.GET.get("state", ""), request.GET.get("q", "").strip()[:100]
    rows = _filtered(request, state, search)
    chosen = {name: request.GET.get(name, "") for name in FILTERS}
    context: dict[str, Any] = {
        "paged": paged(request, rows),
        "state": state,
        "q": search,
        "chosen": chosen,
        "filtered": bool(state or search or any(chosen.values())),
        "registered": set(MLModel.objects.values_list("name", flat=True)),
        "here": request.get_full_path(),
    }
    if request.headers.get("HX-Request"):
        return partial(request, "alerts/incidents_rows.html", context)
    context["choices"] = [(name, label, _distinct(name), chosen[name]) for name, label in _filter_labels()]
    return page(request, "alerts/incidents.html", context, title="Incidents")


def _filter_labels() -> list[tuple[str, str]]:
    return [("team", "Team"), ("model_name", "Model"), ("severity", "Severity")]


def _distinct(name: str) -> list[str]:
    return list(Incident.objects.exclude(**{name: ""}).order_by(name).values_list(name, flat=True).distinct())


def _filtered(request: HttpRequest, state: str, search: str) -> QuerySet[Incident]:
    rows = Incident.objects.order_by(F("ends_at").desc(nulls_first=True), "-starts_at", "-pk")
    if state in ("open", "closed"):
        rows = rows.filter(ends_at__isnull=state == "open")
    for name in FILTERS:
        if value := request.GET.get(name):
            rows = rows.filter(**{name: value})
    for word in search.split():
        rows = rows.filter(
            Q(alert__icontains=word)
            | Q(model_name__icontains=word)
            | Q(model_version__icontains=word)
            | Q(feature_name__icontains=word)
        )
    return rows


@login_required
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One incident."""
    incident = get_object_or_404(Incident, pk=pk)
    around = Change.objects.filter(at__range=(incident.starts_at - BEFORE, incident.starts_at + AFTER))
    if incident.model_name:
        around = around.filter(model_name=incident.model_name)
    until = incident.ends_at or timezone.now()
    together = (
        Incident.objects.filter(model_name=incident.model_name, starts_at__lte=until)
        .filter(Q(ends_at__isnull=True) | Q(ends_at__gte=incident.starts_at))
        .exclude(pk=incident.pk)
        .order_by("starts_at")[:20]
    )
    registered = MLModel.objects.filter(name=incident.model_name).exists()
    context = {
        "incident": incident,
        "registered": registered,
        "runbook": runbook_address(incident, registered) if is_known(incident.alert) else "",
        "labels": sorted(incident.labels.items()),
        "annotations": sorted((n, v) for n, v in incident.annotations.items() if n not in LINKS),
        "links": [(n, incident.annotations[n]) for n in LINKS if _is_web(incident.annotations.get(n, ""))],
        "changes": list(around.order_by("-at")[:50]),
        "together": list(together),
        "lasted": until - incident.starts_at,
    }
    return page(request, "alerts/incident.html", context, title="Incident", about=str(incident))


def runbook_address(incident: Incident, registered: bool) -> str:
    """The runbook page of the incident's alert, and of its model, version and feature as long as there is the model."""
    named = {MODEL: incident.model_name, VERSION: incident.model_version, FEATURE: incident.feature_name}
    named = named if registered else {}
    query = urlencode({name: value for name, value in named.items() if value})
    return reverse("runbook", args=[incident.alert]) + (f"?{query}" if query else "")


def _is_web(address: str) -> bool:
    try:
        return urlsplit(address).scheme in ("http", "https")
    except ValueError:
        return False
