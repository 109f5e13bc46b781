"""What the running Prometheus says of a release, over REST: beside the release, and asked for by POST."""

from typing import Any

from rest_framework import serializers

from controlplane.live_check.report import Report, report_of
from controlplane.live_check.words import alert_line
from controlplane.models import LiveCheck


class FindingSerializer(serializers.Serializer):
    """One thing that was found, and the rules that it holds for."""

    severity = serializers.CharField(help_text="fault, notice, unknown or note.")
    rules = serializers.ListField(child=serializers.CharField())
    text = serializers.CharField()
    asked = serializers.CharField(help_text="The expression that was asked about; a long one without its middle.")
    remedy = serializers.CharField()


class AlertFiringsSerializer(serializers.Serializer):
    """An alerting rule: what it did when it was looked at, and would have done over the day before."""

    rule = serializers.CharField()
    group = serializers.CharField()
    firing = serializers.IntegerField()
    pending = serializers.IntegerField()
    at = serializers.DateTimeField(help_text="When it was looked at.")
    told = serializers.SerializerMethodField(help_text="All of it in words.")
    firings = serializers.DictField(
        allow_null=True, help_text="times, total, longest, seen, unseen, step (seconds), still; null: not known."
    )

    def get_told(self, alert: Any) -> str:
        return alert_line(alert)


class LiveCheckSerializer(serializers.ModelSerializer):
    """How far it came, and all that was found."""

    groups_looked_at = serializers.SerializerMethodField()
    groups_left = serializers.IntegerField(source="left", allow_null=True, help_text="null: not counted yet.")
    findings = serializers.SerializerMethodField()
    findings_left_out = serializers.SerializerMethodField()
    alerts = serializers.SerializerMethodField()

    class Meta:
        model = LiveCheck
        fields: Any = [
            "state",
            "whole",
            "problem",
            "groups_looked_at",
            "groups_left",
            "due_at",
            "tried_at",
            "finished_at",
            "findings",
            "findings_left_out",
            "alerts",
            "prove",
            "proofs",
        ]

    def _report(self, check: LiveCheck) -> Report:
        return report_of(check.found)

    def get_groups_looked_at(self, check: LiveCheck) -> int:
        return len(check.found)

    def get_findings(self, check: LiveCheck) -> FindingSerializer(many=True):  # type: ignore[valid-type]
        return FindingSerializer(self._report(check).findings, many=True).data

    def get_findings_left_out(self, check: LiveCheck) -> int:
        return self._report(check).left_out

    def get_alerts(self, check: LiveCheck) -> AlertFiringsSerializer(many=True):  # type: ignore[valid-type]
        return AlertFiringsSerializer(self._report(check).alerts, many=True).data
