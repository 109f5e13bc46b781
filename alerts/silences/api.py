"""/api/silences/: what nobody is notified of, by whom, why and until when. Alertmanager keeps them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.alertmanager import HeldAlert, HeldSilence, who_answers
from alerts.catalogue import KINDS
from alerts.http import Refused, Unreachable
from alerts.matchers import Matcher
from alerts.models import Incident
from alerts.owners import SEVERITY, TEAM
from alerts.rule import PLANE, POLICY
from alerts.silences.rows import SilenceRow, may_end_silence, rows_of, silence_rows
from alerts.silences.silencing import Silence, end_silence, silence_alert
from alerts.subject import is_known
from models_registry.actor import Actor
from models_registry.api.base import StrictSerializer, require
from models_registry.api.errors import ServerRefused, ServerUnreachable
from models_registry.models import MLModel
from models_registry.permissions import may_operate_model
from telemetry import promql
from telemetry.names import FEATURE, MODEL, PERIOD, TIER, VERSION

ALERT = "alertname"
TIMEOUT = 3.0
LASTING = (60, 7 * 86400)  # seconds
# What the rules put on every alert of the catalogue, beside the labels of its series.
_ON_ALL = (ALERT, MODEL, SEVERITY, TEAM, PLANE, POLICY, PERIOD, TIER)
WHO = "editors of the model's teams and its on-call"


class SilencedSerializer(serializers.Serializer):
    """An alert that a silence silences now."""

    labels = serializers.DictField(child=serializers.CharField())
    since = serializers.DateTimeField(allow_null=True)
    incident = serializers.IntegerField(allow_null=True, help_text="Of /api/incidents/.")


class SilenceSerializer(serializers.Serializer):
    """A silence that holds, or will hold from `starts_at` on."""

    id = serializers.CharField()
    silences = serializers.CharField(help_text="In words.")
    matchers = serializers.ListField(child=serializers.CharField())
    model = serializers.CharField(help_text="The registered one that it is about; empty for none.")
    owner = serializers.CharField()
    reason = serializers.CharField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    ends_soon = serializers.BooleanField(help_text="And what it silences still fires.")
    silenced_now = SilencedSerializer(many=True)
    may_end = serializers.BooleanField(help_text="Whether you may.")


class NewSilenceSerializer(StrictSerializer):
    """Either `labels`, `alertname` and `model_name` among them, or `alert` with its `model`; how long, and why."""

    labels = serializers.DictField(child=serializers.CharField(max_length=2000), required=False)
    alert = serializers.CharField(required=False, max_length=200)
    model = serializers.CharField(required=False, max_length=63)
    version = serializers.CharField(required=False, max_length=64)
    feature = serializers.CharField(required=False, max_length=128)
    duration = serializers.CharField(help_text="From now on: 30m, 4h; a minute to a week.")
    reason = serializers.CharField(max_length=300)

    def validate_duration(self, value: str) -> timedelta:
        """As Prometheus writes durations."""
        try:
            seconds = promql.seconds(value)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error
        if not LASTING[0] <= seconds <= LASTING[1]:
            shortest, longest = (promql.duration(limit) for limit in LASTING)
            raise serializers.ValidationError(f"A silence lasts {shortest} to {longest}, not {value}.")
        return timedelta(seconds=seconds)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two ways to say what, as labels."""
        named = {ALERT: "alert", MODEL: "model", VERSION: "version", FEATURE: "feature"}
        given = {label: attrs[field] for label, field in named.items() if field in attrs}
        if ("labels" in attrs) == bool(given):
            raise serializers.ValidationError({"labels": ["Give either labels, or alert with its model."]})
        attrs["about"] = attrs.get("labels") or given
        for label in (ALERT, MODEL):
            if not attrs["about"].get(label):
                raise serializers.ValidationError({"labels" if "labels" in attrs else named[label]: [f"{label}?"]})
        return attrs


