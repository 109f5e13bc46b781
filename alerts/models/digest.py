"""Ticket digests: one for each beginning of a team's hours, and how far it has come."""

from django.db import models

from models_registry.models import Team


class TicketDigest(models.Model):
    """What a team is told when its hours begin. A worker claims a row by raising `attempts`, before it sends anything.

    A worker that dies after that leaves the row due again, so a digest may come twice, with the same id in it; it is
    never lost while the hours last.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        NOTHING = "nothing", "Nothing to tell"
        IMPOSSIBLE = "impossible", "Can't be delivered"
        FAILED = "failed", "Failed"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="digests")
    hours_began_at = models.DateTimeField()
    muted_from = models.DateTimeField(help_text="The end of the hours before.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    alerts = models.PositiveIntegerField(default=0, help_text="How many it tells of.")
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    had_by = models.JSONField(
        default=list, help_text="The addresses that an e-mail server has taken it for, where it refused others."
    )

    class Meta:
        ordering = ["-hours_began_at", "team"]
        constraints = [
            models.UniqueConstraint(fields=["team", "hours_began_at"], name="one_digest_per_beginning_of_hours")
        ]
        indexes = [models.Index(fields=["state", "next_attempt_at"], name="digest_due")]

    def __str__(self) -> str:
        return f"{self.team}/{self.hours_began_at:%Y-%m-%dT%H:%MZ}"
