"""Runbooks that a team wrote for a model's alert, in place of the shipped text."""

from django.db import models

from models_registry.models import MLModel, Team


class Runbook(models.Model):
    """One per model and alert. Earlier texts, with who and when, are kept by the Changes that replaced them."""

    model = models.ForeignKey(MLModel, on_delete=models.CASCADE, related_name="runbooks")
    alert = models.CharField(max_length=200)
    body = models.TextField(help_text="Markdown with the sections Meaning, Impact, Diagnosis and Mitigation.")
    owner_team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="runbooks")
    review_by = models.DateField(null=True, blank=True, help_text="When somebody should read it again.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["model", "alert"]
        constraints = [
            models.UniqueConstraint(fields=["model", "alert"], name="runbook_once_per_model_and_alert"),
            models.CheckConstraint(condition=~models.Q(body=""), name="runbook_has_a_text"),
        ]

    def __str__(self) -> str:
        return f"runbook {self.alert} of {self.model}"
