"""The room in the admin: checks and business proxies as pages and on their models', and runs to read."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import BaseModelFormSet, ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import StackedInline
from unfold.decorators import display

from drift.edits import delete_check, save_check
from drift.engine.report import table
from drift.engine.verdict import from_document
from drift.models import BusinessProxy, CheckRun, DriftCheck
from drift.proxies import band_text
from drift.proxy_edits import SETTINGS as PROXY_SETTINGS
from drift.proxy_edits import delete_proxy, save_proxy
from models_registry.actor import Actor
from models_registry.admin.base import ReadableAdmin
from models_registry.admin.of_model import OfModelAdmin, OfModelInline
from models_registry.permissions import may_edit_model, may_register_models

FIELDSETS = [
    (None, {"fields": [("interval_seconds", "window_seconds"), ("source", "population"), "paused"]}),
    ("Drift", {"fields": [("psi_threshold", "prediction_psi_threshold"), "feature_psi_thresholds"]}),
    (
        "Shares of rows, 0 to 1",
        {"fields": [("missing_limit", "defaulted_limit"), ("out_of_range_limit", "ratio_margin")]},
    ),
    ("What a verdict needs", {"fields": [("min_rows", "min_baseline_rows"), "timeout_seconds"]}),
]
STATE_COLOURS = {
    "ok": "success",
    "drifted": "danger",
    "insufficient_data": "info",
    "baseline_stale": "warning",
    "baseline_mismatch": "warning",
    "source_failed": "danger",
}


class DriftCheckInline(StackedInline):
    """The check on its model's page. The page saves it through drift.edits.save_check."""

    model = DriftCheck
    fieldsets = FIELDSETS
    extra = 0
    max_num = 1
    can_delete = False
    tab = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_register_models(request.user) if obj is None else may_edit_model(request.user, obj)


@admin.register(DriftCheck)
class DriftCheckAdmin(ReadableAdmin):
    """Checks. Editors of the model's teams change them. A model's page makes its check, else the loop does."""

    list_display = ["model", "states", "interval_seconds", "window_seconds", "psi_threshold", "paused"]
    list_filter = ["paused", "source"]
    search_fields = ["model__name"]
    readonly_fields = ["model"]
    fieldsets = [(None, {"fields": ["model"]}), *FIELDSETS]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DriftCheck]:
        rows: QuerySet[DriftCheck] = super().get_queryset(request)
        return rows.select_related("model").prefetch_related("statuses__version", "statuses__latest")

    @display(description="State")
    def states(self, check: DriftCheck) -> str:
        """Each version with its state."""
        if check.paused:
            return "paused"
        told = [
            f"{status.version.version}: {status.latest.get_state_display() if status.latest else 'never run'}"
            for status in check.statuses.all()
        ]
        return ", ".join(told) or "no traffic"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_register_models(request.user) if obj is None else may_edit_model(request.user, obj.model)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is not None and may_edit_model(request.user, obj.model)

    def save_model(self, request: HttpRequest, obj: DriftCheck, form: ModelForm, change: bool) -> None:
        save_check(obj, actor=Actor.of(request.user))

    def delete_model(self, request: HttpRequest, obj: DriftCheck) -> None:
        delete_check(obj, actor=Actor.of(request.user))


@admin.register(CheckRun)
class CheckRunAdmin(ReadableAdmin):
    """What checks found, to read. A run goes with its check or its version, whose Change tells of it."""

    list_display = ["model_name", "version_name", "window_end", "shown_state", "rows", "reason"]
    list_filter = ["state"]
    search_fields = ["drift_check__model__name", "version__version", "reason"]
    date_hierarchy = "window_end"
    list_select_related = ["drift_check__model", "version"]
    fields = ["model_name", "version_name", "window_start", "window_end", "shown_state", "report", "duration"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[CheckRun]:
        rows: QuerySet[CheckRun] = super().get_queryset(request)
        # The list shows no verdicts, which are large; the page of one run fetches its own.
        return rows.defer("result")

    @display(description="Model", ordering="drift_check__model__name")
    def model_name(self, run: CheckRun) -> str:
        """The model's name."""
        return run.drift_check.model.name

    @display(description="Version", ordering="version__version")
    def version_name(self, run: CheckRun) -> str:
        """The version's name."""
        return run.version.version

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def shown_state(self, run: CheckRun) -> tuple[str, str]:
        """The state as a coloured label."""
        return run.state, run.get_state_display() or ("under way" if run.started_at else "waiting")

    @display(description="Duration")
    def duration(self, run: CheckRun) -> str:
        """How long it took."""
        seconds = run.duration_seconds
        return "-" if seconds is None else f"{seconds:.2f} s"

    @display(description="Verdict")
    def report(self, run: CheckRun) -> SafeString | str:
        """The verdict as the command line prints it."""
        if run.result is None:
            return "not finished"
        return format_html('<pre class="overflow-x-auto text-xs">{}</pre>', table(from_document(run.result)))


@admin.register(BusinessProxy)
class BusinessProxyAdmin(OfModelAdmin):
    """Business proxies of all models."""

    list_display = ["name", "model_link", "predicted_class", "band"]
    search_fields = ["name", "model__name"]
    fieldsets = [
        (None, {"fields": ["model", "name"]}),
        ("Its value", {"fields": [("predicted_class", "max_age_seconds")]}),
        ("Its band: one limit is enough", {"fields": [("lower", "upper")]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["model", "name"] if obj else []

    @display(description="Band")
    def band(self, proxy: BusinessProxy) -> str:
        """The limits in words."""
        return band_text(proxy.lower, proxy.upper)

    def save_row(self, obj: BusinessProxy, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        save_proxy(obj, actor=actor)

    def delete_row(self, obj: BusinessProxy, actor: Actor) -> None:
        delete_proxy(obj, actor=actor)


class BusinessProxyInline(OfModelInline):
    """A model's proxies on its page, which saves them through `save_proxy`."""

    model = BusinessProxy
    fields = list(PROXY_SETTINGS)
