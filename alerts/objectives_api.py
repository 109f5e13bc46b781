"""/api/objectives/: what share of answers has to be good, and what is left of what may be bad."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from alerts.burn_rate import left_out
from alerts.hourly_counts import budget_of
from alerts.models import Objective
from alerts.permissions import may_edit_objective
from alerts.policy_edits import delete_objective, save_objective
from models_registry.actor import Actor
from models_registry.api.base import RowViewSet, StrictModelSerializer, require
from models_registry.models import MLModel


class BudgetSerializer(serializers.Serializer):
    """What was counted over the period up to `until`. `left`: 1 untouched, 0 spent, below 0 missed; null: no events."""

    left = serializers.FloatField(allow_null=True)
    good_ratio = serializers.FloatField(allow_null=True)
    events = serializers.FloatField()
    bad = serializers.FloatField()
    hours = serializers.IntegerField(help_text="Hours of the period about which something is known.")
    until = serializers.DateTimeField()


class ObjectiveSerializer(StrictModelSerializer):
    """An objective of one model's route. `target` is the share of answers that has to be good: 99.9 % is 0.999."""

    model = serializers.SlugRelatedField(slug_field="name", queryset=MLModel.objects.all())
    tiers_left_out = serializers.SerializerMethodField(help_text="Tiers that the target puts out of reach.")
    budget = serializers.SerializerMethodField(help_text="Null until the first full hour is counted.")

    class Meta:
        model = Objective
        fields = [
            "model",
            "name",
            "kind",
            "route",
            "target",
            "period_days",
            "latency_seconds",
            "tiers_left_out",
            "budget",
        ]
        # The model's own rules say it with the remedy, for every way in.
        validators: list[Any] = []

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_tiers_left_out(self, objective: Objective) -> list[str]:
        return [tier.name for tier in left_out(objective.row())]

    @extend_schema_field(BudgetSerializer(allow_null=True))
    def get_budget(self, objective: Objective) -> dict[str, Any] | None:
        found = budget_of(objective)
        return None if found is None else dict(BudgetSerializer(found).data)


class ObjectiveViewSet(RowViewSet):
    """Objectives. An item's address is its model and its name."""

    queryset = Objective.objects.select_related("model", "budget")
    serializer_class = ObjectiveSerializer
    search_fields = ["name", "model__name"]
    ordering_fields = ["model__name", "name", "target"]
    filterset_fields = ["model__name", "kind", "route"]

    def get_object(self) -> Objective:
        """The objective that the address names."""
        return get_object_or_404(
            self.get_queryset(), model__name=self.kwargs["model_name"], name=self.kwargs["objective"]
        )

    def new(self, fields: dict[str, Any]) -> Objective:
        return Objective(**fields)

    def check_edit(self, row: Any) -> None:
        require(may_edit_objective(self.request.user, row), f"editors of the teams of {row.model}")

    def save(self, row: Any, nested: dict[str, Any], actor: Actor) -> None:
        save_objective(row, actor=actor)

    def remove(self, row: Any, actor: Actor) -> None:
        delete_objective(row, actor=actor)
