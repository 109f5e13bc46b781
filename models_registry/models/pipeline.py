"""Feature pipeline releases: the other half of what a prediction depends on."""

from django.db import models
from django.utils import timezone

from models_registry.models.mlmodel import MLModel
from models_registry.validators import validate_version


class PipelineRelease(models.Model):
    """A release of the pipeline that makes a model's features. The newest by `released_at` is the one in use."""

    model = models.ForeignKey(MLModel, on_delete=models.CASCADE, related_name="pipeline_releases")
    release = models.CharField(max_length=64, validators=[validate_version])
    released_at = models.DateTimeField(default=timezone.now)
    notes = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["model", "-released_at"]
        constraints = [models.UniqueConstraint(fields=["model", "release"], name="pipeline_release_once_per_model")]

    def __str__(self) -> str:
        return f"{self.release} of {self.model}"
