"""/api/models/<name>/baselines/: what normal input looks like."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from models_registry.actor import Actor
from models_registry.api.base import OfModelViewSet, StrictModelSerializer
from models_registry.baselines import freeze_baseline
from models_registry.edits import save_baseline
from models_registry.models import Baseline
from models_registry.removal import delete_baseline


class BaselineSerializer(StrictModelSerializer):
    """A baseline. The profile is written here, and read at its own address, since it can be large."""

    profile = serializers.JSONField(write_only=True, help_text="As `python -m drift profile` writes it.")
    frozen_at = serializers.DateTimeField(read_only=True)

    class Meta:
        model = Baseline
        fields = [
            "name",
            "population",
            "profile",
            "data_from",
            "data_until",
            "max_age_days",
            "sha256",
            "rows",
            "frozen_at",
            "created_at",
        ]
        read_only_fields = ["sha256", "rows", "created_at"]


class BaselineViewSet(OfModelViewSet):
    """A model's baselines. Once frozen, only the age limit can change."""

    queryset = Baseline.objects.defer("profile")
    serializer_class = BaselineSerializer
    lookup_field = "name"
    lookup_url_kwarg = "baseline"
    search_fields = ["name", "population"]
    ordering_fields = ["name", "created_at", "frozen_at", "data_until"]
    filterset_fields = ["population"]

    def save(self, row: Baseline, nested: dict[str, Any], actor: Actor) -> None:
        save_baseline(row, actor=actor)

    def remove(self, row: Baseline, actor: Actor) -> None:
        delete_baseline(row, actor=actor)

    @extend_schema(
        request=None,
        responses=inline_serializer(
            "Freeze", {"changed": serializers.BooleanField(), "baseline": BaselineSerializer()}
        ),
    )
    @action(detail=True, methods=["post"])
    def freeze(self, request: Request, **names: str) -> Response:
        """Freeze the profile: from now on it can't change, and checks may use it. Safe to retry."""
        baseline = self.get_object()
        try:
            change = freeze_baseline(baseline, actor=Actor.of(request.user))
        except ValueError as error:
            raise serializers.ValidationError({"profile": [str(error)]}) from error
        return Response({"changed": change is not None, "baseline": self.get_serializer(baseline).data})

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def profile(self, request: Request, **names: str) -> Response:
        """The whole profile, as it was written."""
        return Response(self.get_object().profile)
