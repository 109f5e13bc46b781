"""/api/models/: models with their features; who answers requests is read here and changed by the traffic actions."""

from typing import Any

from django.db.models import Model
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from models_registry.actor import Actor
from models_registry.api.base import RowViewSet, StrictModelSerializer, require
from models_registry.api.features import FeatureSerializer
from models_registry.api.traffic import TrafficActions, TrafficSerializer, shown_traffic
from models_registry.edits import check_model, save_model
from models_registry.models import Feature, MLModel, Team
from models_registry.permissions import may_edit_model, may_register_models
from models_registry.removal import delete_model


class TeamNameField(serializers.SlugRelatedField):
    """A team by its name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="name", queryset=Team.objects.all(), **kwargs)


class MLModelSerializer(StrictModelSerializer):
    """A model. `features`, where given, replace those that it has, in that order."""

    on_call_team = TeamNameField(help_text="Woken when serving misbehaves.")
    applied_ml_team = TeamNameField(help_text="Told of drift and odd predictions.")
    data_team = TeamNameField(help_text="Told of missing or invalid inputs.")
    classes = serializers.ListField(child=serializers.CharField(), required=False)
    features = FeatureSerializer(many=True, required=False)
    traffic = serializers.SerializerMethodField()

    class Meta:
        model = MLModel
        fields = [
            "name",
            "description",
            "risk",
            "task",
            "classes",
            "on_call_team",
            "applied_ml_team",
            "data_team",
            "in_flight_limit",
            "timeout_seconds",
            "features",
            "traffic",
            "created_at",
        ]
        read_only_fields = ["created_at"]

    @extend_schema_field(TrafficSerializer)
    def get_traffic(self, model: MLModel) -> dict[str, Any]:
        return shown_traffic(model)


class MLModelViewSet(TrafficActions, RowViewSet):
    """Models. Editors of a model's teams write it; an editor of one of its teams registers it."""

    queryset = MLModel.objects.select_related(
        "on_call_team", "applied_ml_team", "data_team", "traffic__live", "traffic__canary", "traffic__previous_live"
    ).prefetch_related("traffic__shadows", "features__team")
    serializer_class = MLModelSerializer
    lookup_field = "name"
    lookup_url_kwarg = "model_name"
    search_fields = ["name", "description"]
    ordering_fields = ["name", "created_at", "risk"]
    filterset_fields = ["risk", "task", "on_call_team__name", "applied_ml_team__name", "data_team__name"]
    nested_fields = ("features",)

    def new(self, fields: dict[str, Any]) -> MLModel:
        return MLModel(**fields)

    def check_edit(self, row: Model) -> None:
        require(may_edit_model(self.request.user, row), "editors of the model's teams")  # type: ignore[arg-type]

    def create(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Register a model."""
        require(may_register_models(request.user), "editors of a team")
        return super().create(request, *args, **kwargs)

    def check(self, row: MLModel, nested: dict[str, Any]) -> None:
        check_model(row, _features(nested))

    def save(self, row: MLModel, nested: dict[str, Any], actor: Actor) -> None:
        save_model(row, actor=actor, features=_features(nested))

    def remove(self, row: MLModel, actor: Actor) -> None:
        delete_model(row, actor=actor)


def _features(nested: dict[str, Any]) -> list[Feature] | None:
    return [Feature(**fields) for fields in nested["features"]] if "features" in nested else None
