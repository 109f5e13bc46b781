"""Runbooks that a team wrote for an alert of one model, or of all its models, in place of the shipped text."""

from django.db import models

from models_registry.models import MLModel, Team


class Runbook(models.Model):
    """One per alert and model, or team. Earlier texts, with who and when, are kept by the Changes that replaced them.

    A team's is about the models that it is on call for (health alerts) or whose applied ML it is (quality alerts), as
    its policies are.
    """

    model = models.ForeignKey(MLModel, on_delete=models.CASCADE, null=True, blank=True, related_name="runbooks")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="runbooks_of_models")
    alert = models.CharField(max_length=200)
    body = models.TextField(help_text="Markdown with the sections Meaning, Impact, Diagnosis and Mitigation.")
    # A team may go with the texts that it wrote for its own models, and with no other that it keeps.
    owner_team = models.ForeignKey(Team, on_delete=models.RESTRICT, related_name="runbooks")
    review_by = models.DateField(null=True, blank=True, help_text="When somebody should read it again.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["model", "team", "alert"]
        constraints = [
            models.UniqueConstraint(fields=["model", "alert"], name="runbook_once_per_model_and_alert"),
            models.UniqueConstraint(fields=["team", "alert"], name="runbook_once_per_team_and_alert"),
            models.CheckConstraint(
                condition=models.Q(model__isnull=True) ^ models.Q(team__isnull=True),
                name="runbook_of_a_model_or_of_a_team",
            ),
            models.CheckConstraint(condition=~models.Q(body=""), name="runbook_has_a_text"),
        ]

    def __str__(self) -> str:
        return f"runbook {self.alert} of {self.about}"

    @property
    def about(self) -> str:
        """The model, or the team."""
        return self.model.name if self.model is not None else f"team {self.team.name if self.team else ''}"

    @property
    def scope(self) -> str:
        """`model:x` or `team:y`, as a policy's id."""
        return f"model:{self.model.name}" if self.model is not None else f"team:{self.team.name if self.team else ''}"
