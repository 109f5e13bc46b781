"""The runbook page: what the on-call opens first. Text, live numbers, what changed, and the way back."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from alerts.catalogue import KINDS
from alerts.http import without_password
from alerts.kind import Owner, Plane
from alerts.live.asking import Answers, ask
from alerts.live.numbers import show
from alerts.live.part import DEFAULT_SPAN, SPANS, look, span_of
from alerts.live.queries import guide_queries
from alerts.mitigation import preview_roll_back
from alerts.models import CustomAlert, Incident, Runbook
from alerts.prometheus import Prometheus, Sample
from alerts.runbook_editing import is_a_teams
from alerts.runbook_page import Section, Text, find_text, labels_of, sections
from alerts.subject import concerns_models, is_known, open_incidents, recent_changes, says, subject_of
from alerts.views.frame import page, partial
from alerts.views.runbook_context import Address, read
from alerts.views.traffic import weights
from models_registry.fleet import FleetModel
from models_registry.models import Change, MLModel, Team
from models_registry.permissions import may_edit_model, may_edit_team, may_operate_model
from telemetry.names import MODEL

# Seconds per request to Prometheus: a page that waits longer helps nobody at night.
TIMEOUT = 2.0
REFRESH_SECONDS, MOVING_REFRESH_SECONDS = 10, 3
# So long after traffic was shifted the page follows it closely.
MOVING_SECONDS = 180
ROWS_OF_A_QUERY = 12
TRAFFIC_KINDS = (Change.Kind.DEPLOY, Change.Kind.ROLLBACK, Change.Kind.TRAFFIC)


def prometheus() -> Prometheus:
    """The client for pages."""
    return Prometheus(settings.PROMETHEUS_URL, timeout=TIMEOUT)


@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Every alert with its runbook."""
    custom = CustomAlert.objects.select_related("model").order_by("name")
    own = Runbook.objects.select_related("model", "team", "owner_team").order_by("alert", "team__name", "model__name")
    kinds = [(kind, says(kind)) for kind in KINDS.values()]
    context = {"kinds": kinds, "custom": custom, "own": own}
    return page(request, "alerts/runbooks.html", context, title="Runbooks")


@login_required
@require_safe
def show_runbook(request: HttpRequest, alert: str) -> HttpResponse:
    """The page of one alert, and of the model, version and feature that the address names."""
    if not is_known(alert):
        return _not_found(request, alert, "")
    address = read(request, alert)
    if address.unknown_model:
        return _not_found(request, alert, address.unknown_model)
    text = find_text(alert, address.model.name if address.model else "")
    context = {
        "alert": alert,
        "says": _says(address),
        "address": address,
        "text": text,
        "parts": _sections(text, address),
        "rights": _rights(request, address.model),
        "writes_for": _writes_for(request, alert, address.model),
        "here": request.get_full_path(),
        "is_quality": _is_quality(alert),
        "models": [] if address.model or not concerns_models(alert) else MLModel.objects.order_by("name"),
        **(_live(request, address) if address.model else _without_model(alert)),
    }
    return page(request, "alerts/runbook.html", context, title="Runbook", about=_about(address))


@login_required
@require_safe
def live(request: HttpRequest, alert: str) -> HttpResponse:
    """The part that refreshes itself."""
    address = read(request, alert)
    if not is_known(alert) or address.model is None:
        return partial(request, "alerts/live_gone.html", {})
    context = {"alert": alert, "address": address, **_live(request, address)}
    return partial(request, "alerts/live.html", context)


@login_required
@require_safe
def queries(request: HttpRequest, alert: str) -> HttpResponse:
    """The live queries of the runbook's text with their present answers."""
    address = read(request, alert)
    text = find_text(alert, address.model.name if address.model else "") if is_known(alert) else None
    found = [s for s in _sections(text, address) if s.anchor == "diagnosis"]
    return partial(request, "alerts/diagnosis.html", {"section": found[0] if found else None, **_answers(found)})


@require_safe
def mitigate(request: HttpRequest, alert: str) -> HttpResponse:
    """mitigation_url: the runbook's Mitigation section."""
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    return HttpResponseRedirect(f"{reverse('runbook', args=[alert])}{query}#mitigation")


def _is_quality(alert: str) -> bool:
    """Whether it reads what drift checks find, so that pausing one is a way to act on it."""
    if alert in KINDS:
        return KINDS[alert].plane is Plane.QUALITY
    return CustomAlert.objects.filter(name=alert).exclude(owner=Owner.ON_CALL).exists()


def _about(address: Address) -> str:
    return f"{address.alert} {address.model.name}" if address.model else address.alert


def _says(address: Address) -> str:
    kind = KINDS.get(address.alert)
    if kind is not None:
        return says(kind, address.model, address.version, address.feature)
    custom = CustomAlert.objects.filter(name=address.alert).values_list("description", flat=True).first()
    return custom or ""


