"""/api/releases/: every attempt to publish, with its outcome, its way and its diff; and what Prometheus says of it."""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api.live_check import LiveCheckSerializer
from controlplane.live_check.turns import NotCurrent, ask
from controlplane.models import Release
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.wake import wake
from models_registry.api.errors import Conflict


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
            "pending_alerts",
            "tries",
            "started_at",
            "finished_at",
        ]


class WholeReleaseSerializer(ReleaseSerializer):
    """One attempt with its steps and its diff, and what the running Prometheus says of it (null: not asked yet)."""

    live_check = LiveCheckSerializer(read_only=True, allow_null=True, default=None)

    class Meta(ReleaseSerializer.Meta):
        fields = [*ReleaseSerializer.Meta.fields, "changed_groups", "log", "diff", "live_check"]


class ReleaseViewSet(viewsets.ReadOnlyModelViewSet):
    """Releases, newest first."""

    queryset = Release.objects.all()
    filterset_fields = ["outcome", "hash"]
    search_fields = ["hash", "author", "reason"]
    ordering_fields = ["id", "started_at"]

    def get_serializer_class(self) -> type[ReleaseSerializer]:
        # A diff can be long: a list of fifty would be unreadable, and slow.
        return WholeReleaseSerializer if self.action == "retrieve" else ReleaseSerializer

    def get_queryset(self) -> QuerySet[Release]:
        rows = super().get_queryset()
        return rows.select_related("live_check") if self.action == "retrieve" else rows

    @extend_schema(request=None, responses={202: LiveCheckSerializer})
    def live_check(self, request: Request, pk: int) -> Response:
        """Have Prometheus asked about all rules of the release in force, and all its proofs run, in the background.

        Safe to repeat. 409 where the release is not the one in force.
        """
        release = self.get_object()
        try:
            check = ask(release, ReleaseFiles.from_settings(settings).current_hash(), timezone.now(), prove=True)
        except NotCurrent as error:
            raise Conflict(str(error)) from error
        transaction.on_commit(wake, robust=True)
        return Response(LiveCheckSerializer(check).data, status=status.HTTP_202_ACCEPTED)
