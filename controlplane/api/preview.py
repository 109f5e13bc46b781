"""POST …/preview/: what a policy, a custom alert or an objective would do to the active alerts. Changes nothing."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.api import CustomAlertSerializer, PolicySerializer
from alerts.firing import FIRING, PENDING
from alerts.models import AlertPolicy, CustomAlert, Objective
from alerts.objectives_api import ObjectiveSerializer
from alerts.restart_words import Told, verdict
from alerts.restarts import Firing
from controlplane.edit_preview import preview_custom, preview_objective, preview_policy, preview_without


class PreviewQuestionSerializer(PolicySerializer):
    """The policy as it would be stored; or, with `delete`, the one of this alert and scope that would be deleted."""

    delete = serializers.BooleanField(required=False, default=False)

    class Meta(PolicySerializer.Meta):
        fields = [*PolicySerializer.Meta.fields, "delete"]


class CustomAlertQuestionSerializer(CustomAlertSerializer):
    """The custom alert as it would be stored; with `delete` alone, the one of the address that would be deleted."""

    delete = serializers.BooleanField(required=False, default=False)

    class Meta(CustomAlertSerializer.Meta):
        fields = [*CustomAlertSerializer.Meta.fields, "delete"]


class ObjectiveQuestionSerializer(ObjectiveSerializer):
    """The objective as it would be stored; with `delete` alone, the one of the address that would be deleted."""

    delete = serializers.BooleanField(required=False, default=False)

    class Meta(ObjectiveSerializer.Meta):
        fields = [*ObjectiveSerializer.Meta.fields, "delete"]


class FiringAlertSerializer(serializers.Serializer):
    """An alert that fires now, or is pending: its condition holds, and it waits for its rule's `for`."""

    state = serializers.ChoiceField(choices=[FIRING, PENDING])
    labels = serializers.DictField(child=serializers.CharField())
    since = serializers.DateTimeField(help_text="When its condition began to hold.")


class PreviewSerializer(serializers.Serializer):
    """What the edit would do. Where `known` is false, no server told what fires: the lists are null, not empty."""

    alert = serializers.CharField()
    policy = serializers.CharField(help_text="The label of its rule; empty for objectives, which share theirs.")
    verdict = serializers.CharField(help_text="All of it in words.")
    known = serializers.BooleanField()
    problem = serializers.CharField(help_text="Which servers did not answer, and why.")
    models = serializers.ListField(child=serializers.CharField(), help_text="Whose rule changes.")
    restarts = FiringAlertSerializer(many=True, allow_null=True, help_text="Resolve, and start anew as another alert.")
    ends = FiringAlertSerializer(many=True, allow_null=True, help_text="Resolve: no rule is there for them any more.")
    keeps = FiringAlertSerializer(many=True, allow_null=True, help_text="Go on firing, though their rule changes.")


class PolicyPreviewView(APIView):
    """What an edit restarts. Everybody who is signed in may ask."""

    @extend_schema(
        operation_id="alert_policies_preview", request=PreviewQuestionSerializer, responses=PreviewSerializer
    )
    def post(self, request: Request) -> Response:
        """Which alerts that fire now a policy would restart, end or keep, before it is saved. Changes nothing.

        Takes up to 3 seconds, where Prometheus is slow; where it can't be reached, the answer says so.
        """
        question = PreviewQuestionSerializer(data=request.data)
        question.is_valid(raise_exception=True)
        policy, deleted = _row(question.validated_data), question.validated_data.get("delete", False)
        if deleted:
            if policy.pk is None:
                raise Http404
            return _answer(policy.policy_id, preview_without(policy))
        _check(policy)
        return _answer(policy.policy_id, preview_policy(policy))


class CustomAlertPreviewView(APIView):
    """What an edit of a custom alert restarts. Everybody who is signed in may ask."""

    @extend_schema(
        operation_id="custom_alerts_preview", request=CustomAlertQuestionSerializer, responses=PreviewSerializer
    )
    def post(self, request: Request, name: str) -> Response:
        """Which active alerts the custom alert would restart, end or keep, before it is saved. Changes nothing."""
        stored = CustomAlert.objects.select_related("model").filter(name=name).first()
        if _deletes(request):
            if stored is None:
                raise Http404
            return _answer(f"model:{stored.model.name}", preview_custom(stored, deleted=True))
        row = _typed(CustomAlertSerializer, request, stored or CustomAlert(), {"name": name})
        return _answer(f"model:{row.model.name}", preview_custom(row))


class ObjectivePreviewView(APIView):
    """What an edit of an objective restarts. Everybody who is signed in may ask."""

    @extend_schema(operation_id="objectives_preview", request=ObjectiveQuestionSerializer, responses=PreviewSerializer)
    def post(self, request: Request, model_name: str, objective: str) -> Response:
        """Which active alerts the objective would restart, end or keep, before it is saved. Changes nothing."""
        own = Objective.objects.select_related("model").filter(model__name=model_name, name=objective)
        stored = own.first()
        if _deletes(request):
            if stored is None:
                raise Http404
            return _answer("", preview_objective(stored, deleted=True))
        named = {"model": model_name, "name": objective}
        return _answer("", preview_objective(_typed(ObjectiveSerializer, request, stored or Objective(), named)))


def _deletes(request: Request) -> bool:
    return isinstance(request.data, dict) and request.data.get("delete") is True


def _typed(serializer: type[serializers.ModelSerializer], request: Request, row: Any, named: dict[str, str]) -> Any:
    """`row` with what the body says, and named as the address says; wrong fields are named."""
    if not isinstance(request.data, dict):
        raise serializers.ValidationError({"non_field_errors": ["Send a JSON object."]})
    data = {name: value for name, value in request.data.items() if name != "delete"} | named
    read = serializer(row if row.pk else None, data=data)
    read.is_valid(raise_exception=True)
    for name, value in read.validated_data.items():
        setattr(row, name, value)
    _check(row)
    return row


def _check(row: Any) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise serializers.ValidationError(serializers.as_serializer_error(error)) from error


def _row(fields: dict[str, Any]) -> AlertPolicy:
    """The stored policy of that alert and scope, else a new one, with `fields` and of the rest the defaults."""
    scope = {name: fields.get(name) for name in ("alert", "team", "model")}
    stated = {name: value for name, value in fields.items() if name != "delete"}
    stored = AlertPolicy.objects.filter(**scope).first()
    return AlertPolicy(pk=stored.pk if stored else None, **stated)


def _answer(policy: str, told: Told) -> Response:
    effect = told.effect

    def listed(held: tuple[Firing, ...]) -> list[dict[str, Any]] | None:
        shown = [{"state": PENDING if f.pending else FIRING, "labels": f.labels, "since": f.since} for f in held]
        return shown if told.known else None

    content = {
        "alert": told.alert,
        "policy": policy,
        "verdict": verdict(told),
        "known": told.known,
        "problem": told.problem,
        "models": effect.models,
        "restarts": listed(effect.restarts),
        "ends": listed(effect.ends),
        "keeps": listed(effect.keeps),
    }
    return Response(PreviewSerializer(content).data)
