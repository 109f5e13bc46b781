"""Versions of a model."""

from django.core.exceptions import ValidationError
from django.db import models

from models_registry.models.baseline import Baseline
from models_registry.models.mlmodel import MLModel
from models_registry.models.pipeline import PipelineRelease
from models_registry.validators import validate_artifact, validate_sha256, validate_version


class ModelVersion(models.Model):
    """An artifact that can be served. Whether it is live, canary, shadow or retired follows from the traffic row."""

    class Framework(models.TextChoices):
        SKLEARN = "sklearn", "scikit-learn (skops)"
        ONNX = "onnx", "ONNX"

    model = models.ForeignKey(MLModel, on_delete=models.CASCADE, related_name="versions")
    version = models.CharField(max_length=64, validators=[validate_version])
    framework = models.CharField(max_length=20, choices=Framework, default=Framework.SKLEARN)
    artifact = models.CharField(
        max_length=500,
        validators=[validate_artifact],
        help_text="Absolute path on the replicas, or an http(s) address that they can reach.",
    )
    sha256 = models.CharField("SHA-256", max_length=64, validators=[validate_sha256])
    baseline = models.ForeignKey(
        Baseline, on_delete=models.RESTRICT, null=True, blank=True, related_name="versions", help_text="For drift."
    )
    pipeline_release = models.ForeignKey(
        PipelineRelease, on_delete=models.RESTRICT, null=True, blank=True, related_name="versions"
    )
    notes = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    served_at = models.DateTimeField(null=True, editable=False, help_text="When it first got traffic.")

    class Meta:
        ordering = ["model", "-created_at"]
        verbose_name = "version"
        constraints = [models.UniqueConstraint(fields=["model", "version"], name="version_once_per_model")]

    def __str__(self) -> str:
        return f"{self.model} {self.version}"

    def clean(self) -> None:
        if self.baseline and self.baseline.model_id != self.model_id:
            raise ValidationError({"baseline": "This baseline belongs to another model."})
        if self.pipeline_release and self.pipeline_release.model_id != self.model_id:
            raise ValidationError({"pipeline_release": "This pipeline release belongs to another model."})
