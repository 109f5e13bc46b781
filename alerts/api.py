"""/api/: the catalogue of alerts, the policies that differ from it, and custom alerts."""

from dataclasses import asdict
from typing import Any

from django.http import Http404
from rest_framework import serializers, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.catalogue import KINDS
from alerts.kind import AlertKind
from alerts.models import AlertPolicy, CustomAlert
from alerts.permissions import (
    may_edit_custom_alert,
    may_edit_policy,
    names_a_team_of_others,
    who_may_let_be_told,
)
from alerts.policies import DEFAULT
from alerts.policy_edits import delete_custom_alert, delete_policy, save_custom_alert, save_policy
from models_registry.actor import Actor
from models_registry.api.base import RowViewSet, StrictModelSerializer, require
from models_registry.models import MLModel, Team


class ParameterSerializer(serializers.Serializer):
    """A limit of an alert. `unit` is s, ratio (0 to 1) or empty."""

    name = serializers.CharField()
    default = serializers.FloatField()
    unit = serializers.CharField()
    minimum = serializers.FloatField()
    maximum = serializers.FloatField(allow_null=True)
    help = serializers.CharField()


class KindSerializer(serializers.Serializer):
    """An alert of the catalogue with its defaults. Times are whole seconds; a window of 0 is the present."""

    name = serializers.CharField()
    plane = serializers.CharField()
    owner = serializers.CharField()
    severity = serializers.CharField()
    high_risk_severity = serializers.CharField(allow_null=True)
    for_seconds = serializers.IntegerField()
    window_seconds = serializers.IntegerField()
    labels = serializers.ListField(child=serializers.CharField())
    thresholds = ParameterSerializer(many=True)
    summary = serializers.CharField()
    description = serializers.CharField()


def _shown(kind: AlertKind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "plane": kind.plane.value,
        "owner": kind.owner.value,
        "severity": kind.severity,
        "high_risk_severity": kind.high_risk_severity,
        "for_seconds": kind.for_,
        "window_seconds": kind.window,
        "labels": list(kind.labels),
        "thresholds": [asdict(parameter) for parameter in kind.parameters],
        "summary": kind.summary,
        "description": kind.description,
    }


class CatalogueViewSet(viewsets.GenericViewSet):
    """The catalogue's alerts and their defaults. Read-only: a policy says what differs."""

    queryset = AlertPolicy.objects.none()
    serializer_class = KindSerializer
    lookup_field = "name"
    pagination_class = None
    filter_backends: list[Any] = []

    def list(self, request: Request) -> Response:
        """Every alert of the catalogue, in its order."""
        return Response([_shown(kind) for kind in KINDS.values()])

    def retrieve(self, request: Request, name: str) -> Response:
        """One alert of the catalogue."""
        if name not in KINDS:
            raise Http404
        return Response(_shown(KINDS[name]))


class PolicySerializer(StrictModelSerializer):
    """Limits for everybody, for a team's models or for one model. What is left out comes from the wider policy."""

    team = serializers.SlugRelatedField(
        slug_field="name", queryset=Team.objects.all(), required=False, allow_null=True, default=None
    )
    model = serializers.SlugRelatedField(
        slug_field="name", queryset=MLModel.objects.all(), required=False, allow_null=True, default=None
    )
    notify = serializers.SlugRelatedField(
        slug_field="name",
        queryset=Team.objects.all(),
        required=False,
        allow_null=True,
        default=None,
        help_text="The team that is told, instead of by role. Its editors, or the platform team's, may name it.",
    )
    policy = serializers.CharField(source="policy_id", read_only=True)
    thresholds = serializers.DictField(child=serializers.FloatField(), required=False)

    class Meta:
        model = AlertPolicy
        fields = [
            "alert",
            "policy",
            "team",
            "model",
            "thresholds",
            "window_seconds",
            "for_seconds",
            "severity",
            "notify",
            "enabled",
        ]
        # The model's own rules say it with the remedy, for every way in.
        validators: list[Any] = []


class PolicyViewSet(RowViewSet):
    """Alert policies. An item's address is its alert and `default`, `team:<name>` or `model:<name>`."""

    queryset = AlertPolicy.objects.select_related("team", "model", "notify")
    serializer_class = PolicySerializer
    search_fields = ["alert", "team__name", "model__name"]
    ordering_fields = ["alert"]
    filterset_fields = ["alert", "team__name", "model__name", "notify__name", "severity", "enabled"]

    def get_object(self) -> AlertPolicy:
        """The policy that the address names."""
        scope, _, name = self.kwargs["policy"].partition(":")
        rows = self.get_queryset().filter(alert=self.kwargs["alert"])
        if scope == DEFAULT and not name:
            rows = rows.filter(team=None, model=None)
        elif scope in ("team", "model") and name:
            rows = rows.filter(**{f"{scope}__name": name})
        else:
            raise Http404
        found = rows.first()
        if found is None:
            raise Http404
        return found

    def new(self, fields: dict[str, Any]) -> AlertPolicy:
        return AlertPolicy(**fields)

    def check_edit(self, row: Any) -> None:
        whose = "the model's teams" if row.model else "the team" if row.team else "the platform team"
        require(may_edit_policy(self.request.user, row), f"editors of {whose}")

    def save(self, row: Any, nested: dict[str, Any], actor: Actor) -> None:
        if names_a_team_of_others(self.request.user, row):
            raise PermissionDenied(f"Only {who_may_let_be_told(row.notify)} may name it in `notify`.")
        save_policy(row, actor=actor)

    def remove(self, row: Any, actor: Actor) -> None:
        delete_policy(row, actor=actor)


class CustomAlertSerializer(StrictModelSerializer):
    """An alert of a team's own on one model. It is refused by the next release where it can't be evaluated."""

    model = serializers.SlugRelatedField(slug_field="name", queryset=MLModel.objects.all())
    fires_case = serializers.DictField(help_text="series (series -> promtool's values), at, and interval if not 1m.")
    silent_case = serializers.DictField(help_text="The same, for a case in which it stays silent.")

    class Meta:
        model = CustomAlert
        fields = [
            "name",
            "model",
            "expression",
            "for_seconds",
            "severity",
            "owner",
            "description",
            "runbook",
            "fires_case",
            "silent_case",
            "enabled",
        ]


class CustomAlertViewSet(RowViewSet):
    """Custom alerts."""

    queryset = CustomAlert.objects.select_related("model")
    serializer_class = CustomAlertSerializer
    lookup_field = "name"
    search_fields = ["name", "model__name", "description"]
    ordering_fields = ["name"]
    filterset_fields = ["model__name", "severity", "owner", "enabled"]

    def new(self, fields: dict[str, Any]) -> CustomAlert:
        return CustomAlert(**fields)

    def check_edit(self, row: Any) -> None:
        require(may_edit_custom_alert(self.request.user, row), f"editors of the teams of {row.model}")

    def save(self, row: Any, nested: dict[str, Any], actor: Actor) -> None:
        save_custom_alert(row, actor=actor)

    def remove(self, row: Any, actor: Actor) -> None:
        delete_custom_alert(row, actor=actor)
