"""/api/models/<name>/versions/: what can be served; one call registers a version and deploys it."""

from typing import Any

from django.db import transaction
from django.db.models import Model
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from models_registry import traffic
from models_registry.actor import Actor
from models_registry.api.base import OfModelViewSet, StrictModelSerializer, StrictSerializer
from models_registry.api.traffic import shown_traffic
from models_registry.edits import register_version, save_version
from models_registry.fleet import version_state
from models_registry.models import Baseline, MLModel, ModelVersion, PipelineRelease
from models_registry.removal import delete_version
from models_registry.split import Split


class OfThisModelField(serializers.SlugRelatedField):
    """Something of the model in the address, by its name."""

    def get_queryset(self) -> Any:
        everyones: Any = super().get_queryset()
        return everyones.filter(model__name=self.context["view"].kwargs.get("model_name", ""))


class VersionSerializer(StrictModelSerializer):
    """A version. `state` follows from the model's traffic."""

    baseline = OfThisModelField(
        slug_field="name", queryset=Baseline.objects.defer("profile"), required=False, allow_null=True
    )
    pipeline_release = OfThisModelField(
        slug_field="release", queryset=PipelineRelease.objects.all(), required=False, allow_null=True
    )
    state = serializers.SerializerMethodField()

    class Meta:
        model = ModelVersion
        fields = [
            "version",
            "framework",
            "artifact",
            "sha256",
            "baseline",
            "pipeline_release",
            "notes",
            "state",
            "created_at",
            "served_at",
        ]
        read_only_fields = ["created_at", "served_at"]

    @extend_schema_field(serializers.ChoiceField(["registered", "shadow", "canary", "live", "retired"]))
    def get_state(self, version: ModelVersion) -> str:
        return version_state(version, self.context["view"].split())


class FirstDeploySerializer(StrictSerializer):
    """The traffic that a new version gets."""

    percent = serializers.IntegerField(min_value=0, max_value=100)
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class RegisterSerializer(VersionSerializer):
    """A version, and with `deploy` its first traffic."""

    deploy = FirstDeploySerializer(required=False, write_only=True)

    class Meta(VersionSerializer.Meta):
        fields = [*VersionSerializer.Meta.fields, "deploy"]


@extend_schema_view(
    create=extend_schema(
        request=RegisterSerializer,
        responses={(200, "application/json"): VersionSerializer, (201, "application/json"): VersionSerializer},
    )
)
class VersionViewSet(OfModelViewSet):
    """A model's versions, newest first."""

    queryset = ModelVersion.objects.select_related("baseline", "pipeline_release", "model").defer("baseline__profile")
    serializer_class = VersionSerializer
    lookup_field = "version"
    search_fields = ["version", "notes"]
    ordering_fields = ["version", "created_at", "served_at"]
    filterset_fields = ["framework", "baseline__name", "pipeline_release__release"]

    def split(self) -> Split:
        """The model's traffic, read once for all versions of a page."""
        if not hasattr(self, "_split_once"):
            model = MLModel.objects.select_related("traffic__live", "traffic__canary").get(pk=self.model.pk)
            shown = shown_traffic(model)
            self._split_once = Split(**{**shown, "shadows": frozenset(shown["shadows"])})
        return self._split_once

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Register a version, and with `deploy` give it traffic, in one step. Safe to retry.

        200 where it is registered with the same content already; 409 names the fields in which it differs. A version
        that has had traffic is not deployed again: a repeated call never undoes a roll-back.
        """
        serializer = RegisterSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        deploy = fields.pop("deploy", None)
        actor = Actor.of(request.user)
        with transaction.atomic():
            version, change = register_version(ModelVersion(model=self.model, **fields), actor=actor)
            if deploy is not None and version.served_at is None:
                traffic.deploy(self.model, version.version, actor=actor, **deploy)
        code = status.HTTP_200_OK if change is None else status.HTTP_201_CREATED
        return Response(self._shown(version), code)

    def save(self, row: ModelVersion, nested: dict[str, Any], actor: Actor) -> None:
        save_version(row, actor=actor)

    def remove(self, row: Model, actor: Actor) -> None:
        delete_version(row, actor=actor)  # type: ignore[arg-type]
