"""Changes: who changed what, when; written in the transaction of the change itself."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from models_registry.models.mlmodel import MLModel


class Change(models.Model):
    """One change of state. Rows are never edited; names are kept as text, so they outlive what they name."""

    class Kind(models.TextChoices):
        DEPLOY = "deploy", "Deploy"
        ROLLBACK = "rollback", "Roll back"
        TRAFFIC = "traffic", "Traffic"
        BASELINE = "baseline", "Baseline"
        PIPELINE = "pipeline", "Feature pipeline"
        THRESHOLD = "threshold", "Threshold"
        REGISTRY = "registry", "Registry"

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    kind = models.CharField(max_length=10, choices=Kind)
    model = models.ForeignKey(MLModel, on_delete=models.SET_NULL, null=True, blank=True, related_name="changes")
    model_name = models.CharField(max_length=63, blank=True, db_index=True)
    version = models.CharField(max_length=64, blank=True)
    object_type = models.CharField(max_length=40)
    object_name = models.CharField(max_length=200)
    summary = models.CharField(max_length=300)
    reason = models.CharField(max_length=300, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    author = models.CharField(max_length=150)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["-at", "uuid"]

    def __str__(self) -> str:
        return self.summary
