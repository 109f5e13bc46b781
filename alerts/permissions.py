"""Who may change what wakes whom. Everybody who is signed in may read."""

from typing import Any

from django.conf import settings

from alerts.models import AlertPolicy, CustomAlert, Objective, Runbook
from models_registry.models import Team
from models_registry.permissions import may_edit_model, may_edit_team


def may_edit_policy(user: Any, policy: AlertPolicy) -> bool:
    """A model's policy: the model's editors; a team's: the team's; everybody's: the platform team's."""
    if policy.model is not None:
        return may_edit_model(user, policy.model)
    if policy.team is not None:
        return may_edit_team(user, policy.team)
    return may_edit_defaults(user)


def may_edit_defaults(user: Any) -> bool:
    """Editors of the platform team, and superusers: a default policy holds for every model."""
    if user.is_active and user.is_superuser:
        return True
    platform = Team.objects.filter(name=settings.PLATFORM_TEAM).first()
    return platform is not None and may_edit_team(user, platform)


def may_let_be_told(user: Any, team: Team) -> bool:
    """Name the team in a policy, so that it is told of others' alerts: its own editors, and the platform team's."""
    return may_edit_team(user, team) or may_edit_defaults(user)


def names_a_team_of_others(user: Any, policy: AlertPolicy) -> bool:
    """Whether the policy, as it is about to be saved, newly names a team that `user` may not let be told."""
    stored = AlertPolicy.objects.filter(pk=policy.pk).values_list("notify", flat=True).first() if policy.pk else None
    return policy.notify is not None and policy.notify.pk != stored and not may_let_be_told(user, policy.notify)


def who_may_let_be_told(team: Team) -> str:
    """For the refusal."""
    return f"editors of {team}, who would be told, or of the platform team"


def may_edit_custom_alert(user: Any, alert: CustomAlert) -> bool:
    """The editors of the alert's model."""
    return may_edit_model(user, alert.model)


def may_edit_objective(user: Any, objective: Objective) -> bool:
    """The editors of the objective's model."""
    return may_edit_model(user, objective.model)


def may_edit_runbook(user: Any, runbook: Runbook) -> bool:
    """The editors of what it is for: the model's teams, or the team."""
    if runbook.model is not None:
        return may_edit_model(user, runbook.model)
    return runbook.team is not None and may_edit_team(user, runbook.team)
