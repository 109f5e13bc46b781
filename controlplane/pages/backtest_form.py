"""What a person would try on the past: the fields of one alert, and where the values could be saved."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.urls import reverse

from alerts.admin.fields import DurationField
from alerts.annotations import readable_duration
from alerts.backtest.terms import Edits, Terms
from alerts.kind import AlertKind, Parameter
from alerts.models import AlertPolicy, Objective
from alerts.permissions import may_edit_policy
from controlplane.backtesting import errors_in
from models_registry.fleet import FleetModel
from models_registry.models import MLModel
from models_registry.permissions import may_edit_model

LIMIT, TARGET = "limit_", "target_"
DURATIONS = ("window_seconds", "for_seconds")


class LimitsForm(forms.Form):
    """The limits of one alert, as in the policy's own form. Empty: as in the policy in force."""

    def __init__(self, kind: AlertKind, model: FleetModel, present: Terms, data: Any) -> None:
        super().__init__(data, auto_id="bt-%s")
        self.kind, self.model, self.present = kind, model, present
        limits = present.limits
        for objective in present.objectives:
            self.fields[TARGET + objective.name] = _number(f"Target of {objective.name}", objective.target)
        for parameter in kind.parameters:
            self.fields[LIMIT + parameter.name] = _limit(parameter, limits.thresholds[parameter.name])
        if kind.feature_limit is not None:
            self.fields["feature"] = forms.ChoiceField(
                required=False,
                label="One feature",
                choices=[("", "none, each by its own limit"), *((f.name, f.name) for f in model.features)],
            )
            self.fields["feature_limit"] = _number(f"Its {kind.feature_limit.name}")
        if kind.window:
            self.fields["window_seconds"] = _duration("Window", limits.window)
        if kind.variants is None:
            self.fields["for_seconds"] = _duration("For", limits.for_)

    def clean(self) -> dict[str, Any]:
        """Refused for what the policy, the objective or the feature would be refused for."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        if bool(cleaned.get("feature")) != (cleaned.get("feature_limit") is not None):
            self.add_error("feature_limit", "Choose a feature and type its limit, or leave both as they are.")
            return cleaned
        places = {"feature_limits": "feature_limit", "targets": None}
        for field, error in errors_in(self.kind, self.model, self.present, self.edits).items():
            place = places.get(field, field)
            self.add_error(place if place in self.fields else None, error)
        return cleaned

    @property
    def edits(self) -> Edits:
        """What differs from what is in force."""
        limits, typed = self.present.limits, self.cleaned_data
        thresholds = {p.name: typed.get(LIMIT + p.name) for p in self.kind.parameters}
        targets = {o.name: typed.get(TARGET + o.name) for o in self.present.objectives}
        own = {o.name: o.target for o in self.present.objectives}
        feature, feature_limit = typed.get("feature"), typed.get("feature_limit")
        return Edits(
            thresholds={n: v for n, v in thresholds.items() if v is not None and v != limits.thresholds[n]},
            for_=_differing(typed.get("for_seconds"), limits.for_),
            window=_differing(typed.get("window_seconds"), limits.window),
            targets={n: v for n, v in targets.items() if v is not None and v != own[n]},
            feature_limits={feature: feature_limit} if feature and feature_limit is not None else {},
        )


def _differing(typed: int | None, present: int) -> int | None:
    return None if typed == present else typed


def _limit(parameter: Parameter, present: float) -> forms.FloatField:
    share = ", as a share (0 to 1)" if parameter.unit == "ratio" else ""
    return _number(parameter.name.replace("_", " ").capitalize() + share, present)


def _number(label: str, present: float | None = None) -> forms.FloatField:
    shown = "" if present is None else f"{present:g}"
    attrs = {"step": "any", "placeholder": shown, "style": "width: 9rem"}
    return forms.FloatField(required=False, label=label, widget=forms.NumberInput(attrs=attrs))


def _duration(label: str, present: int) -> DurationField:
    return DurationField(
        label=label, widget=forms.TextInput(attrs={"size": 8, "placeholder": readable_duration(present)})
    )


def save_url(user: Any, row: MLModel, form: LimitsForm) -> str:
    """Where what was tried is saved: the model's own policy with it filled in, to be looked at; or the objective.

    Empty for who may not, and for limits of features, which their forms keep.
    """
    edits, kind = form.edits, form.kind
    if edits.targets:
        objective = Objective.objects.filter(model=row, name__in=edits.targets).first()
        if objective is None or not may_edit_model(user, row):
            return ""
        return reverse("admin:alerts_objective_change", args=[objective.pk])
    filled: dict[str, Any] = {LIMIT + name: value for name, value in edits.thresholds.items()}
    for field, seconds in (("window_seconds", edits.window), ("for_seconds", edits.for_)):
        if seconds is not None:
            filled[field] = readable_duration(seconds)
    policy = AlertPolicy.objects.filter(alert=kind.name, model=row).first() or AlertPolicy(alert=kind.name, model=row)
    if not filled or not may_edit_policy(user, policy):
        return ""
    if policy.pk is not None:
        return f"{reverse('admin:alerts_alertpolicy_change', args=[policy.pk])}?{urlencode(filled)}"
    query = {"alert": kind.name, "model": row.name, **filled}
    return f"{reverse('admin:alerts_alertpolicy_add')}?{urlencode(query)}"
