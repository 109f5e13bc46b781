"""/api/teams/: teams with their receivers and members."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Model
from rest_framework import serializers

from models_registry.actor import Actor
from models_registry.api.base import RowViewSet, StrictModelSerializer, require
from models_registry.edits import check_team, save_team
from models_registry.models import Member, Receiver, Team
from models_registry.permissions import may_create_teams, may_edit_team
from models_registry.removal import delete_team


class ReceiverSerializer(StrictModelSerializer):
    """Where pages or tickets go."""

    class Meta:
        model = Receiver
        fields = ["severity", "kind", "address", "secret_file"]


class MemberSerializer(StrictModelSerializer):
    """A person of the team."""

    user = serializers.SlugRelatedField(slug_field="username", queryset=get_user_model().objects.all())

    class Meta:
        model = Member
        fields = ["user", "role"]


class TeamSerializer(StrictModelSerializer):
    """A team. `receivers` and `members`, where given, replace those that it has."""

    receivers = ReceiverSerializer(many=True, required=False)
    members = MemberSerializer(many=True, required=False)
    working_days = serializers.ListField(child=serializers.CharField(), required=False)

    class Meta:
        model = Team
        fields = [
            "name",
            "description",
            "time_zone",
            "always_on_duty",
            "hours_start",
            "hours_end",
            "working_days",
            "receivers",
            "members",
        ]


class TeamViewSet(RowViewSet):
    """Teams. Superusers create and delete them; a team's editors change it."""

    queryset = Team.objects.prefetch_related("receivers", "members__user")
    serializer_class = TeamSerializer
    lookup_field = "name"
    search_fields = ["name", "description"]
    ordering_fields = ["name"]
    filterset_fields = ["always_on_duty", "members__user__username"]
    nested_fields = ("receivers", "members")

    def new(self, fields: dict[str, Any]) -> Team:
        return Team(**fields)

    def check_edit(self, row: Model) -> None:
        user = self.request.user
        if row.pk is None or self.action == "destroy":
            require(may_create_teams(user), "superusers")
        else:
            require(may_edit_team(user, row), f"editors of {row}")  # type: ignore[arg-type]

    def check(self, row: Team, nested: dict[str, Any]) -> None:
        check_team(row, **_collections(nested))

    def save(self, row: Team, nested: dict[str, Any], actor: Actor) -> None:
        save_team(row, actor=actor, **_collections(nested))

    def remove(self, row: Team, actor: Actor) -> None:
        delete_team(row, actor=actor)


def _collections(nested: dict[str, Any]) -> dict[str, Any]:
    """The rows of the team that the request states; None for those that it leaves as they are."""
    receivers, members = nested.get("receivers"), nested.get("members")
    return {
        "receivers": None if receivers is None else [Receiver(**fields) for fields in receivers],
        "members": None if members is None else [Member(**fields) for fields in members],
    }
