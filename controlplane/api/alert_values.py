"""GET /api/models/<name>/alerts/: each alert about a model with the values in force and where they come from."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from controlplane.alert_values import AlertValues, values_of
from models_registry.fleet import FleetModel, load_model


class ValueSerializer(serializers.Serializer):
    """A value in force. Times are whole seconds, shares 0 to 1."""

    name = serializers.CharField()
    value = serializers.JSONField()
    words = serializers.CharField(help_text="As a person reads it.")
    source = serializers.CharField(  # type: ignore[assignment]
        help_text="`model:<name>`, `team:<name>` or `default`: the policy that states it, or whose runbook it is; "
        "else `catalogue`, `role` (of a team in the registry), `risk` (the model's) or `custom alert`."
    )
    otherwise = serializers.CharField(help_text="What holds where no policy states it.")


class FeatureLimitSerializer(serializers.Serializer):
    """A feature's limit, which travels as a series."""

    feature = serializers.CharField()
    stated = serializers.FloatField(help_text="As it is registered.")
    source = serializers.CharField(help_text="`feature` or `drift check`.")  # type: ignore[assignment]
    limits = serializers.DictField(
        child=serializers.FloatField(), help_text="Version: what its newest check held the feature against."
    )


class AlertValuesSerializer(serializers.Serializer):
    """An alert about a model."""

    alert = serializers.CharField()
    policies = serializers.ListField(child=serializers.CharField(), help_text="Those stored, the narrowest first.")
    values = ValueSerializer(many=True)
    feature_limits = FeatureLimitSerializer(many=True)


class ModelAlertsView(APIView):
    """All alerts about a model."""

    @extend_schema(operation_id="models_alerts_list", responses=AlertValuesSerializer(many=True))
    def get(self, request: Request, model_name: str) -> Response:
        """Every alert about the model, the catalogue's first: each value in force, and where it comes from."""
        return Response(AlertValuesSerializer([_shown(each) for each in values_of(_model(model_name))], many=True).data)


class ModelAlertView(APIView):
    """One alert about a model."""

    @extend_schema(operation_id="models_alerts_retrieve", responses=AlertValuesSerializer)
    def get(self, request: Request, model_name: str, alert: str) -> Response:
        """One alert about the model: each value in force, and where it comes from."""
        found = values_of(_model(model_name), alert)
        if not found:
            raise Http404
        return Response(AlertValuesSerializer(_shown(found[0])).data)


def _model(name: str) -> FleetModel:
    model = load_model(name)
    if model is None:
        raise Http404
    return model


def _shown(found: AlertValues) -> dict[str, Any]:
    return {
        "alert": found.alert,
        "policies": [policy for policy, stored in found.policies if stored],
        "values": found.values,
        "feature_limits": found.feature_limits,
    }
