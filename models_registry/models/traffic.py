"""Traffic: who answers requests. One row per model, so that two live versions can't exist."""

from django.db import models

from models_registry.models.mlmodel import MLModel
from models_registry.models.version import ModelVersion


class Traffic(models.Model):
    """Changed only by the functions of models_registry.traffic, by a conditional update on `revision`."""

    model = models.OneToOneField(MLModel, on_delete=models.CASCADE, related_name="traffic")
    live = models.ForeignKey(ModelVersion, on_delete=models.RESTRICT, null=True, related_name="+")
    canary = models.ForeignKey(ModelVersion, on_delete=models.RESTRICT, null=True, related_name="+")
    canary_percent = models.PositiveSmallIntegerField(default=0)
    shadows = models.ManyToManyField(ModelVersion, related_name="+", blank=True)
    previous_live = models.ForeignKey(ModelVersion, on_delete=models.SET_NULL, null=True, related_name="+")
    revision = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "traffic"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(canary__isnull=True, canary_percent=0)
                | models.Q(canary__isnull=False, live__isnull=False, canary_percent__lte=100),
                name="canary_percent_needs_a_canary_beside_a_live_version",
            ),
            models.CheckConstraint(
                condition=models.Q(canary__isnull=True) | ~models.Q(canary=models.F("live")),
                name="canary_is_not_the_live_version",
            ),
        ]

    def __str__(self) -> str:
        return f"traffic of {self.model}"