def _live(request: HttpRequest, address: Address) -> dict[str, Any]:
    model = address.model
    if model is None:
        raise ValueError("The live part is about a model.")
    now = timezone.now()
    chosen = request.GET.get("range", DEFAULT_SPAN)
    chosen = chosen if chosen in SPANS else DEFAULT_SPAN
    changes, incidents = recent_changes(model.name), open_incidents(model.name)
    moving = any(c.kind in TRAFFIC_KINDS and (now - c.at).total_seconds() < MOVING_SECONDS for c in changes)
    subject = subject_of(address.alert, model, address.version, address.feature, changes, incidents, moving=moving)
    return {
        "live": look(prometheus(), subject, span_of(chosen), now),
        "limits": subject.limits,
        "model": model,
        "weights": weights(model.split),
        "preview": preview_roll_back(model.split),
        "changes": changes,
        "incidents": incidents,
        "guide_queries": _guide_queries(model),
        "ranges": [(name, urlencode({"range": name}), name == chosen) for name in SPANS],
        "range": chosen,
        "refresh": MOVING_REFRESH_SECONDS if moving else REFRESH_SECONDS,
        "moving": moving,
        "now": now,
    }


def _without_model(alert: str) -> dict[str, Any]:
    fires = Incident.objects.filter(alert=alert, ends_at__isnull=True).order_by("starts_at")
    return {"incidents": list(fires[:50])}


def _sections(text: Text | None, address: Address) -> list[Section]:
    if text is None:
        return []
    name = address.model.name if address.model else ""
    return sections(text.body, labels_of(name, address.version, address.feature))


def _answers(found: list[Section]) -> dict[str, Any]:
    expressions = {part.expression for section in found for part in section.parts if part.expression}
    answers = ask(prometheus(), {expression: expression for expression in expressions}) if expressions else Answers()
    results = {
        expression: {
            "problem": answers.problems.get(expression, ""),
            "rows": list(zip(_told_apart(samples), (show(s.value) for s in samples), strict=True))[:ROWS_OF_A_QUERY],
            "left_out": max(0, len(samples) - ROWS_OF_A_QUERY),
            "explore": explore_url(expression),
        }
        for expression in expressions
        for samples in [answers.samples.get(expression, ())]
    }
    return {"results": results, "unreachable": answers.unreachable}


def _told_apart(samples: Sequence[Sample]) -> list[str]:
    """Each sample by the labels in which it differs from the others; a lone one by what isn't clear anyway."""
    if len(samples) > 1:
        names = {name for sample in samples for name in sample.labels}
        shown = {name for name in names if len({sample.labels.get(name) for sample in samples}) > 1}
    else:
        shown = {name for sample in samples for name in sample.labels} - {"__name__", "job", "instance", MODEL}
    return [
        ", ".join(f"{name}={value}" for name, value in sorted(sample.labels.items()) if name in shown) or "all"
        for sample in samples
    ]


def explore_url(expression: str) -> str:
    """The expression in Prometheus' own browser."""
    return f"{without_password(settings.PROMETHEUS_URL)}/graph?" + urlencode({"g0.expr": expression, "g0.tab": 1})


def _guide_queries(model: FleetModel) -> list[tuple[str, str, str]]:
    titles = {
        "errors_by_version": "Which version drives errors?",
        "routes_over_the_limit": "Which routes are over the limit?",
        "features_in_drift": "Which features drift?",
        "features_gone_missing": "Which features went missing?",
        "score_against_yesterday": "Did the scores move against yesterday?",
    }
    return [(titles[name], expr, explore_url(expr)) for name, expr in guide_queries(model.name).items()]


def _rights(request: HttpRequest, model: FleetModel | None) -> dict[str, bool]:
    row = MLModel.objects.filter(name=model.name).first() if model else None
    return {
        "operate": row is not None and may_operate_model(request.user, row),
        "edit": row is not None and may_edit_model(request.user, row),
    }


def _writes_for(request: HttpRequest, alert: str, model: FleetModel | None) -> str:
    """The team for all of whose models the reader may write the text; empty where there is none."""
    if model is None or not is_a_teams(alert):
        return ""
    name = model.on_call_team if KINDS[alert].plane is Plane.HEALTH else model.applied_ml_team
    return name if may_edit_team(request.user, Team.objects.get(name=name)) else ""


def _changes_of(name: str) -> str:
    """Where the changes of a model that is there no more are listed; empty where there never was one."""
    there_was = Change.objects.filter(model_name=name).exists()
    return f"{reverse('changes')}?{urlencode({'model': name})}" if there_was else ""


def _not_found(request: HttpRequest, alert: str, model: str) -> HttpResponse:
    context = {
        "alert": alert,
        "model_name": model,
        "removed": _changes_of(model) if model else "",
        "kinds": sorted(KINDS),
        "custom": CustomAlert.objects.order_by("name").values_list("name", flat=True)[:100],
        "models": MLModel.objects.order_by("name").values_list("name", flat=True)[:100],
    }
    return page(request, "alerts/runbook_unknown.html", context, title="No such runbook", status=404)