class SilenceViewSet(viewsets.GenericViewSet):
    """Silences. Everybody who is signed in may read; who may operate the model makes and ends them."""

    queryset = Incident.objects.none()
    serializer_class = SilenceSerializer
    filter_backends: list[Any] = []
    lookup_field = "identity"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.alertmanager = who_answers([settings.ALERTMANAGER_URL, *settings.FURTHER_ALERTMANAGER_URLS], TIMEOUT)

    def handle_exception(self, exc: Exception) -> Response:
        """Whoever asks is told that nothing is known, or was done."""
        if isinstance(exc, Unreachable):
            exc = ServerUnreachable(f"{exc}. What is silenced is not known, and nothing was changed.")
        elif isinstance(exc, Refused):
            exc = ServerRefused(f"Alertmanager refused: {exc}")
        return super().handle_exception(exc)

    @extend_schema(parameters=[OpenApiParameter("model", str), OpenApiParameter("alert", str)])
    def list(self, request: Request) -> Response:
        """Those that hold or will hold, the first to end first; of one model or alert. 503: it is not known."""
        model, alert = (request.query_params.get(name, "") for name in ("model", "alert"))
        rows = [
            row
            for row in silence_rows(request.user, self.alertmanager, timezone.now())
            if model in ("", row.silence.value_of(MODEL)) and alert in ("", row.silence.value_of(ALERT))
        ]
        return self.get_paginated_response([_shown(row) for row in self.paginate_queryset(rows) or []])

    def retrieve(self, request: Request, identity: str) -> Response:
        """One that holds or will hold."""
        for row in silence_rows(request.user, self.alertmanager, timezone.now()):
            if row.silence.identity == identity:
                return Response(_shown(row))
        raise Http404

    @extend_schema(request=NewSilenceSerializer, responses={201: SilenceSerializer})
    def create(self, request: Request) -> Response:
        """Silence an alert of a model from now on, with a reason; kept by Alertmanager and as a Change."""
        question = NewSilenceSerializer(data=request.data)
        question.is_valid(raise_exception=True)
        asked = question.validated_data
        in_labels = "labels" in asked
        model = MLModel.objects.filter(name=asked["about"][MODEL]).first()
        if model is None:
            raise _wrong("labels" if in_labels else "model", f"There is no model {asked['about'][MODEL]!r}.")
        require(may_operate_model(request.user, model), WHO)
        silence = _silence(asked["about"], model, in_labels)
        now, actor = timezone.now(), Actor.of(request.user)
        change = silence_alert(
            self.alertmanager, model, silence, now=now, lasting=asked["duration"], actor=actor, reason=asked["reason"]
        )
        held = HeldSilence(
            identity=(change.after or {})["silence"],
            matchers=tuple(Matcher(label, "=", value) for label, value in silence.matchers(model.name).items()),
            starts_at=now,
            ends_at=now + asked["duration"],
            author=actor.name,
            comment=asked["reason"],
        )
        (row,) = rows_of(request.user, [held], self._alerts(), now)
        return Response(_shown(row), status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, identity: str) -> Response:
        """End one now; 404 where it has ended already."""
        silence = next((each for each in self.alertmanager.silences() if each.identity == identity), None)
        if silence is None:
            raise Http404
        model = MLModel.objects.filter(name=silence.value_of(MODEL)).first()
        require(may_end_silence(request.user, model), WHO if model else "superusers")
        end_silence(self.alertmanager, silence, model, actor=Actor.of(request.user))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _alerts(self) -> Sequence[HeldAlert]:
        """What it silences is an extra to the silence that was made."""
        try:
            return self.alertmanager.alerts()
        except (Unreachable, Refused):
            return []


def _silence(labels: Mapping[str, str], model: MLModel, in_labels: bool) -> Silence:
    """What is to be silenced. ValidationError for what no alert could be about: that would silence nothing."""
    alert, version, feature = labels[ALERT], labels.get(VERSION, ""), labels.get(FEATURE, "")
    if not is_known(alert):
        raise _wrong("labels" if in_labels else "alert", f"There is no alert {alert!r}.")
    if version and not model.versions.filter(version=version).exists():
        raise _wrong("labels" if in_labels else "version", f"{model} has no version {version!r}.")
    if feature and not model.features.filter(name=feature).exists():
        raise _wrong("labels" if in_labels else "feature", f"{model} has no feature {feature!r}.")
    kind = KINDS.get(alert)
    carried = {*_ON_ALL, *kind.labels} if kind is not None else set(labels)
    unknown = sorted(set(labels) - carried)
    if unknown:
        told = (
            f"{alert} has no label {unknown[0]!r}, so nothing would be silenced. It has: {', '.join(sorted(carried))}."
        )
        raise _wrong("labels" if in_labels else {VERSION: "version", FEATURE: "feature"}[unknown[0]], told)
    own = (ALERT, MODEL, VERSION, FEATURE)
    return Silence(alert, version, feature, {label: value for label, value in labels.items() if label not in own})


def _wrong(field: str, told: str) -> serializers.ValidationError:
    return serializers.ValidationError({field: [told]})


def _shown(row: SilenceRow) -> dict[str, Any]:
    silence, incidents = row.silence, {incident.fingerprint: incident.pk for incident in row.incidents}
    shown = {
        "id": silence.identity,
        "silences": silence.told,
        "matchers": [f"{matcher.label}{matcher.operator}{promql.quote(matcher.value)}" for matcher in silence.matchers],
        "model": row.model,
        "owner": silence.author,
        "reason": silence.comment,
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "ends_soon": row.soon,
        "silenced_now": [
            {"labels": each.labels, "since": each.starts_at, "incident": incidents.get(each.fingerprint)}
            for each in row.silenced
        ],
        "may_end": row.may_end,
    }
    return dict(SilenceSerializer(shown).data)
