"""POST /api/models/<name>/{deploy,shift,promote,roll_back,shadows,withdraw}/: who answers requests.

All are safe to retry: a repeat answers 200 with `"changed": false` (a roll-back without a version: 409), and never goes
on to do more.
"""

from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from models_registry import traffic
from models_registry.actor import Actor
from models_registry.api.base import StrictSerializer, require
from models_registry.models import Change, MLModel
from models_registry.permissions import may_edit_model, may_operate_model

EDITORS = "editors of the model's teams"
OPERATORS = "editors of the model's teams and its on-call"


class TrafficSerializer(serializers.Serializer):
    """Who answers requests. Live takes what the canary leaves; shadows answer nothing."""

    live = serializers.CharField(allow_null=True)
    canary = serializers.CharField(allow_null=True)
    canary_percent = serializers.IntegerField()
    shadows = serializers.ListField(child=serializers.CharField())
    previous_live = serializers.CharField(allow_null=True)


class MovedSerializer(serializers.Serializer):
    """What came of a move."""

    changed = serializers.BooleanField(help_text="False: it was so already.")
    change = serializers.UUIDField(allow_null=True, help_text="The Change that was written.")
    traffic = TrafficSerializer()


class ReasonSerializer(StrictSerializer):
    """A move that needs nothing but a reason."""

    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class DeploySerializer(ReasonSerializer):
    """A canary with `percent` of the traffic, or, with 100, the live version."""

    version = serializers.CharField()
    percent = serializers.IntegerField(min_value=0, max_value=100)


class ShiftSerializer(ReasonSerializer):
    """The canary's new share."""

    percent = serializers.IntegerField(min_value=0, max_value=100)


class PromoteSerializer(ReasonSerializer):
    """The canary that becomes live."""

    version = serializers.CharField()


class RollBackSerializer(ReasonSerializer):
    """The version to take out of traffic; without it, the canary. The live version is only ever taken out by name."""

    version = serializers.CharField(required=False)


class ShadowsSerializer(ReasonSerializer):
    """All versions that see a copy of the traffic."""

    versions = serializers.ListField(child=serializers.CharField())


def shown_traffic(model: MLModel) -> dict[str, Any]:
    """The model's split as plain data; no query where the traffic and its shadows have been fetched."""
    try:
        row = model.traffic
    except ObjectDoesNotExist:
        return {"live": None, "canary": None, "canary_percent": 0, "shadows": [], "previous_live": None}
    split = traffic.read_split(row)
    return {
        "live": split.live,
        "canary": split.canary,
        "canary_percent": split.canary_percent,
        "shadows": sorted(split.shadows),
        "previous_live": split.previous_live,
    }


def check_version(model: MLModel, version: str, field: str = "version") -> str:
    """`version` where `model` has it, else 400."""
    if not model.versions.filter(version=version).exists():
        raise serializers.ValidationError({field: [f"{model} has no version {version!r}: register it first."]})
    return version


def _rolled_back(model: MLModel) -> str | None:
    """The version that an order without a name takes out: the canary, or, of a withdrawn model, none (it comes back).

    TrafficError where the live one would be meant: a repeated order must not go on to it unasked.
    """
    present = shown_traffic(model)
    live, canary, before = present["live"], present["canary"], present["previous_live"]
    if canary is not None or live is None:
        return str(canary) if canary else None
    if before is None:
        raise traffic.TrafficError(
            "There is no canary, and no version was live before: there is nothing to roll back to."
        )
    told = f"There is no canary. To put {before} back in place of {live}, name the version to take out"
    raise traffic.TrafficError(f'{told}: {{"version": "{live}"}}.')


class TrafficActions(viewsets.GenericViewSet):
    """The moves, for the models' viewset."""

    def _order(self, request: Request, serializer_class: type[ReasonSerializer]) -> dict[str, Any]:
        serializer = serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def _editable(self, request: Request) -> MLModel:
        model = self.get_object()
        require(may_edit_model(request.user, model), EDITORS)
        return model

    def _moved(self, model: MLModel, change: Change | None) -> Response:
        changed = {"changed": change is not None, "change": change.uuid if change else None}
        return Response({**changed, "traffic": shown_traffic(self.get_queryset().get(pk=model.pk))})

    @extend_schema(request=DeploySerializer, responses=MovedSerializer)
    @action(detail=True, methods=["post"])
    def deploy(self, request: Request, model_name: str) -> Response:
        """Give a version a share of the traffic as a canary, or with 100 make it live."""
        model = self._editable(request)
        order = self._order(request, DeploySerializer)
        version = check_version(model, order["version"])
        actor = Actor.of(request.user)
        change = traffic.deploy(model, version, percent=order["percent"], actor=actor, reason=order["reason"])
        return self._moved(model, change)

    @extend_schema(request=ShiftSerializer, responses=MovedSerializer)
    @action(detail=True, methods=["post"])
    def shift(self, request: Request, model_name: str) -> Response:
        """Give the canary another share. The model's on-call may lower it."""
        model = self.get_object()
        require(may_operate_model(request.user, model), OPERATORS)
        order = self._order(request, ShiftSerializer)
        present = shown_traffic(model)["canary_percent"]
        if order["percent"] > present:
            require(may_edit_model(request.user, model), EDITORS)
        actor = Actor.of(request.user)
        change = traffic.shift_traffic(model, percent=order["percent"], actor=actor, reason=order["reason"])
        return self._moved(model, change)

    @extend_schema(request=PromoteSerializer, responses=MovedSerializer)
    @action(detail=True, methods=["post"])
    def promote(self, request: Request, model_name: str) -> Response:
        """Make the canary live."""
        model = self._editable(request)
        order = self._order(request, PromoteSerializer)
        version = check_version(model, order["version"])
        change = traffic.promote(model, version=version, actor=Actor.of(request.user), reason=order["reason"])
        return self._moved(model, change)

    @extend_schema(request=RollBackSerializer, responses=MovedSerializer)
    @action(detail=True, methods=["post"])
    def roll_back(self, request: Request, model_name: str) -> Response:
        """Take a version out of traffic: the canary, or the live one, whose predecessor comes back.

        Without a `version` it is the canary, and a withdrawn model's live version comes back; where only the live one
        could be meant, 409 says how to name it.
        """
        model = self.get_object()
        require(may_operate_model(request.user, model), OPERATORS)
        order = self._order(request, RollBackSerializer)
        version = check_version(model, order["version"]) if "version" in order else _rolled_back(model)
        change = traffic.roll_back(model, version=version, actor=Actor.of(request.user), reason=order["reason"])
        return self._moved(model, change)

    @extend_schema(request=ShadowsSerializer, responses=MovedSerializer)
    @action(detail=True, methods=["post"])
    def shadows(self, request: Request, model_name: str) -> Response:
        """Let exactly these versions see a copy of the traffic."""
        model = self._editable(request)
        order = self._order(request, ShadowsSerializer)
        versions = {check_version(model, version, "versions") for version in order["versions"]}
        change = traffic.set_shadows(model, versions, actor=Actor.of(request.user), reason=order["reason"])
        return self._moved(model, change)

    @extend_schema(request=ReasonSerializer, responses=MovedSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, model_name: str) -> Response:
        """Stop serving the model."""
        model = self._editable(request)
        order = self._order(request, ReasonSerializer)
        change = traffic.withdraw(model, actor=Actor.of(request.user), reason=order["reason"])
        return self._moved(model, change)
