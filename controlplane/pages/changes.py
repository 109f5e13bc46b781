"""Changes: who changed what, when, why, and whether Grafana shows it."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from alerts.views.frame import page
from alerts.views.paging import paged
from controlplane.pages.differences import between
from dashboards.models import AnnotationDelivery
from models_registry.models import Change, MLModel


@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All changes, the newest first."""
    model, kind, search = (request.GET.get(name, "") for name in ("model", "kind", "q"))
    search = search.strip()[:100]
    rows = Change.objects.select_related("annotation").defer("before", "after").order_by("-at", "uuid")
    if model:
        rows = rows.filter(model_name=model)
    if kind in Change.Kind.values:
        rows = rows.filter(kind=kind)
    for word in search.split():
        rows = rows.filter(Q(summary__icontains=word) | Q(author__icontains=word) | Q(reason__icontains=word))
    found = paged(request, rows)
    context = {
        "paged": found,
        "rows": [(change, annotation(change)) for change in found.page.object_list],
        "model": model,
        "kind": kind,
        "q": search,
        "filtered": bool(model or kind or search),
        "kinds": Change.Kind.choices,
        "models": MLModel.objects.order_by("name").values_list("name", flat=True),
    }
    return page(request, "plumbline/changes.html", context, title="Changes")


@login_required
@require_safe
def detail(request: HttpRequest, uuid: str) -> HttpResponse:
    """One change, before and after."""
    change = get_object_or_404(Change.objects.select_related("annotation", "model"), uuid=uuid)
    context = {
        "change": change,
        "annotation": annotation(change),
        "delivery": delivery(change),
        "lines": between(change.before, change.after),
        "grafana": bool(settings.GRAFANA_URL),
    }
    return page(request, "plumbline/change.html", context, title="Change", about=change.summary)


def delivery(change: Change) -> AnnotationDelivery | None:
    """The change's way into Grafana; None before the loop has seen it."""
    found: AnnotationDelivery | None = getattr(change, "annotation", None)
    return found


def annotation(change: Change) -> tuple[str, str]:
    """The state of the change's annotation: how it is coloured, and its name."""
    found = delivery(change)
    if found is None or found.state == AnnotationDelivery.State.WAITING:
        return "notice" if settings.GRAFANA_URL else "plain", "Waiting"
    if found.state == AnnotationDelivery.State.DELIVERED:
        return "good", "Delivered"
    return "bad", "Failed"
