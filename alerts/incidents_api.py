"""/api/incidents/: what fired, since when, until when. Read-only: Alertmanager and Prometheus are the authors."""

from django_filters import rest_framework as filters
from rest_framework import serializers, viewsets

from alerts.models import Incident


class IncidentSerializer(serializers.ModelSerializer):
    """One firing of one alert; `ends_at` is null while it is open."""

    class Meta:
        model = Incident
        fields = [
            "id",
            "fingerprint",
            "alert",
            "model_name",
            "model_version",
            "feature_name",
            "severity",
            "team",
            "plane",
            "starts_at",
            "ends_at",
            "source",
            "labels",
            "annotations",
        ]


class IncidentFilter(filters.FilterSet):
    """By what it is about, whose it is, and whether it is open."""

    open = filters.BooleanFilter(field_name="ends_at", lookup_expr="isnull")
    since = filters.IsoDateTimeFilter(field_name="starts_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="starts_at", lookup_expr="lt")

    class Meta:
        model = Incident
        fields = ["alert", "model_name", "model_version", "feature_name", "severity", "team", "plane"]


class IncidentViewSet(viewsets.ReadOnlyModelViewSet):
    """Incidents, newest first."""

    queryset = Incident.objects.all()
    serializer_class = IncidentSerializer
    filterset_class = IncidentFilter
    search_fields = ["alert", "model_name", "feature_name"]
    ordering_fields = ["starts_at", "ends_at"]
