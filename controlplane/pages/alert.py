"""One alert of a model: every value in force, where it comes from, and where it is edited."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from alerts.catalogue import KINDS
from alerts.models import AlertPolicy, CustomAlert
from alerts.permissions import may_edit_policy
from alerts.policies import DEFAULT
from alerts.subject import says
from alerts.views.frame import page
from controlplane.alert_values import CUSTOM, RUNBOOK, TRAVELLING, AlertValues, FeatureLimit, limit_in_words, values_of
from drift.models import DriftCheck
from models_registry.fleet import load_model
from models_registry.models import MLModel, Team
from models_registry.permissions import may_edit_model


@dataclass(frozen=True, slots=True)
class Column:
    """A policy that could state a value; `edit` leads to its form, empty for who may not write it."""

    policy: str
    stored: bool
    edit: str


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A feature's limit, for the page. `held`: (version, limit) of the newest checks."""

    feature: str
    stated: str
    source: str
    edit: str
    held: list[tuple[str, str]]


@login_required
@require_safe
def show(request: HttpRequest, name: str, alert: str) -> HttpResponse:
    """The page."""
    model, row = load_model(name), MLModel.objects.filter(name=name).first()
    found = next(iter(values_of(model, alert)), None) if model is not None else None
    if model is None or row is None or found is None:
        raise Http404(f"No alert {alert} about a model {name}.")
    edits_model = may_edit_model(request.user, row)
    context: dict[str, Any] = {
        "model": model,
        "found": found,
        "says": says(KINDS[alert], model) if alert in KINDS else found.says,
        "columns": _columns(request, found, row),
        "limits": _limits(found, row, edits_model),
        "travelling": TRAVELLING.get(alert, ""),
        "edit_model": reverse("admin:models_registry_mlmodel_change", args=[row.pk]) if edits_model else "",
        "edit_custom": _custom_url(alert) if edits_model else "",
        "edit_runbook": f"{reverse('runbook-edit', args=[alert])}?{urlencode({'model_name': name})}"
        if edits_model
        else "",
        "can_look_back": found.can_look_back,
        "RUNBOOK": RUNBOOK,
        "CUSTOM": CUSTOM,
    }
    return page(request, "plumbline/alert.html", context, title="Alert", about=f"{alert} {name}")


def _columns(request: HttpRequest, found: AlertValues, model: MLModel) -> list[Column]:
    """The stored policies in one query, their teams in another, whatever there are."""
    rows = AlertPolicy.objects.filter(alert=found.alert).select_related("team", "model")
    stored = {row.policy_id: row for row in rows}
    names = [policy.partition(":")[2] for policy, _ in found.policies if policy.startswith("team:")]
    teams = {team.name: team for team in Team.objects.filter(name__in=names)}
    columns = []
    for policy, there in found.policies:
        scope, _, name = policy.partition(":")
        about = {"team": teams[name]} if scope == "team" else {"model": model} if scope == "model" else {}
        row = stored.get(policy) or AlertPolicy(alert=found.alert, **about)
        query = {"alert": found.alert, **({scope: name} if policy != DEFAULT else {})}
        form = (
            reverse("admin:alerts_alertpolicy_change", args=[row.pk])
            if row.pk
            else f"{reverse('admin:alerts_alertpolicy_add')}?{urlencode(query)}"
        )
        columns.append(Column(policy, there, form if may_edit_policy(request.user, row) else ""))
    return columns


def _limits(found: AlertValues, model: MLModel, edits: bool) -> list[LimitRow]:
    if not found.feature_limits:
        return []
    features = dict(model.features.values_list("name", "pk"))
    check = DriftCheck.objects.filter(model=model).values_list("pk", flat=True).first()

    def edit(limit: FeatureLimit) -> str:
        if not edits:
            return ""
        if limit.source == "feature":
            return reverse("admin:models_registry_feature_change", args=[features[limit.feature]])
        if check is None:
            return reverse("admin:models_registry_mlmodel_change", args=[model.pk])
        return reverse("admin:drift_driftcheck_change", args=[check])

    return [
        LimitRow(
            each.feature,
            limit_in_words(found.alert, each.stated),
            each.source,
            edit(each),
            [(version, limit_in_words(found.alert, limit)) for version, limit in each.limits.items()],
        )
        for each in found.feature_limits
    ]


def _custom_url(alert: str) -> str:
    pk = CustomAlert.objects.filter(name=alert).values_list("pk", flat=True).first()
    return reverse("admin:alerts_customalert_change", args=[pk]) if pk is not None else ""
