"""POST /api/models/<name>/backtest/: when an alert would have fired with other limits. Changes nothing."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import exceptions, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.backtest.outcome import Interval
from alerts.backtest.terms import Edits, why_not
from alerts.backtest.trial import DAYS, Backtest, Drawn, HeldAgainst, Trial
from alerts.backtest.words import notes, verdict
from alerts.catalogue import KINDS
from alerts.http import Refused, Unreachable
from alerts.kind import AlertKind
from alerts.objectives import ObjectiveRow
from alerts.policies import load_policies
from alerts.prometheus import Series
from controlplane.backtesting import Busy, candidates, errors_in, in_force, run
from models_registry.api.base import StrictSerializer
from models_registry.api.errors import ServerRefused, ServerUnreachable
from models_registry.fleet import FleetModel, load_model
from telemetry import promql

# So that an answer stays readable; the counts are of all.
MOST_FIRINGS, MOST_GAPS, MOST_SERIES = 500, 200, 50


class TooMany(exceptions.APIException):
    """Not more than a few at once."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "busy"


@extend_schema_field(OpenApiTypes.STR)
class DurationField(serializers.Field):
    """Whole seconds, written as Prometheus writes durations: 30s, 5m, 1h30m."""

    def to_internal_value(self, data: Any) -> int:
        try:
            return promql.seconds(str(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: int) -> str:
        return promql.duration(value)


class BacktestQuestionSerializer(StrictSerializer):
    """The limits to try. What is left out is as in the policy in force."""

    alert = serializers.CharField(help_text="An alert of the catalogue.")
    thresholds = serializers.DictField(child=serializers.FloatField(), required=False, default=dict)
    targets = serializers.DictField(
        child=serializers.FloatField(),
        required=False,
        default=dict,
        help_text="Of MLErrorBudgetBurn: targets of the model's objectives, by their names.",
    )
    feature_limits = serializers.DictField(
        child=serializers.FloatField(),
        required=False,
        default=dict,
        help_text="Limits of single features, by their names, in place of their own: a ratio, or a drift threshold.",
    )
    days = serializers.ChoiceField(choices=DAYS, default=7, help_text="How far to look back.")
    charts = serializers.BooleanField(default=False, help_text="Whether what was measured is answered, too.")

    def get_fields(self) -> dict[str, Any]:
        # `for` is a word of Python's.
        return {
            **super().get_fields(),
            "for": DurationField(required=False, help_text="For example 5m."),
            "window": DurationField(
                required=False,
                help_text="Judged only where the series over it were recorded: else it counts as no data.",
            ),
        }


class SpanSerializer(serializers.Serializer):
    """A stretch of time."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class FiringSerializer(SpanSerializer):
    """One alert's firing; `still`: it would be firing now."""

    labels = serializers.DictField(child=serializers.CharField())
    still = serializers.BooleanField()


class TrialSerializer(serializers.Serializer):
    """What an alert under some limits would have done. Firings that overlap are one of `count`."""

    policy = serializers.CharField()
    enabled = serializers.BooleanField(help_text="False: the policy is off, and nothing is counted.")
    thresholds = serializers.DictField(child=serializers.FloatField())
    targets = serializers.DictField(child=serializers.FloatField(), help_text="Of objectives, where it is about them.")
    feature_limits = serializers.DictField(child=serializers.FloatField(), help_text="Those that were tried.")
    no_data_seconds = serializers.IntegerField(help_text="Of the time asked for; more with a window not recorded yet.")
    count = serializers.IntegerField(allow_null=True)
    total_seconds = serializers.IntegerField(allow_null=True)
    longest_seconds = serializers.IntegerField(allow_null=True)
    firings = FiringSerializer(many=True, help_text=f"The newest {MOST_FIRINGS}.")

    def get_fields(self) -> dict[str, Any]:
        return {
            **super().get_fields(),
            "for": DurationField(),
            "window": DurationField(help_text="0s: it looks at the present, or over a window of its own."),
        }


class SeriesSerializer(serializers.Serializer):
    """One line of a chart."""

    labels = serializers.DictField(child=serializers.CharField())
    points = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)),
        help_text="Seconds since the epoch, and the value; null where it was no number.",
    )


class LimitSerializer(serializers.Serializer):
    """What it was held against: one number, or series where the limit moves; neither where there is none."""

    value = serializers.FloatField(allow_null=True)
    series = SeriesSerializer(many=True)


class ChartSerializer(serializers.Serializer):
    """One thing that the condition looks at, with the highest value in each step, and both limits."""

    title = serializers.CharField()
    unit = serializers.CharField()
    step_seconds = serializers.IntegerField()
    series = SeriesSerializer(many=True, help_text=f"The highest {MOST_SERIES}.")
    limit = LimitSerializer()
    present_limit = LimitSerializer(help_text="Where it differs.")
    problem = serializers.CharField(help_text="Why it could not be drawn; empty where it could.")


class BacktestSerializer(serializers.Serializer):
    """Edited limits beside those in force. `count` and times are null where nothing is known."""

    alert = serializers.CharField()
    model = serializers.CharField()
    days = serializers.IntegerField()
    verdict = serializers.CharField(help_text="All of it in words.")
    notes = serializers.ListField(child=serializers.CharField())
    asked = SpanSerializer(help_text="The time that was asked for.")
    looked_at = SpanSerializer(help_text="The part of it that Prometheus keeps and that could be read in time.")
    step_seconds = serializers.IntegerField()
    retention_seconds = serializers.IntegerField(allow_null=True)
    no_data_seconds = serializers.IntegerField(help_text="Of the time asked for, for the edited limits.")
    no_data = SpanSerializer(many=True, help_text=f"When nothing is known; the longest {MOST_GAPS}.")
    edited = TrialSerializer()
    present = TrialSerializer()
    charts = ChartSerializer(many=True, allow_null=True, help_text="Null where they were not asked for.")


