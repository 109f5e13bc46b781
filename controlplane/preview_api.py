"""POST /api/alert-policies/preview/: what a policy would do to the alerts that fire now. Changes nothing."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.api import PolicySerializer
from alerts.models import AlertPolicy
from alerts.restart_words import Told, verdict
from alerts.restarts import Firing
from controlplane.edit_preview import preview_policy, preview_without


class PreviewQuestionSerializer(PolicySerializer):
    """The policy as it would be stored; or, with `delete`, the one of this alert and scope that would be deleted."""

    delete = serializers.BooleanField(required=False, default=False)

    class Meta(PolicySerializer.Meta):
        fields = [*PolicySerializer.Meta.fields, "delete"]


class FiringAlertSerializer(serializers.Serializer):
    """An alert that fires now."""

    labels = serializers.DictField(child=serializers.CharField())
    since = serializers.DateTimeField(help_text="When its condition began to hold.")


class PreviewSerializer(serializers.Serializer):
    """What the edit would do. Where `known` is false, no server told what fires: the lists are null, not empty."""

    alert = serializers.CharField()
    policy = serializers.CharField()
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
            return Response(PreviewSerializer(_shown(policy, preview_without(policy))).data)
        try:
            policy.full_clean()
        except ValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error
        return Response(PreviewSerializer(_shown(policy, preview_policy(policy))).data)


def _row(fields: dict[str, Any]) -> AlertPolicy:
    """The stored policy of that alert and scope, else a new one, with `fields` and of the rest the defaults."""
    scope = {name: fields.get(name) for name in ("alert", "team", "model")}
    stated = {name: value for name, value in fields.items() if name != "delete"}
    stored = AlertPolicy.objects.filter(**scope).first()
    return AlertPolicy(pk=stored.pk if stored else None, **stated)


def _shown(policy: AlertPolicy, told: Told) -> dict[str, Any]:
    effect = told.effect

    def listed(held: tuple[Firing, ...]) -> list[dict[str, Any]] | None:
        return [{"labels": f.labels, "since": f.since} for f in held] if told.known else None

    return {
        "alert": told.alert,
        "policy": policy.policy_id,
        "verdict": verdict(told),
        "known": told.known,
        "problem": told.problem,
        "models": effect.models,
        "restarts": listed(effect.restarts),
        "ends": listed(effect.ends),
        "keeps": listed(effect.keeps),
    }
