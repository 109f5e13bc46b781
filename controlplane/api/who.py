"""POST /api/who/: who would be told of an alert, and why. Changes nothing."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.who import Told
from alerts.who_words import silenced_by, why
from controlplane.who_is_told import Asked, NoSuchAlert, of_alert, of_labels
from models_registry.api.base import StrictSerializer

MOST_LABELS = 64


class WhoQuestionSerializer(StrictSerializer):
    """Either `labels`, or `alert` with the `model` (and perhaps the `feature`) that it is about."""

    labels = serializers.DictField(child=serializers.CharField(allow_blank=True, max_length=2000), required=False)
    alert = serializers.CharField(required=False, max_length=200)
    model = serializers.CharField(required=False, max_length=63, default="")
    feature = serializers.CharField(required=False, max_length=128, default="")
    at = serializers.DateTimeField(required=False, help_text="When; now where it is left out.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two ways to ask."""
        if ("labels" in attrs) == ("alert" in attrs):
            raise serializers.ValidationError({"labels": ["Give either labels, or alert with its model."]})
        if len(attrs.get("labels", {})) > MOST_LABELS:
            raise serializers.ValidationError({"labels": [f"At most {MOST_LABELS} labels."]})
        return attrs


class ToldSerializer(serializers.Serializer):
    """A receiver that the alert is routed to."""

    receiver = serializers.CharField(help_text="`plumbline`, or a team's name with /page or /ticket.")
    told = serializers.BooleanField(help_text="False: at that time it is muted.")
    muted_by = serializers.CharField(help_text="The time interval that keeps it quiet.")
    told_from = serializers.DateTimeField(allow_null=True, help_text="When the interval lets it speak.")
    why = serializers.CharField()
    path = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField()), help_text="The matchers of each route on the way."
    )


class WhoAnswerSerializer(serializers.Serializer):
    """Who is told of an alert with these labels."""

    labels = serializers.DictField(child=serializers.CharField())
    told = ToldSerializer(many=True)
    could_be_silenced_by = serializers.ListField(child=serializers.CharField())


class WhoSerializer(serializers.Serializer):
    """One answer for each severity and team that the alert can have; for labels it is one."""

    at = serializers.DateTimeField()
    answers = WhoAnswerSerializer(many=True)


class WhoView(APIView):
    """Who gets paged. Everybody who is signed in may ask."""

    @extend_schema(operation_id="who", request=WhoQuestionSerializer, responses=WhoSerializer)
    def post(self, request: Request) -> Response:
        """Who would be told of an alert at a time, by the routes that the registry makes now. Changes nothing."""
        question = WhoQuestionSerializer(data=request.data)
        question.is_valid(raise_exception=True)
        asked = question.validated_data
        at = asked.get("at") or timezone.now()
        try:
            if "labels" in asked:
                found = of_labels(asked["labels"], at)
            else:
                found = of_alert(asked["alert"], asked["model"], asked["feature"], at)
        except NoSuchAlert as error:
            raise serializers.ValidationError({error.field: [str(error)]}) from error
        return Response(WhoSerializer({"at": at, "answers": [_answer(each) for each in found]}).data)


def _answer(asked: Asked) -> dict[str, Any]:
    return {
        "labels": dict(asked.labels),
        "told": [_told(each) for each in asked.answer.told],
        "could_be_silenced_by": [silenced_by(each) for each in asked.answer.inhibitions],
    }


def _told(told: Told) -> dict[str, Any]:
    return {
        "receiver": told.receiver,
        "told": told.now,
        "muted_by": told.muted_by,
        "told_from": told.from_,
        "why": why(told),
        "path": [[str(matcher) for matcher in route] for route in told.path],
    }
