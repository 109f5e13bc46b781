"""Alert policies in the admin: a field for each limit of the alert, saying what holds where it is left empty."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import BaseValidator, MaxValueValidator, MinValueValidator
from django.forms import BaseModelFormSet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import escape
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from alerts.admin.fields import DurationField
from alerts.annotations import readable
from alerts.catalogue import KINDS
from alerts.kind import AlertKind, Parameter, Plane
from alerts.models import AlertPolicy
from alerts.permissions import may_edit_defaults, may_edit_policy, may_let_be_told, who_may_let_be_told
from alerts.policies import load_policies, policy_row
from alerts.policy_edits import delete_policy, save_policy
from alerts.sources import left_out
from models_registry.actor import Actor
from models_registry.admin.base import RegistryAdmin
from models_registry.admin.of_model import ListedInline
from models_registry.models import Member, MLModel, Team
from models_registry.permissions import editable_models
from telemetry.promql import duration

_LIMIT = "limit_"
_DURATIONS = {"window_seconds": "Window", "for_seconds": "For"}


class PolicyForm(forms.ModelForm):
    """What differs from the catalogue. Made for one alert by `form_for`, which adds a field for each of its limits."""

    kind: AlertKind
    may_set_defaults = False
    user: Any = None  # who types
    proposed: Mapping[str, str] = MappingProxyType({})  # what a link fills in: field -> what is typed there

    for_seconds = DurationField(label="For")

    class Meta:
        model = AlertPolicy
        fields = ["team", "model", "window_seconds", "for_seconds", "severity", "notify", "enabled"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.alert = self.kind.name
        for parameter in self.kind.parameters:
            self.fields[_LIMIT + parameter.name].initial = self.instance.thresholds.get(parameter.name)
        self.initial.update({name: value for name, value in self.proposed.items() if name in self.fields})

    def clean(self) -> dict[str, Any]:
        """The limits that are stated, and whether this person may set them for everybody."""
        cleaned = super().clean() or self.cleaned_data
        limits = {p.name: cleaned.get(_LIMIT + p.name) for p in self.kind.parameters}
        self.instance.thresholds = {name: value for name, value in limits.items() if value is not None}
        scoped = cleaned.get("team") or cleaned.get("model")
        if self.instance.pk is None and not scoped and not self.errors and not self.may_set_defaults:
            raise ValidationError("Choose a team or a model: only the platform team's editors set what holds for all.")
        return cleaned

    def clean_notify(self) -> Team | None:
        """Nobody lets another team be woken; what stands there already may stay."""
        team: Team | None = self.cleaned_data["notify"]
        if team is not None and team.pk != self.initial.get("notify") and not may_let_be_told(self.user, team):
            raise ValidationError(f"Only {who_may_let_be_told(team)} may choose it.")
        return team

    def _get_validation_exclusions(self) -> set[str]:
        """The row is checked as a whole, so that a second policy of one scope is said here, not met at the database."""
        return super()._get_validation_exclusions() - {"alert", "team", "model"}  # type: ignore[misc]

    def _update_errors(self, errors: ValidationError) -> None:
        """What the row says of a field that the page lacks is said at its top."""
        if hasattr(errors, "error_dict"):
            for field in [f for f in errors.error_dict if f not in self.fields and f != NON_FIELD_ERRORS]:
                errors.error_dict.setdefault(NON_FIELD_ERRORS, []).extend(errors.error_dict.pop(field))
        super()._update_errors(errors)  # type: ignore[misc]


def form_for(kind: AlertKind, may_set_defaults: bool, known: Mapping[str, str] | None = None) -> type[PolicyForm]:
    """The form of policies of `kind`: a class of its own, so that no two requests share state.

    `known` says what holds where a value is left empty, and why; while the scope isn't chosen yet, nobody knows.
    """
    empty = {p.name: _empty(readable(p.default, p.unit)) for p in kind.parameters}
    empty |= {"for": _empty(duration(kind.for_)), "window": _empty(duration(kind.window)), **(known or {})}
    fields: dict[str, Any] = {_LIMIT + p.name: _limit_field(p, empty[p.name]) for p in kind.parameters}
    fields["for_seconds"] = DurationField(
        label="For", help_text=f"How long the condition must hold, for example 5m. Empty: {empty['for']}."
    )
    if kind.window:
        fields["window_seconds"] = DurationField(
            label="Window", help_text=f"How far back it looks. Empty: {empty['window']}."
        )
    return type("PolicyForm", (PolicyForm,), {**fields, "kind": kind, "may_set_defaults": may_set_defaults})


def _limit_field(parameter: Parameter, empty: str) -> forms.FloatField:
    validators: list[BaseValidator] = [MinValueValidator(parameter.minimum)]
    if parameter.maximum is not None:
        validators.append(MaxValueValidator(parameter.maximum))
    share = ", as a share (0 to 1)" if parameter.unit == "ratio" else ""
    return forms.FloatField(
        required=False,
        label=parameter.name.replace("_", " ").capitalize() + share,
        help_text=f"{parameter.help} Empty: {empty}.",
        validators=validators,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )


def _empty(default: str) -> str:
    return f"as in the wider policy, else {default}"


@admin.register(AlertPolicy)
class PolicyAdmin(RegistryAdmin):
    """Policies of all scopes."""

    list_display = ["alert", "policy_id", "stated", "severity", "notify", "enabled"]
    list_filter = ["alert", "team", "severity", "enabled"]
    list_select_related = ["team", "model", "notify"]
    search_fields = ["alert", "team__name", "model__name"]
    autocomplete_fields = ["team", "model", "notify"]
    change_form_before_template = "admin/alerts/alertpolicy/backtests.html"

    @admin.display(description="Limits")
    def stated(self, policy: AlertPolicy) -> str:
        """What the policy states, in one line."""
        units = {p.name: p.unit for p in KINDS[policy.alert].parameters} if policy.alert in KINDS else {}
        told = [f"{name} {readable(value, units.get(name, ''))}" for name, value in policy.thresholds.items()]
        if policy.window_seconds is not None:
            told.append(f"window {duration(policy.window_seconds)}")
        if policy.for_seconds is not None:
            told.append(f"for {duration(policy.for_seconds)}")
        return ", ".join(told) or "-"

    def may_edit(self, user: Any, obj: AlertPolicy) -> bool:
        return may_edit_policy(user, obj)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First the alert (`?alert=`), since its limits make the form."""
        if request.GET.get("alert") in KINDS or not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        context = {
            **self.admin_site.each_context(request),
            "title": "Which alert?",
            "opts": self.opts,
            "kinds": KINDS.values(),
            "query": urlencode({k: request.GET[k] for k in ("model", "team") if k in request.GET}),
        }
        return TemplateResponse(request, "admin/alerts/alertpolicy/choose_alert.html", context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form of the alert at hand; others' teams and models can't be chosen, on the page or past it."""
        kind = self._kind(request, obj)
        if kind is None or self._only_read(request, obj):
            return super().get_form(request, obj, change, **kwargs)
        chosen = form_for(kind, may_edit_defaults(request.user), _left_out(kind, obj) if obj is not None else None)
        chosen.user = request.user
        if obj is not None and request.method == "GET":
            chosen.proposed = _proposed(request)
        form = super().get_form(request, obj, change, **{**kwargs, "form": chosen, "fields": None})
        if obj is None and kind.on_models:
            teams = Team.objects.all()
            if not request.user.is_superuser:
                teams = teams.filter(members__user=request.user.pk, members__role=Member.Role.EDITOR)
            form.base_fields["team"].queryset = teams
            form.base_fields["model"].queryset = MLModel.objects.filter(pk__in=editable_models(request.user))
            for field in ("team", "model"):
                form.base_fields[field].error_messages["invalid_choice"] = f"You are no editor of this {field}."
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        kind = self._kind(request, obj)
        if kind is None or self._only_read(request, obj):
            return [(None, {"fields": ["alert", "team", "model", "stated", "severity", "notify", "enabled"]})]
        scope = ["alert", *(["team", "model"] if kind.on_models else [])]
        looks = [*(["window_seconds"] if kind.window else []), "for_seconds"]
        limits = [_LIMIT + p.name for p in kind.parameters]
        # Written into the page as it stands there.
        description = escape(kind.description.format_map(_Placeholders()))
        return [
            (None, {"fields": scope, "description": f"{kind.name}: {description}"}),
            *([("Limits", {"fields": limits})] if limits else []),
            ("When, and how loud", {"fields": [tuple(looks), ("severity", "notify"), "enabled"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["alert", "team", "model", "stated"] if obj else ["alert", "stated"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """`?model=<name>` and `?team=<name>` fill them in."""
        initial = super().get_changeform_initial_data(request)
        for field, rows in (("model", MLModel.objects), ("team", Team.objects)):
            name = initial.get(field)
            if name and not str(name).isdigit():
                initial[field] = rows.filter(name=name).values_list("pk", flat=True).first()
        return initial

    def save_row(self, obj: AlertPolicy, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        save_policy(obj, actor=actor)

    def delete_row(self, obj: AlertPolicy, actor: Actor) -> None:
        delete_policy(obj, actor=actor)

    def _only_read(self, request: HttpRequest, obj: Any) -> bool:
        return obj is not None and not self.has_change_permission(request, obj)

    def _kind(self, request: HttpRequest, obj: Any) -> AlertKind | None:
        return KINDS.get(obj.alert if obj is not None else request.GET.get("alert", ""))


def _proposed(request: HttpRequest) -> dict[str, str]:
    """The limits and `for` of the address, as a backtest's *Save this policy* fills them in."""
    names = [name for name in request.GET if name.startswith(_LIMIT) or name in _DURATIONS]
    return {name: request.GET.get(name, "") for name in names}


def _left_out(kind: AlertKind, policy: AlertPolicy) -> dict[str, str]:
    model = policy.model
    team = None if model is None else model.on_call_team if kind.plane is Plane.HEALTH else model.applied_ml_team
    return left_out(kind, policy_row(policy), [team.name] if team else [], load_policies())


class _Placeholders(dict[str, str]):
    """Leaves {name} as its words, where there is no alert to fill them in from."""

    def __missing__(self, name: str) -> str:
        return f"<{name.replace('_', ' ')}>"


class PolicyInline(ListedInline):
    """A model's own policies on its page."""

    model = AlertPolicy
    fields = ["alert", "stated", "severity", "enabled"]
    readonly_fields = fields
    verbose_name_plural = "alert policies"

    @admin.display(description="Limits")
    def stated(self, policy: AlertPolicy) -> str:
        """What the policy states, in one line."""
        return PolicyAdmin(AlertPolicy, admin.site).stated(policy)
