"""/api/releases/: every attempt to publish, with its outcome, its way and its diff. Read-only."""

from typing import Any

from rest_framework import serializers, viewsets

from controlplane.models import Release


class ReleaseSerializer(serializers.ModelSerializer):
    """One attempt, as lists show it."""

    class Meta:
        model = Release
        fields: Any = [
            "id",
            "hash",
            "base_hash",
            "author",
            "outcome",
            "reason",
            "restarted_alerts",
            "started_at",
            "finished_at",
        ]


class WholeReleaseSerializer(ReleaseSerializer):
    """One attempt with its steps and its diff."""

    class Meta(ReleaseSerializer.Meta):
        fields = [*ReleaseSerializer.Meta.fields, "changed_groups", "log", "diff"]


class ReleaseViewSet(viewsets.ReadOnlyModelViewSet):
    """Releases, newest first."""

    queryset = Release.objects.all()
    filterset_fields = ["outcome", "hash"]
    search_fields = ["hash", "author", "reason"]
    ordering_fields = ["id", "started_at"]

    def get_serializer_class(self) -> type[ReleaseSerializer]:
        # A diff can be long: a list of fifty would be unreadable, and slow.
        return WholeReleaseSerializer if self.action == "retrieve" else ReleaseSerializer
