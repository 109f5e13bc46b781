"""Releases: every attempt to make the servers run what the registry says, with its way and its end."""

from django.db import models
from django.utils import timezone


class Release(models.Model):
    """One attempt. Written before anything is touched, kept up to date at each step, finished with an outcome.

    The id is the fence: whoever finds a newer row than its own gives up.
    """

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        PROBATION = "probation", "On probation"
        PUBLISHED = "published", "Published"
        UNCHANGED = "unchanged", "Unchanged"
        REFUSED = "refused", "Refused"
        UNREACHABLE = "unreachable", "Unreachable"
        ROLLED_BACK = "rolled_back", "Rolled back"
        SUPERSEDED = "superseded", "Superseded"
        FAILED = "failed", "Failed"

    UNFINISHED = (Outcome.RUNNING, Outcome.PROBATION)
    GOOD = (Outcome.PUBLISHED, Outcome.UNCHANGED)

    hash = models.CharField(max_length=64, db_index=True, help_text="The bundle's content hash.")
    base_hash = models.CharField(max_length=64, blank=True, help_text="What was current before; empty: nothing.")
    author = models.CharField(max_length=500, default="plumbline", help_text="Who made the changes, newest first.")
    outcome = models.CharField(max_length=12, choices=Outcome, default=Outcome.RUNNING, db_index=True)
    reason = models.TextField(blank=True, help_text="Why it ended otherwise than published; with the remedy.")
    log = models.JSONField(default=list, help_text="[{step, at, seconds, message}], in order.")
    diff = models.TextField(blank=True, help_text="Unified, against the base; cut where it is very long.")
    changed_groups = models.JSONField(default=list, help_text="[[file, group]] that differ from the base.")
    restarted_alerts = models.JSONField(default=list, help_text="Names of firing alerts that lose their state.")
    pending_alerts = models.JSONField(default=list, help_text="Names of pending alerts that wait anew, or are dropped.")
    tries = models.PositiveIntegerField(
        default=1, help_text="Attempts at this bundle, one after the other, for which the row stands: all unreachable."
    )
    started_at = models.DateTimeField(default=timezone.now, db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"release {self.pk} ({self.hash[:12]}): {self.get_outcome_display()}"

    @property
    def finished(self) -> bool:
        return self.outcome not in self.UNFINISHED

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


def is_failing() -> bool:
    """Whether the newest finished attempt ended badly: what the registry says is not what the servers run."""
    newest = (
        Release.objects.exclude(outcome__in=[*Release.UNFINISHED, Release.Outcome.SUPERSEDED])
        .order_by("-pk")
        .values_list("outcome", flat=True)
        .first()
    )
    return newest is not None and newest not in Release.GOOD
