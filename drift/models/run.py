"""Runs of checks, and where each version stands."""

from django.db import models

from drift.models.check import DriftCheck
from models_registry.models import ModelVersion


class CheckRun(models.Model):
    """One window of one version. (check, version, window_end) names it, so telling a worker twice runs it once.

    A run is dispatched, claimed (`started_at`) by a conditional update, and finished. One that was claimed and never
    finished belongs to a worker that is gone: it may be claimed again once the check's time limit is over.
    """

    class State(models.TextChoices):
        OK = "ok", "Ok"
        DRIFTED = "drifted", "Drifted"
        INSUFFICIENT_DATA = "insufficient_data", "Too little data"
        BASELINE_STALE = "baseline_stale", "Baseline stale"
        BASELINE_MISMATCH = "baseline_mismatch", "Baseline doesn't fit"
        SOURCE_FAILED = "source_failed", "Source failed"

    drift_check = models.ForeignKey(DriftCheck, on_delete=models.CASCADE, related_name="runs")
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="drift_runs")
    window_start = models.DateTimeField()
    window_end = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True, help_text="When a worker was last told.")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=20, choices=State, blank=True, help_text="Empty until it is finished.")
    reason = models.TextField(blank=True)
    rows = models.PositiveBigIntegerField(default=0)
    result = models.JSONField(null=True, help_text="The whole verdict.")

    class Meta:
        ordering = ["-window_end", "version"]
        verbose_name = "check run"
        constraints = [
            models.UniqueConstraint(fields=["drift_check", "version", "window_end"], name="one_run_per_window")
        ]

    def __str__(self) -> str:
        return f"{self.version} until {self.window_end:%Y-%m-%d %H:%M:%S}"

    @property
    def duration_seconds(self) -> float | None:
        """Seconds that the run took, None until it is finished."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class CheckStatus(models.Model):
    """Where a version with traffic stands. The loop makes the row when the version gets traffic and removes it when it
    loses it; each finished run moves it on. What the exporter reads."""

    drift_check = models.ForeignKey(DriftCheck, on_delete=models.CASCADE, related_name="statuses")
    version = models.OneToOneField(ModelVersion, on_delete=models.CASCADE, related_name="drift_status")
    since = models.DateTimeField(help_text="When it was first seen with traffic.")
    latest = models.ForeignKey(
        CheckRun, on_delete=models.SET_NULL, null=True, related_name="+", help_text="The newest finished run."
    )
    latest_window_end = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True, help_text="When the newest run that worked was finished.")

    class Meta:
        ordering = ["version"]
        verbose_name_plural = "check statuses"

    def __str__(self) -> str:
        return f"{self.version}: {self.latest.state if self.latest else 'never run'}"
