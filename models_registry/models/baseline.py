"""Baselines: what normal input looks like."""

from django.core.validators import MinValueValidator
from django.db import models

from models_registry.models.mlmodel import MLModel
from models_registry.validators import validate_sha256, validate_version


class Baseline(models.Model):
    """A profile of training or reference data. Once frozen it never changes: drift is measured against it."""

    model = models.ForeignKey(MLModel, on_delete=models.CASCADE, related_name="baselines")
    name = models.CharField(max_length=64, validators=[validate_version])
    population = models.CharField(
        max_length=64,
        validators=[validate_version],
        help_text="Whom the data is of, for example us-domestic; compared with what the check reads.",
    )
    profile = models.JSONField(help_text="As `python -m drift profile` writes it.")
    sha256 = models.CharField(max_length=64, blank=True, validators=[validate_sha256], editable=False)
    rows = models.PositiveBigIntegerField(default=0, editable=False)
    data_from = models.DateTimeField(null=True, blank=True)
    data_until = models.DateTimeField(null=True, blank=True, help_text="Age counts from here, else from freezing.")
    max_age_days = models.PositiveIntegerField(default=180, validators=[MinValueValidator(1)])
    frozen_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["model", "name"]
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="baseline_once_per_model")]

    def __str__(self) -> str:
        return f"{self.name} of {self.model}"
