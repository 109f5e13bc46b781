"""What the running Prometheus says of a release: one row a release, worked off in short runs."""

from django.db import models

from controlplane.models.release import Release


class LiveCheck(models.Model):
    """`todo` are the groups that are still to be looked at; `found` holds what is known of the others.

    A worker claims the row by a conditional UPDATE, and writes its findings only while the claim is its own.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Under way"
        DONE = "done", "Done"
        SUPERSEDED = "superseded", "Superseded"

    UNFINISHED = (State.WAITING, State.RUNNING)

    release = models.OneToOneField(Release, on_delete=models.CASCADE, related_name="live_check")
    state = models.CharField(max_length=12, choices=State, default=State.WAITING)
    whole = models.BooleanField(default=False, help_text="All groups of the release, not only those it changed.")
    todo = models.JSONField(null=True, help_text="[[file, group]] still to be looked at; null: all of the release.")
    found = models.JSONField(default=dict, help_text="{file group: what was found}, see controlplane.live_check.report")
    problem = models.TextField(blank=True, help_text="Why the last run could not go on; empty: it could.")
    prove = models.BooleanField(default=False, help_text="All proofs of the release are wanted.")
    proofs = models.JSONField(default=dict, help_text="{passed, files, seconds, reason, at} of their last run.")
    looks = models.PositiveIntegerField(default=0, help_text="How often all of it was worked off.")
    due_at = models.DateTimeField(null=True, db_index=True, help_text="When it goes on; none: nothing is wanted.")
    claim = models.CharField(max_length=32, blank=True, help_text="Whose run it is.")
    claimed_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True, help_text="When the last run ended.")
    finished_at = models.DateTimeField(null=True, help_text="When all of it was last worked off.")

    def __str__(self) -> str:
        return f"what Prometheus says of release {self.release_id}: {self.get_state_display()}"

    @property
    def finished(self) -> bool:
        return self.state not in self.UNFINISHED

    @property
    def left(self) -> int | None:
        """Groups that are still to be looked at; None before they were counted."""
        return None if self.todo is None else len(self.todo)
