"""The way of each change into Grafana: one row per change, the outbox of annotations."""

from django.db import models
from django.utils import timezone

from models_registry.models import Change


class AnnotationDelivery(models.Model):
    """How far the annotation of one change has come.

    A worker claims a row by raising `attempts` and moving `next_attempt_at` on, before it talks to Grafana; where it
    dies after that, the row is simply due again, and an attempt above the first looks for what is already there.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    change = models.OneToOneField(Change, on_delete=models.CASCADE, primary_key=True, related_name="annotation")
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    # When to look once more for extras that a late request left behind; empty: nothing more to do.
    recheck_at = models.DateTimeField(null=True, blank=True)
    grafana_id = models.BigIntegerField("Grafana's id", null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "annotation delivery"
        verbose_name_plural = "annotation deliveries"
        ordering = ["-change__at", "change_id"]
        indexes = [
            models.Index(fields=["state", "next_attempt_at"], name="annotation_due"),
            models.Index(fields=["recheck_at"], name="annotation_recheck"),
        ]

    def __str__(self) -> str:
        return f"{self.change_id}: {self.get_state_display()}"
