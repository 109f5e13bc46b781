"""Alert policies: where a team or a model differs from the catalogue."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from alerts.policy_fields import check_policy
from models_registry.models import MLModel, Team


class Severity(models.TextChoices):
    PAGE = "page", "Page: wakes somebody"
    TICKET = "ticket", "Ticket: waits for working hours"


class AlertPolicy(models.Model):
    """One alert's limits for everybody, for a team's models or for one model. Empty: as in the wider policy."""

    alert = models.CharField(max_length=64)
    team = models.ForeignKey(
        Team,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="alert_policies",
        help_text="For the models of this team: the on-call team for health alerts, applied ML for quality alerts.",
    )
    model = models.ForeignKey(
        MLModel,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="alert_policies",
        help_text="For this model alone. With neither team nor model, the policy holds for everybody.",
    )
    thresholds = models.JSONField(
        default=dict,
        blank=True,
        help_text='Limits by name, for example {"seconds": 0.5}. What is left out comes from the wider policy.',
    )
    window_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="How far back the alert looks. Empty: as in the wider policy."
    )
    for_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="How long the condition must hold. Empty: as in the wider policy."
    )
    severity = models.CharField(
        max_length=6, choices=Severity, blank=True, help_text="Empty: as in the wider policy, or by the model's risk."
    )
    notify = models.ForeignKey(
        Team,
        # A team that is told can't be deleted; with a policy of its own that tells itself, it can.
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        related_name="told_by_policies",
        help_text="The team that is told, in place of whose role it is. Empty: as in the wider policy, or by role. "
        "Only its editors, and the platform team's, may name a team.",
    )
    enabled = models.BooleanField(default=True, help_text="Off: no rule is rendered for the models of this policy.")

    class Meta:
        verbose_name = "alert policy"
        verbose_name_plural = "alert policies"
        ordering = ["alert", "team", "model"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(team__isnull=True) | models.Q(model__isnull=True),
                name="policy_of_a_team_or_of_a_model",
            ),
            models.UniqueConstraint(
                fields=["alert"],
                condition=models.Q(team__isnull=True, model__isnull=True),
                name="one_default_policy_per_alert",
            ),
            models.UniqueConstraint(
                fields=["alert", "team"],
                condition=models.Q(team__isnull=False),
                name="one_policy_per_alert_and_team",
            ),
            models.UniqueConstraint(
                fields=["alert", "model"],
                condition=models.Q(model__isnull=False),
                name="one_policy_per_alert_and_model",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alert} ({self.policy_id})"

    @property
    def policy_id(self) -> str:
        """`default`, `team:x` or `model:y`: the value of the alert's label `policy`."""
        if self.model is not None:
            return f"model:{self.model.name}"
        return f"team:{self.team.name}" if self.team is not None else "default"

    def clean(self) -> None:
        errors = check_policy(
            self.alert,
            scoped=self.team_id is not None or self.model_id is not None,
            thresholds=self.thresholds,
            window_seconds=self.window_seconds,
            for_seconds=self.for_seconds,
            scrape_interval=settings.SCRAPE_INTERVAL_SECONDS,
        )
        if self.team_id is not None and self.model_id is not None:
            errors["model"] = "A policy is for a team or for a model, not for both: empty one of the two."
        if errors:
            raise ValidationError(errors)
