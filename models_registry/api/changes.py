"""/api/changes/ and /api/replicas/: what happened, and who serves. Read-only."""

from django_filters import rest_framework as filters
from rest_framework import serializers, viewsets

from models_registry.models import Change, Replica


class ChangeSerializer(serializers.ModelSerializer):
    """One change, with the object's export document before and after."""

    class Meta:
        model = Change
        fields = [
            "uuid",
            "at",
            "kind",
            "model_name",
            "version",
            "object_type",
            "object_name",
            "summary",
            "reason",
            "author",
            "before",
            "after",
        ]


class ChangeFilter(filters.FilterSet):
    """By model, version, kind, author and time."""

    since = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = Change
        fields = ["model_name", "version", "kind", "author", "object_type", "since", "until"]


class ChangeViewSet(viewsets.ReadOnlyModelViewSet):
    """Every change of state, newest first."""

    queryset = Change.objects.all()
    serializer_class = ChangeSerializer
    filterset_class = ChangeFilter
    search_fields = ["summary", "reason", "object_name"]
    ordering_fields = ["at"]


class ReplicaSerializer(serializers.ModelSerializer):
    """A serving process by its last heartbeat."""

    class Meta:
        model = Replica
        fields = ["name", "address", "started_at", "last_seen_at", "snapshot", "loaded", "errors"]


class ReplicaViewSet(viewsets.ReadOnlyModelViewSet):
    """Serving replicas."""

    queryset = Replica.objects.all()
    serializer_class = ReplicaSerializer
    lookup_field = "name"
    lookup_value_regex = "[^/]+"
    search_fields = ["name", "address"]
    ordering_fields = ["name", "last_seen_at", "started_at"]
    filterset_fields = ["snapshot"]
