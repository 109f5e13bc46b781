"""The admin's composition: the model's page joins the other rooms' inlines; people, for superusers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.forms import BaseModelFormSet
from django.http import HttpRequest
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from alerts.admin import CustomAlertInline, ObjectiveInline, PolicyInline
from alerts.digests.words import digest_words
from alerts.models import AlertPolicy, CustomAlert, Objective, Runbook
from alerts.policy_edits import delete_objective, save_objective
from controlplane.admin import runbook_inline
from controlplane.admin.restarts import (
    TellsRestartsByDoing,
    ToldCustomAlertAdmin,
    ToldFeatureAdmin,
    ToldObjectiveAdmin,
    ToldPolicyAdmin,
)
from controlplane.admin.runbook_inline import RunbookInline, TeamRunbookInline
from drift.admin import BusinessProxyInline, DriftCheckInline
from drift.edits import delete_check, save_check
from drift.models import BusinessProxy, DriftCheck
from drift.proxy_edits import delete_proxy, save_proxy
from models_registry.actor import Actor
from models_registry.admin.base import formset_of
from models_registry.admin.models import MLModelAdmin
from models_registry.admin.teams import TeamAdmin
from models_registry.models import Feature, MLModel, Team


@dataclass(frozen=True)
class RoomEdits:
    """How a room writes its rows of the model's page."""

    save: Callable[..., Any]
    delete: Callable[..., Any]


ROOMS: dict[type[Model], RoomEdits] = {
    DriftCheck: RoomEdits(save_check, delete_check),
    BusinessProxy: RoomEdits(save_proxy, delete_proxy),
    Objective: RoomEdits(save_objective, delete_objective),
    Runbook: RoomEdits(runbook_inline.save_row, runbook_inline.delete_row),
}

# The registry can't know the other rooms; its page is replaced by one that does.
admin.site.unregister(MLModel)


@admin.register(MLModel)
class ComposedModelAdmin(TellsRestartsByDoing, MLModelAdmin):
    """The model's page with what the other rooms keep of it, and with what an edit does to its alerts."""

    inlines = [
        *MLModelAdmin.inlines,
        DriftCheckInline,
        BusinessProxyInline,
        ObjectiveInline,
        PolicyInline,
        CustomAlertInline,
        RunbookInline,
    ]

    def links(self, model: MLModel) -> list[tuple[str, str]]:
        """Where the other rooms' things are added, too."""
        return [
            *super().links(model),
            (f"{reverse('admin:alerts_alertpolicy_add')}?model={model.name}", "Add an alert policy"),
            (f"{reverse('admin:alerts_customalert_add')}?model={model.name}", "Add an alert of its own"),
        ]

    def save_row(self, obj: MLModel, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        """Each room's rows through that room's functions, in the page's one transaction."""
        formsets = list(formsets)
        super().save_row(obj, formsets, actor)
        for formset in formsets:
            edits = ROOMS.get(formset.model) if formset.model else None
            if edits is not None:
                _write(formset, obj, edits, actor)


def _write(formset: Any, owner: MLModel | Team, edits: RoomEdits, actor: Actor) -> None:
    for row in formset.deleted_objects:
        edits.delete(row, actor=actor)
    for row in [*formset.new_objects, *(row for row, _ in formset.changed_objects)]:
        setattr(row, formset.fk.name, owner)
        edits.save(row, actor=actor)


admin.site.unregister(Team)


@admin.register(Team)
class ComposedTeamAdmin(TeamAdmin):
    """The team's page with what becomes of its tickets while it is away, and its models' runbooks."""

    inlines = [*TeamAdmin.inlines, TeamRunbookInline]
    fieldsets = [*TeamAdmin.fieldsets, ("While it is away", {"fields": ["digest"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "digest"]

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """A team that is only being made can't own a text yet."""
        return self.inlines if obj else TeamAdmin.inlines

    def save_row(self, obj: Team, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        """The runbooks through their own functions, in the page's one transaction."""
        formsets = list(formsets)
        super().save_row(obj, formsets, actor)
        runbooks = formset_of(Runbook, formsets)
        if runbooks is not None:
            _write(runbooks, obj, ROOMS[Runbook], actor)

    @display(description="Digest of muted tickets")
    def digest(self, team: Team) -> str:
        """Empty while the team is being made."""
        return digest_words(team) if team.pk else ""


# What makes rules says what an edit restarts: that takes the rendered rules, which the room of alerts has, and the
# settings and servers, which it hasn't.
TELLING: dict[type[Model], type[ModelAdmin]] = {
    AlertPolicy: ToldPolicyAdmin,
    CustomAlert: ToldCustomAlertAdmin,
    Objective: ToldObjectiveAdmin,
    Feature: ToldFeatureAdmin,
}
for kind, page in TELLING.items():
    admin.site.unregister(kind)
    admin.site.register(kind, page)


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(UserAdmin, ModelAdmin):
    """People. Superusers write; everybody else sees names only, to choose members of a team by."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "is_active", "is_superuser"]
    list_filter = ["is_active", "is_superuser"]
    actions = None
    readonly_fields = ["last_login", "date_joined"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        (
            "Access",
            {
                "fields": ["is_active", "is_staff", "is_superuser"],
                "description": "Staff may sign in here. What somebody may change follows from their roles in teams.",
            },
        ),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"classes": ["wide"], "fields": ["username", "password1", "password2"]})]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if request.user.is_superuser:
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": ["username", "first_name", "last_name"]})]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Whoever is added here is to sign in here."""
        if not change:
            obj.is_staff = True
        super().save_model(request, obj, form, change)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)
