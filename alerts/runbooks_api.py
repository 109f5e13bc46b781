"""/api/runbooks/: the texts that teams wrote, for one model or for all of theirs, in place of the shipped ones."""

from typing import Any

from django.http import Http404
from rest_framework import serializers

from alerts.models import Runbook
from alerts.permissions import may_edit_runbook
from alerts.runbook_editing import About, drop_runbook, save_runbook, stored_runbook
from alerts.subject import concerns_models, is_known
from models_registry.actor import Actor
from models_registry.api.base import RowViewSet, StrictModelSerializer, require
from models_registry.models import MLModel, Team

# What a text is for, for good.
IDENTITY = ("alert", "model", "team")


class RunbookSerializer(StrictModelSerializer):
    """The text for an alert of one model, or, with `team`, of all its models that have none of their own."""

    model = serializers.SlugRelatedField(
        slug_field="name", queryset=MLModel.objects.all(), required=False, allow_null=True
    )
    team = serializers.SlugRelatedField(slug_field="name", queryset=Team.objects.all(), required=False, allow_null=True)
    owner_team = serializers.SlugRelatedField(
        slug_field="name", queryset=Team.objects.all(), help_text="Keeps it up to date."
    )
    scope = serializers.CharField(read_only=True, help_text="`model:<name>` or `team:<name>`, as in the address.")

    class Meta:
        model = Runbook
        fields = ["alert", "model", "team", "scope", "owner_team", "review_by", "body", "updated_at"]
        read_only_fields = ["updated_at"]
        # The functions that write it say it with the remedy, for every way in.
        validators: list[Any] = []

    def validate_alert(self, alert: str) -> str:
        """One about models."""
        if not is_known(alert) or not concerns_models(alert):
            raise serializers.ValidationError(f"There is no alert {alert!r} about a model: see /api/alert-catalogue/.")
        return alert

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """For a model or for a team's models, and for good."""
        if self.instance is None:
            if (attrs.get("model") is None) == (attrs.get("team") is None):
                raise serializers.ValidationError({"model": "State the model, or the team whose models it is for."})
            return attrs
        moved = [name for name in IDENTITY if name in attrs and attrs[name] != getattr(self.instance, name)]
        if moved:
            told = "A runbook is for one alert of one model or team, for good: write another one, and drop this."
            raise serializers.ValidationError(dict.fromkeys(moved, told))
        return attrs


class RunbookViewSet(RowViewSet):
    """Runbooks that teams wrote. An item's address is its alert and `model:<name>` or `team:<name>`."""

    queryset = Runbook.objects.select_related("model", "team", "owner_team")
    serializer_class = RunbookSerializer
    search_fields = ["alert", "body", "model__name", "team__name"]
    ordering_fields = ["alert", "review_by", "updated_at"]
    filterset_fields = ["alert", "model__name", "team__name", "owner_team__name"]

    def get_object(self) -> Runbook:
        """The text that the address names."""
        scope, _, name = self.kwargs["scope"].partition(":")
        if scope not in ("model", "team"):
            raise Http404
        found = self.get_queryset().filter(alert=self.kwargs["alert"], **{f"{scope}__name": name}).first()
        if found is None:
            raise Http404
        return found

    def new(self, fields: dict[str, Any]) -> Runbook:
        return Runbook(**fields)

    def check_edit(self, row: Any) -> None:
        whose = f"the teams of {row.model}" if row.model else row.team
        require(may_edit_runbook(self.request.user, row), f"editors of {whose}")

    def save(self, row: Any, nested: dict[str, Any], actor: Actor) -> None:
        about = _about(row)
        if row.pk is None and stored_runbook(row.alert, about) is not None:
            raise serializers.ValidationError({"alert": [f"There is a {row} already: change that one."]})
        given = {name: getattr(row, name) for name in ("body", "owner_team", "review_by")}
        save_runbook(row.alert, about, actor=actor, **given)
        row.pk = row.pk or Runbook.objects.get(alert=row.alert, model=row.model, team=row.team).pk

    def remove(self, row: Any, actor: Actor) -> None:
        """The wider text holds again."""
        drop_runbook(row.alert, _about(row), actor=actor)


def _about(row: Runbook) -> About:
    about = row.model or row.team
    if about is None:
        raise ValueError(f"{row} is neither a model's nor a team's.")
    return about
