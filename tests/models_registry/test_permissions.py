"""Roles in teams decide; they are read once for each user object."""

import pytest
from django.contrib.auth.models import AnonymousUser, User

from models_registry.models import Member
from models_registry.permissions import (
    editable_models,
    may_create_teams,
    may_edit_model,
    may_edit_team,
    may_operate_model,
    may_register_models,
)
from tests.fixtures.registry import Registry, make_model, make_team, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]

PEOPLE = {
    # edit the model, operate it, edit the team, register models, make teams
    "owner": (True, True, True, True, False),
    "on_call": (False, True, False, False, False),
    "teammate": (False, False, False, False, False),
    "stranger": (False, False, False, False, False),
    "superuser": (True, True, True, True, True),
}


def allowed(user, registry: Registry) -> tuple[bool, ...]:
    return (
        may_edit_model(user, registry.model),
        may_operate_model(user, registry.model),
        may_edit_team(user, registry.team),
        may_register_models(user),
        may_create_teams(user),
    )


@pytest.mark.parametrize("person", PEOPLE)
def test_what_each_may(request, registry: Registry, person: str):
    assert allowed(request.getfixturevalue(person), registry) == PEOPLE[person]


@pytest.mark.parametrize("person", PEOPLE)
def test_whoever_is_not_active_may_nothing(request, registry: Registry, person: str):
    user = request.getfixturevalue(person)
    user.is_active = False
    assert not any(allowed(user, registry))
    assert editable_models(user) == set()


def test_anonymous_may_nothing(registry: Registry):
    assert not any(allowed(AnonymousUser(), registry))
    assert editable_models(AnonymousUser()) == set()


@pytest.mark.parametrize("owned", ["on_call_team", "applied_ml_team", "data_team"])
def test_an_editor_of_any_of_the_three_teams_edits_and_lists_the_model(registry: Registry, owned: str):
    mine = make_team("mine")
    model = make_model("shared", registry.team, **{owned: mine})
    editor = make_user("ed", mine, Member.Role.EDITOR)
    assert may_edit_model(editor, model)
    assert editable_models(editor) == {model.pk}


def test_on_call_of_another_team_of_the_model_does_not_operate_it(registry: Registry):
    mine = make_team("mine")
    model = make_model("shared", registry.team, data_team=mine)
    assert not may_operate_model(make_user("oc", mine, Member.Role.ON_CALL), model)


def test_a_page_that_asks_often_reads_the_roles_once(registry: Registry, owner: User, django_assert_num_queries):
    user = User.objects.get(pk=owner.pk)
    with django_assert_num_queries(1):
        for _ in range(10):
            allowed(user, registry)
