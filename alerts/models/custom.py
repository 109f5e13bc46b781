"""Custom alerts: a condition of a team's own on one model, with the two cases that prove it."""

from django.core.exceptions import ValidationError
from django.db import models

from alerts.custom_fields import check_custom_alert
from alerts.models.policy import Severity
from models_registry.models import MLModel


class CustomAlert(models.Model):
    """An alert written by hand. Its `model_name` is forced to the model's, so that its owners are the ones told."""

    class Owner(models.TextChoices):
        ON_CALL = "on_call", "The model's on-call team"
        APPLIED_ML = "applied_ml", "The model's applied-ML team"
        DATA = "data", "The model's data team"

    model = models.ForeignKey(MLModel, on_delete=models.CASCADE, related_name="custom_alerts")
    name = models.CharField(
        max_length=64, unique=True, help_text="A letter, then letters and digits, for example LateFlightsTooMany."
    )
    expression = models.TextField(
        help_text="PromQL. Each series that it answers with is an alert; write the limit into it, with > or <."
    )
    for_seconds = models.PositiveIntegerField(default=300, help_text="How long the condition must hold.")
    severity = models.CharField(max_length=6, choices=Severity, default=Severity.TICKET)
    owner = models.CharField(max_length=10, choices=Owner, default=Owner.ON_CALL, help_text="Who is told.")
    description = models.CharField(max_length=300, help_text="What is wrong when it fires, in one sentence.")
    runbook = models.TextField(
        help_text="What to do when it fires. Markdown with the sections Meaning, Impact, Diagnosis and Mitigation."
    )
    fires_case = models.JSONField(
        help_text='A case in which it fires: {"series": {"metric{label=\\"x\\"}": "0 0+5x20"}, "at": "15m"}, '
        "in promtool's notation, one value a minute."
    )
    silent_case = models.JSONField(help_text="A case in which it stays silent, in the same form.")
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(runbook=""), name="custom_alert_has_a_runbook"),
            # Of the model's teams, which a model always has.
            models.CheckConstraint(
                condition=models.Q(owner__in=["on_call", "applied_ml", "data"]), name="custom_alert_has_an_owner"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def policy_id(self) -> str:
        """The value of the alert's label `policy`."""
        return f"model:{self.model.name}"

    def clean(self) -> None:
        errors = check_custom_alert(
            name=self.name,
            expression=self.expression,
            for_seconds=self.for_seconds,
            runbook=self.runbook,
            fires_case=self.fires_case,
            silent_case=self.silent_case,
        )
        if errors:
            raise ValidationError(errors)
