"""/api/business-proxies/: numbers that the business watches of a model, their bands, and pushing their values."""

from datetime import UTC
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from drift.models import BusinessProxy, PushedValue
from drift.proxy_edits import SETTINGS, delete_proxy, save_proxy
from drift.pushed_values import push_value, version_meant
from models_registry.actor import Actor
from models_registry.api.base import RowViewSet, StrictModelSerializer, StrictSerializer, require
from models_registry.models import MLModel
from models_registry.permissions import may_edit_model


class PushedValueSerializer(serializers.ModelSerializer):
    """The newest value that was pushed of a version."""

    version = serializers.CharField(source="version.version")

    class Meta:
        model = PushedValue
        fields = ["version", "value", "at"]
        read_only_fields = fields


class BusinessProxySerializer(StrictModelSerializer):
    """A number of one model with its band; one limit is enough."""

    model = serializers.SlugRelatedField(slug_field="name", queryset=MLModel.objects.all())
    pushed_values = PushedValueSerializer(many=True, read_only=True)

    class Meta:
        model = BusinessProxy
        fields = ["model", *SETTINGS, "pushed_values"]
        # The model's own rules say it with the remedy, for every way in.
        validators: list[Any] = []


class ValuePushSerializer(StrictSerializer):
    """A value, and when it was true."""

    value = serializers.FloatField()
    at = serializers.DateTimeField(
        default_timezone=UTC, help_text="The end of the time that the value is over. A retry sends the same."
    )
    version = serializers.CharField(required=False, default="", help_text="Empty: the version that is live now.")


class ValueKeptSerializer(serializers.Serializer):
    """`kept` is false where a newer value was there."""

    version = serializers.CharField()
    kept = serializers.BooleanField()


class BusinessProxyViewSet(RowViewSet):
    """Business proxies. An item's address is its model and its name."""

    queryset = BusinessProxy.objects.select_related("model").prefetch_related("pushed_values__version")
    serializer_class = BusinessProxySerializer
    search_fields = ["name", "model__name"]
    ordering_fields = ["model__name", "name"]
    filterset_fields = ["model__name"]

    def get_object(self) -> BusinessProxy:
        """The proxy that the address names."""
        return get_object_or_404(self.get_queryset(), model__name=self.kwargs["model_name"], name=self.kwargs["proxy"])

    def new(self, fields: dict[str, Any]) -> BusinessProxy:
        return BusinessProxy(**fields)

    def check_edit(self, row: Any) -> None:
        require(may_edit_model(self.request.user, row.model), f"editors of the teams of {row.model}")

    def save(self, row: Any, nested: dict[str, Any], actor: Actor) -> None:
        save_proxy(row, actor=actor)

    def remove(self, row: Any, actor: Actor) -> None:
        delete_proxy(row, actor=actor)

    @extend_schema(request=ValuePushSerializer, responses=ValueKeptSerializer)
    def push(self, request: Request, model_name: str, proxy: str) -> Response:
        """Tell a value. Safe to retry: a late message never replaces a newer value."""
        row = self.get_object()
        self.check_edit(row)
        serializer = ValuePushSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        told = serializer.validated_data
        version = version_meant(row, told["version"])
        kept = push_value(row, version, told["value"], told["at"])
        return Response({"version": version.version, "kept": kept})
