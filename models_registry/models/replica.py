"""Serving replicas, as their heartbeats tell."""

from django.db import models

from models_registry.models.mlmodel import MLModel


class Replica(models.Model):
    """One serving process: where to scrape it, and what it has loaded."""

    name = models.CharField(max_length=100, unique=True)
    address = models.CharField(max_length=255, help_text="host:port, as Prometheus reaches it.")
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(db_index=True)
    snapshot = models.CharField(max_length=64, blank=True)
    loaded = models.JSONField(default=dict)
    errors = models.JSONField(default=dict)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ReplicaStarts(models.Model):
    """How often a process that serves the model has started. Apart from the model: heartbeats are no edits of it."""

    model = models.OneToOneField(MLModel, on_delete=models.CASCADE, related_name="replica_starts")
    total = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "replica starts"

    def __str__(self) -> str:
        return f"{self.total} starts of {self.model}"
