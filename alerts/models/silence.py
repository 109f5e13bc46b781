"""Reminders of silences that end while what they silence still fires."""

from django.db import models


class SilenceReminder(models.Model):
    """One for each silence and end: a silence that is prolonged may be reminded of again. Names are kept as text."""

    silence = models.CharField(max_length=64)
    ends_at = models.DateTimeField(db_index=True)
    what = models.CharField(max_length=200)
    model_name = models.CharField(max_length=63, blank=True)
    author = models.CharField(max_length=150, blank=True)
    reminded_at = models.DateTimeField()
    # Whether it still holds: the silence goes on and what it silences fires.
    stands = models.BooleanField(default=True)

    class Meta:
        verbose_name = "silence"
        ordering = ["ends_at", "pk"]
        constraints = [models.UniqueConstraint(fields=["silence", "ends_at"], name="one_reminder_per_silence_and_end")]

    def __str__(self) -> str:
        return self.what
