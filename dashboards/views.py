"""The ways from Plumbline into Grafana: the link that alerts carry, and the starter dashboard's download."""

from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from dashboards.options import DashboardOptions
from dashboards.rendering import FLEET_UID, MODEL_UID
from dashboards.starter import render_starter
from telemetry.identifiers import check_name, check_version


@require_GET
@login_required
def go(request: HttpRequest) -> HttpResponse:
    """To Grafana's dashboard of the model, or of all models where none is named; without a Grafana, to our own page."""
    model, version = request.GET.get("model_name", ""), request.GET.get("model_version", "")
    try:
        # Checked, so that nothing but a name can become a part of the address.
        if model:
            check_name(model)
        if version:
            check_version(version)
    except ValueError as error:
        return HttpResponseBadRequest(str(error), content_type="text/plain; charset=utf-8")
    return HttpResponseRedirect(_grafana(model, version) if settings.GRAFANA_URL else _own_page(model, version))


@require_GET
@login_required
def starter(request: HttpRequest) -> HttpResponse:
    """The starter dashboard as a file."""
    response = HttpResponse(render_starter(DashboardOptions.from_settings(settings)), content_type="application/json")
    response["Content-Disposition"] = 'attachment; filename="ml-starter-dashboard.json"'
    return response


def _grafana(model: str, version: str) -> str:
    if not model:
        return f"{settings.GRAFANA_URL}/d/{FLEET_UID}/{FLEET_UID}"
    variables = {"var-model": model} | ({"var-version": version} if version else {})
    return f"{settings.GRAFANA_URL}/d/{MODEL_UID}/{MODEL_UID}?{urlencode(variables)}"


def _own_page(model: str, version: str) -> str:
    if not model:
        return reverse("home")
    return reverse("model", args=[model]) + (f"?{urlencode({'version': version})}" if version else "")