class BacktestView(APIView):
    """Backtests. Everybody who is signed in may look back; saving a policy is another call."""

    @extend_schema(operation_id="models_backtest", request=BacktestQuestionSerializer, responses=BacktestSerializer)
    def post(self, request: Request, model_name: str) -> Response:
        """When an alert would have fired with other limits, beside the policy in force. Changes nothing.

        503 where Prometheus can't be reached (nothing is known then), or others look back. Takes up to 20 seconds.
        """
        model = load_model(model_name)
        if model is None:
            raise Http404
        question = BacktestQuestionSerializer(data=request.data)
        question.is_valid(raise_exception=True)
        asked = question.validated_data
        policies = load_policies()
        kind = _kind(asked["alert"], model, policies.objectives)
        edits = Edits(
            asked["thresholds"], asked.get("for"), asked.get("window"), asked["targets"], asked["feature_limits"]
        )
        present = in_force(kind, model, policies)
        errors = errors_in(kind, model, present, edits)
        if errors:
            raise serializers.ValidationError({_FIELDS.get(name, name): [error] for name, error in errors.items()})
        try:
            found = run(kind, model, present, edits, days=asked["days"], with_chart=asked["charts"])
        except Busy as error:
            raise TooMany(str(error)) from error
        except Unreachable as error:
            raise ServerUnreachable(f"{error}. When the alert would have fired is not known.") from error
        except Refused as error:
            raise ServerRefused(f"Prometheus refused: {error}") from error
        charts = [_chart(drawn) for drawn in found.drawn] if asked["charts"] else None
        return Response(BacktestSerializer({**shown(found), "charts": charts}).data)


_FIELDS = {"for_seconds": "for", "window_seconds": "window"}


def _kind(name: str, model: FleetModel, objectives: Sequence[ObjectiveRow]) -> AlertKind:
    kinds = {kind.name: kind for kind in candidates(model, objectives)}
    if name in kinds:
        return kinds[name]
    error = why_not(KINDS[name], model, objectives) if name in KINDS else f"There is no alert {name!r}."
    raise serializers.ValidationError({"alert": [f"{error} Those that can be: {', '.join(sorted(kinds))}."]})


def shown(found: Backtest) -> dict[str, Any]:
    """The backtest as the API writes it."""
    return {
        "alert": found.kind.name,
        "model": found.model.name,
        "days": found.days,
        "verdict": verdict(found),
        "notes": notes(found),
        "asked": _span(found.asked),
        "looked_at": _span(found.grid.span),
        "step_seconds": found.grid.step,
        "retention_seconds": found.kept,
        "no_data_seconds": found.edited.unseen_seconds,
        "no_data": [_span(g) for g in sorted(sorted(found.edited.unseen, key=lambda g: -g.seconds)[:MOST_GAPS])],
        "edited": _trial(found.edited),
        "present": _trial(found.present),
    }


def _trial(trial: Trial) -> dict[str, Any]:
    replay = None if trial.knows_nothing else trial.replay
    return {
        "policy": trial.limits.policy_id,
        "enabled": trial.limits.enabled,
        "thresholds": dict(trial.limits.thresholds),
        "for": trial.limits.for_,
        "window": trial.limits.window,
        "targets": {objective.name: objective.target for objective in trial.terms.objectives},
        "feature_limits": dict(trial.terms.feature_limits),
        "no_data_seconds": trial.unseen_seconds,
        "count": replay.count if replay else None,
        "total_seconds": replay.total if replay else None,
        "longest_seconds": replay.longest if replay else None,
        "firings": [
            {**_span(firing.at), "labels": dict(firing.labels), "still": firing.still}
            for firing in (replay.firings[-MOST_FIRINGS:] if replay else ())
        ],
    }


def _chart(drawn: Drawn) -> dict[str, Any]:
    highest = sorted(drawn.series, key=lambda s: -max((v for _, v in s.points if math.isfinite(v)), default=-math.inf))
    return {
        "title": drawn.comparison.title,
        "unit": drawn.comparison.unit.value,
        "step_seconds": drawn.step,
        "series": [_line(series) for series in highest[:MOST_SERIES]],
        "limit": _limit(drawn.limit),
        "present_limit": _limit(drawn.present_limit),
        "problem": drawn.problem,
    }


def _limit(limit: HeldAgainst) -> dict[str, Any]:
    moving = limit if isinstance(limit, tuple) else ()
    return {
        "value": None if isinstance(limit, tuple) else limit,
        "series": [_line(series) for series in moving[:MOST_SERIES]],
    }


def _line(series: Series) -> dict[str, Any]:
    points = [[at, value if math.isfinite(value) else None] for at, value in series.points]
    return {"labels": dict(series.labels), "points": points}


def _span(interval: Interval) -> dict[str, datetime]:
    return {
        "start": datetime.fromtimestamp(interval.start, UTC),
        "end": datetime.fromtimestamp(interval.end, UTC),
    }
