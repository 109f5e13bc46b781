"""`teams`: what a document states is all of the team; receivers and members, where left out, stay as they are."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from controlplane import registry_shape as shape
from controlplane.registry_sections.section import Applying, Exported, Section, Stored, fill
from models_registry.documents import team_document
from models_registry.edits import check_team, save_team
from models_registry.models import Member, Receiver, Team
from models_registry.removal import delete_team

RECEIVER = shape.Document(
    {"kind": shape.one_of(*Receiver.Kind.values), "address": shape.TEXT, "secret_file": shape.TEXT},
    frozenset({"kind"}),
)
TEAM = shape.Document(
    {
        "name": shape.TEXT,
        "description": shape.TEXT,
        "time_zone": shape.TEXT,
        "always_on_duty": shape.TRUTH,
        "hours_start": shape.CLOCK,
        "hours_end": shape.CLOCK,
        "working_days": shape.TEXTS,
        "receivers": shape.Named(RECEIVER),
        "members": shape.Named(shape.one_of(*Member.Role.values)),
    },
    frozenset({"name"}),
)
COLLECTIONS = {"receivers", "members"}


def _apply(document: dict[str, Any], applying: Applying) -> None:
    members = None
    with applying.at():
        members = _members(document)
    with applying.at():
        team = Team.objects.filter(name=document["name"]).first() or Team()
        fill(team, document, TEAM.fields.keys() - COLLECTIONS)
        receivers = _receivers(document)
        if applying.failed:
            check_team(team, receivers)
        else:
            applying.wrote(save_team(team, actor=applying.actor, receivers=receivers, members=members))


def _receivers(document: dict[str, Any]) -> list[Receiver] | None:
    if "receivers" not in document:
        return None
    return [Receiver(severity=severity, **fields) for severity, fields in document["receivers"].items()]


def _members(document: dict[str, Any]) -> list[Member] | None:
    if "members" not in document:
        return None
    users = {u.get_username(): u for u in get_user_model().objects.filter(username__in=document["members"])}
    missing = [name for name in document["members"] if name not in users]
    if missing:
        told = "There is no such user: add them under Users first, or leave them out."
        raise ValidationError({f"members.{name}": told for name in missing})
    return [Member(user=users[name], role=role) for name, role in document["members"].items()]


def _export(model: str | None) -> Exported:
    teams = Team.objects.prefetch_related("receivers", "members__user")
    if model is not None:
        models = ("on_call_models", "applied_ml_models", "data_models", "features__model", "told_by_policies__model")
        owned = [f"{path}__name" for path in models]
        ids = {pk for path in owned for pk in Team.objects.filter(**{path: model}).values_list("pk", flat=True)}
        teams = teams.filter(pk__in=ids)
    return sorted((team_document(team) for team in teams), key=lambda d: str(d["name"]))


def _stored() -> Iterator[Stored]:
    for row in Team.objects.prefetch_related("receivers", "members__user"):
        yield Stored((row.name,), partial(delete_team, row), team=row.name)


TEAMS = Section("teams", shape.Documents(TEAM, ("name",)), _apply, _export, _stored)
