"""/api/models/<name>/features/: what a model is fed."""

from typing import Any

from rest_framework import serializers

from models_registry.actor import Actor
from models_registry.api.base import OfModelViewSet, StrictModelSerializer
from models_registry.edits import save_feature
from models_registry.models import Feature, Team
from models_registry.removal import delete_feature


class FeatureSerializer(StrictModelSerializer):
    """One input of a model."""

    team = serializers.SlugRelatedField(
        slug_field="name", queryset=Team.objects.all(), required=False, allow_null=True, help_text="Empty: data team."
    )
    categories = serializers.ListField(child=serializers.CharField(), required=False)

    class Meta:
        model = Feature
        fields = [
            "name",
            "kind",
            "critical",
            "required",
            "minimum",
            "maximum",
            "categories",
            "default",
            "team",
            "missing_limit",
            "out_of_range_limit",
            "defaulted_limit",
        ]


class FeatureViewSet(OfModelViewSet):
    """A model's features, in the order in which it is fed."""

    queryset = Feature.objects.select_related("team")
    serializer_class = FeatureSerializer
    lookup_field = "name"
    lookup_url_kwarg = "feature"
    search_fields = ["name"]
    ordering_fields = ["name", "position"]
    filterset_fields = ["kind", "critical", "required", "team__name"]

    def save(self, row: Feature, nested: dict[str, Any], actor: Actor) -> None:
        save_feature(row, actor=actor)

    def remove(self, row: Feature, actor: Actor) -> None:
        delete_feature(row, actor=actor)
