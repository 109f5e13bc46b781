"""Teams, with their receivers and members."""

from collections.abc import Iterable
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.forms import BaseModelFormSet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelect2Widget

from models_registry.actor import Actor
from models_registry.admin.base import RegistryAdmin, formset_of, kept_rows
from models_registry.edits import save_team
from models_registry.models import Member, Receiver, Team
from models_registry.models.team import WEEKDAYS, working_days
from models_registry.permissions import may_create_teams, may_edit_team
from models_registry.removal import delete_team


class TeamForm(forms.ModelForm):
    """A team; days as check boxes, the time zone from the list."""

    working_days = forms.MultipleChoiceField(
        choices=[(day, day.capitalize()) for day in WEEKDAYS],
        required=False,
        initial=working_days,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Tickets wait for these days and hours. Pages never wait.",
    )
    time_zone = forms.ChoiceField(
        choices=[(zone, zone) for zone in sorted(available_timezones())], widget=UnfoldAdminSelect2Widget, initial="UTC"
    )

    class Meta:
        model = Team
        fields = ["name", "description", "time_zone", "always_on_duty", "hours_start", "hours_end", "working_days"]


class OfTeamInline(TabularInline):
    """Rows of a team: its editors write them."""

    tab = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_create_teams(request.user) if obj is None else may_edit_team(request.user, obj)

    has_add_permission = has_change_permission
    has_delete_permission = has_change_permission


class ReceiverInline(OfTeamInline):
    """Where the team's pages and tickets go: one of each."""

    model = Receiver
    fields = ["severity", "kind", "address", "secret_file"]
    extra = 1
    max_num = len(Receiver.Severity)


class MemberInline(OfTeamInline):
    """The team's people."""

    model = Member
    fields = ["user", "role"]
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Team)
class TeamAdmin(RegistryAdmin):
    """Teams own models and receive their alerts."""

    form = TeamForm
    inlines = [ReceiverInline, MemberInline]
    list_display = ["name", "description", "duty", "pages", "tickets"]
    list_filter = ["always_on_duty"]
    search_fields = ["name", "description"]
    fieldsets = [
        (None, {"fields": ["name", "description"]}),
        ("On duty", {"fields": ["always_on_duty", "time_zone", ("hours_start", "hours_end"), "working_days"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        rows: QuerySet[Team] = super().get_queryset(request)
        return rows.prefetch_related("receivers")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name"] if obj else []

    @display(description="On duty")
    def duty(self, team: Team) -> str:
        """The team's hours in its own time zone."""
        return (
            "always" if team.always_on_duty else f"{team.hours_start:%H:%M} to {team.hours_end:%H:%M} {team.time_zone}"
        )

    @display(description="Pages go to")
    def pages(self, team: Team) -> str:
        """The page receiver's kind."""
        return self._receiver(team, Receiver.Severity.PAGE)

    @display(description="Tickets go to")
    def tickets(self, team: Team) -> str:
        """The ticket receiver's kind."""
        return self._receiver(team, Receiver.Severity.TICKET)

    def _receiver(self, team: Team, severity: str) -> str:
        kinds = [r.get_kind_display() for r in team.receivers.all() if r.severity == severity]
        return kinds[0] if kinds else "nowhere"

    def may_edit(self, user: Any, obj: Team) -> bool:
        return may_edit_team(user, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_create_teams(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_create_teams(request.user)

    def save_row(self, obj: Team, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        receivers, members = formset_of(Receiver, formsets), formset_of(Member, formsets)
        save_team(
            obj,
            actor=actor,
            receivers=None if receivers is None else kept_rows(receivers),
            members=None if members is None else kept_rows(members),
        )

    def delete_row(self, obj: Team, actor: Actor) -> None:
        delete_team(obj, actor=actor)
