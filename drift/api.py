"""/api/drift-checks/: checks with their thresholds, what they found, and running one now."""

from datetime import UTC, datetime
from typing import Any

from django.db.models import Prefetch
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from kombu.exceptions import OperationalError
from rest_framework import exceptions, mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from drift.edits import SETTINGS, check_of, save_check
from drift.models import CheckRun, CheckStatus, DriftCheck
from drift.trigger import NotTriggered, trigger
from models_registry.actor import Actor
from models_registry.api.base import StrictModelSerializer, StrictSerializer, require
from models_registry.api.errors import Conflict
from models_registry.models import MLModel
from models_registry.permissions import may_edit_model, may_operate_model


class CheckRunSerializer(serializers.ModelSerializer):
    """One window of one version. `state` is empty until it is finished; `result` is the whole verdict."""

    version = serializers.CharField(source="version.version")
    duration_seconds = serializers.FloatField(allow_null=True)

    class Meta:
        model = CheckRun
        fields = [
            "version",
            "window_start",
            "window_end",
            "state",
            "reason",
            "rows",
            "started_at",
            "finished_at",
            "duration_seconds",
            "result",
        ]
        read_only_fields = fields


class CheckStatusSerializer(serializers.ModelSerializer):
    """Where one version stands, without the features: those are in its run."""

    version = serializers.CharField(source="version.version")
    state = serializers.SerializerMethodField(help_text="never_run until a run is finished.")
    reason = serializers.SerializerMethodField()

    class Meta:
        model = CheckStatus
        fields = ["version", "state", "reason", "latest_window_end", "last_success_at"]
        read_only_fields = fields

    def get_state(self, status: CheckStatus) -> str:
        return status.latest.state if status.latest else "never_run"

    def get_reason(self, status: CheckStatus) -> str:
        return status.latest.reason if status.latest else ""


class DriftCheckSerializer(StrictModelSerializer):
    """A model's check. Ratios and limits are shares from 0 to 1; intervals and windows are seconds."""

    model = serializers.CharField(source="model.name", read_only=True)
    versions = CheckStatusSerializer(source="statuses", many=True, read_only=True)

    class Meta:
        model = DriftCheck
        fields = ["model", *SETTINGS, "first_due_at", "versions"]
        read_only_fields = ["first_due_at"]


class RunRequestSerializer(StrictSerializer):
    """Which window. With the same `window_end`, a retry names the same runs."""

    window_end = serializers.DateTimeField(
        required=False,
        default_timezone=UTC,
        help_text="End of the window, for example Airflow's data_interval_end. Empty: the newest whole interval.",
    )


class CheckRunFilter(filters.FilterSet):
    """By version, state and window."""

    version = filters.CharFilter(field_name="version__version")
    window_end = filters.IsoDateTimeFilter(field_name="window_end")
    since = filters.IsoDateTimeFilter(field_name="window_end", lookup_expr="gte")

    class Meta:
        model = CheckRun
        fields = ["version", "state", "window_end", "since"]


class BrokerDown(exceptions.APIException):
    """Workers can't be told."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The broker can't be reached, so no worker can be told. The check stays due: retry, or wait."
    default_code = "broker_down"


class DriftCheckViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """Drift checks, one for each model, addressed by the model's name."""

    queryset = DriftCheck.objects.select_related("model").prefetch_related(
        Prefetch("statuses", CheckStatus.objects.select_related("version", "latest").defer("latest__result"))
    )
    serializer_class = DriftCheckSerializer
    lookup_field = "model__name"
    lookup_url_kwarg = "model_name"
    search_fields = ["model__name"]
    ordering_fields = ["model__name", "interval_seconds"]
    filterset_fields = ["paused", "source"]

    def update(self, request: Request, model_name: str, partial: bool = False) -> Response:
        """Change the check. Missing fields keep their values; a model without a check gets one."""
        model = get_object_or_404(MLModel, name=model_name)
        require(may_edit_model(request.user, model), f"editors of the teams of {model}")
        check = check_of(model)
        serializer = self.get_serializer(check, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        for name, value in serializer.validated_data.items():
            setattr(check, name, value)
        save_check(check, actor=Actor.of(request.user))
        return Response(self.get_serializer(self.get_queryset().get(pk=check.pk)).data)

    def partial_update(self, request: Request, model_name: str) -> Response:
        """Change some settings of the check."""
        return self.update(request, model_name)

    @extend_schema(request=RunRequestSerializer, responses={202: CheckRunSerializer(many=True)})
    def run(self, request: Request, model_name: str) -> Response:
        """Check a window now, for each version with traffic. Safe to retry: a window is run once; one whose source
        failed is run again. 202 with the runs; follow them at `runs/?window_end=`."""
        check = self.get_object()
        require(may_operate_model(request.user, check.model), f"editors and the on-call of {check.model}")
        serializer = RunRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        window_end: datetime | None = serializer.validated_data.get("window_end")
        try:
            runs = trigger(check, window_end)
        except NotTriggered as error:
            raise Conflict({"detail": str(error)}) from error
        except (OperationalError, OSError) as error:
            raise BrokerDown from error
        return Response(CheckRunSerializer(runs, many=True).data, status.HTTP_202_ACCEPTED)

    @extend_schema(responses=CheckRunSerializer(many=True), filters=True)
    def runs(self, request: Request, model_name: str) -> Response:
        """The check's runs, newest first."""
        found = CheckRun.objects.filter(drift_check=self.get_object()).select_related("version")
        narrowed: Any = CheckRunFilter(request.query_params, queryset=found)
        if not narrowed.is_valid():
            raise serializers.ValidationError(narrowed.errors)
        page = self.paginate_queryset(narrowed.qs)
        return self.get_paginated_response(CheckRunSerializer(page, many=True).data)
