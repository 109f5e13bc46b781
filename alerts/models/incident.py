"""Incidents: each time that an alert fired, from its start to its end."""

from datetime import timedelta

from django.db import models


class Incident(models.Model):
    """One firing of one alert. Alertmanager's fingerprint and the start name it, so telling of it twice is harmless.

    The labels come from outside: shown, never trusted. What names a model links to it only if it is registered.
    """

    class Source(models.TextChoices):
        WEBHOOK = "webhook", "Alertmanager"
        PROMETHEUS = "prometheus", "Prometheus"

    fingerprint = models.CharField(max_length=16)
    starts_at = models.DateTimeField(db_index=True)
    ends_at = models.DateTimeField(null=True, blank=True, db_index=True)
    alert = models.CharField(max_length=200, db_index=True)
    severity = models.CharField(max_length=40, blank=True)
    team = models.CharField(max_length=63, blank=True)
    plane = models.CharField(max_length=20, blank=True)
    model_name = models.CharField(max_length=63, blank=True, db_index=True)
    model_version = models.CharField(max_length=64, blank=True)
    feature_name = models.CharField(max_length=128, blank=True)
    labels = models.JSONField(default=dict)
    annotations = models.JSONField(default=dict)
    source = models.CharField(max_length=10, choices=Source)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-starts_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["fingerprint", "starts_at"], name="incident_once_per_start"),
            models.UniqueConstraint(
                fields=["fingerprint"], condition=models.Q(ends_at__isnull=True), name="one_open_incident_per_alert"
            ),
        ]

    def __str__(self) -> str:
        return " ".join(part for part in (self.alert, self.model_name, self.model_version) if part)

    @property
    def lasted(self) -> timedelta | None:
        """From its start to its end; None while it goes on."""
        return None if self.ends_at is None else self.ends_at - self.starts_at

    @property
    def is_open(self) -> bool:
        """Whether it still fires, as far as is known."""
        return self.ends_at is None
