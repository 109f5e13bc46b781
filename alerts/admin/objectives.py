"""Objectives in the admin: a page of all, and rows on their model's page."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.forms import BaseModelFormSet
from django.http import HttpRequest

from alerts.annotations import readable
from alerts.burn_rate import left_out
from alerts.hourly_counts import budget_of
from alerts.models import Objective
from alerts.policy_edits import delete_objective, save_objective
from models_registry.actor import Actor
from models_registry.admin.of_model import OfModelAdmin, OfModelInline


@admin.register(Objective)
class ObjectiveAdmin(OfModelAdmin):
    """Objectives of all models."""

    list_display = ["name", "model_link", "kind", "route", "percent", "period_days", "budget_left"]
    list_filter = ["kind", "route", "period_days"]
    list_select_related = ["model", "budget"]
    search_fields = ["name", "model__name"]
    fieldsets = [
        (None, {"fields": ["model", "name", ("kind", "route"), "latency_seconds"]}),
        ("How good", {"fields": [("target", "period_days"), "tiers_left_out", "budget_left"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*(["model", "name"] if obj else []), "tiers_left_out", "budget_left"]

    @admin.display(description="Target", ordering="target")
    def percent(self, objective: Objective) -> str:
        """The target as it is said."""
        return readable(objective.target, "ratio")

    @admin.display(description="Error budget left")
    def budget_left(self, objective: Objective) -> str:
        """As of the last hour that was counted."""
        found = budget_of(objective) if objective.pk else None
        return "not counted yet" if found is None or found.left is None else readable(round(found.left, 4), "ratio")

    @admin.display(description="Tiers left out")
    def tiers_left_out(self, objective: Objective) -> str:
        """What can't fire with this target."""
        if not objective.pk:
            return "Those whose factor times the error budget passes 100 %: a lenient target has fewer alerts."
        return ", ".join(tier.name for tier in left_out(objective.row())) or "none: every tier can fire"

    def save_row(self, obj: Objective, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        save_objective(obj, actor=actor)

    def delete_row(self, obj: Objective, actor: Actor) -> None:
        delete_objective(obj, actor=actor)


class ObjectiveInline(OfModelInline):
    """A model's objectives on its page, which saves them through `save_objective`."""

    model = Objective
    fields = ["name", "kind", "route", "target", "period_days", "latency_seconds"]
