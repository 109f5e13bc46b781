"""Who may do what to a model or a team. Everybody who is signed in may read."""

from typing import Any

from models_registry.models import Member, MLModel, Team


def _roles(user: Any, team_ids: set[int]) -> set[tuple[int, str]]:
    if not user.is_authenticated or not user.is_active:
        return set()
    return set(Member.objects.filter(user=user, team_id__in=team_ids).values_list("team_id", "role"))


def _teams(model: MLModel) -> set[int]:
    return {model.on_call_team_id, model.applied_ml_team_id, model.data_team_id}


def may_edit_model(user: Any, model: MLModel) -> bool:
    """Editors of any of the model's three teams, and superusers."""
    if user.is_active and user.is_superuser:
        return True
    return any(role == Member.Role.EDITOR for _, role in _roles(user, _teams(model)))


def may_operate_model(user: Any, model: MLModel) -> bool:
    """Shift traffic back, pause checks, silence: whoever may edit, and the on-call of the model's on-call team."""
    if user.is_active and user.is_superuser:
        return True
    roles = _roles(user, _teams(model))
    return any(role == Member.Role.EDITOR for _, role in roles) or (
        (model.on_call_team_id, Member.Role.ON_CALL.value) in roles
    )


def may_edit_team(user: Any, team: Team) -> bool:
    """The team's editors, and superusers."""
    if user.is_active and user.is_superuser:
        return True
    return any(role == Member.Role.EDITOR for _, role in _roles(user, {team.pk}))


def may_create_teams(user: Any) -> bool:
    """Superusers: a team is part of the organisation, not of a model."""
    return bool(user.is_active and user.is_superuser)


def may_register_models(user: Any) -> bool:
    """Editors of at least one team, and superusers."""
    if not user.is_authenticated or not user.is_active:
        return False
    return user.is_superuser or Member.objects.filter(user=user, role=Member.Role.EDITOR).exists()


def editable_models(user: Any) -> set[int]:
    """The ids of the models that `user` may edit, in one query: for lists."""
    if user.is_active and user.is_superuser:
        return set(MLModel.objects.values_list("pk", flat=True))
    if not user.is_authenticated:
        return set()
    teams = Team.objects.filter(members__user=user, members__role=Member.Role.EDITOR)
    return set(
        MLModel.objects.filter(on_call_team__in=teams).values_list("pk", flat=True)
        | MLModel.objects.filter(applied_ml_team__in=teams).values_list("pk", flat=True)
        | MLModel.objects.filter(data_team__in=teams).values_list("pk", flat=True)
    )
