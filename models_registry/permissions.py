"""Who may do what to a model or a team. Everybody who is signed in may read."""

from typing import Any

from django.db.models import Q

from models_registry.models import Member, MLModel, Team

EDITOR = Member.Role.EDITOR.value
ON_CALL = Member.Role.ON_CALL.value


def roles(user: Any) -> dict[int, str]:
    """Team id to role. Read once for each user object, which lives as long as a request: a page asks often."""
    if not user.is_authenticated or not user.is_active:
        return {}
    if not hasattr(user, "roles_by_team"):
        user.roles_by_team = dict(Member.objects.filter(user=user.pk).values_list("team_id", "role"))
    known: dict[int, str] = user.roles_by_team
    return known


def _is_superuser(user: Any) -> bool:
    return bool(user.is_authenticated and user.is_active and user.is_superuser)


def _edited_teams(user: Any) -> set[int]:
    return {team for team, role in roles(user).items() if role == EDITOR}


def may_edit_model(user: Any, model: MLModel) -> bool:
    """Editors of any of the model's three teams, and superusers."""
    teams = {model.on_call_team_id, model.applied_ml_team_id, model.data_team_id}
    return _is_superuser(user) or bool(teams & _edited_teams(user))


def may_operate_model(user: Any, model: MLModel) -> bool:
    """Shift traffic back, pause checks, silence: whoever may edit, and the on-call of the model's on-call team."""
    return may_edit_model(user, model) or roles(user).get(model.on_call_team_id) == ON_CALL


def may_edit_team(user: Any, team: Team) -> bool:
    """The team's editors, and superusers."""
    return _is_superuser(user) or team.pk in _edited_teams(user)


def may_create_teams(user: Any) -> bool:
    """Superusers: a team is part of the organisation, not of a model."""
    return _is_superuser(user)


def may_register_models(user: Any) -> bool:
    """Editors of at least one team, and superusers."""
    return _is_superuser(user) or bool(_edited_teams(user))


def editable_models(user: Any) -> set[int]:
    """The ids of the models that `user` may edit, in one query: for lists."""
    models = MLModel.objects.all()
    if not _is_superuser(user):
        teams = _edited_teams(user)
        models = models.filter(Q(on_call_team__in=teams) | Q(applied_ml_team__in=teams) | Q(data_team__in=teams))
    return set(models.values_list("pk", flat=True))
