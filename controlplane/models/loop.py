"""How the reconcile loop fares, and whom it can reach."""

from django.db import models


class Peer(models.Model):
    """A server that Plumbline talks to, as last tried. What can't be reached is shown so, never as healthy."""

    class Name(models.TextChoices):
        PROMETHEUS = "prometheus", "Prometheus"
        ALERTMANAGER = "alertmanager", "Alertmanager"
        GRAFANA = "grafana", "Grafana"
        REDIS = "redis", "Redis"

    name = models.CharField(max_length=20, primary_key=True, help_text="prometheus; the second one prometheus-2.")
    reachable = models.BooleanField()
    since = models.DateTimeField(help_text="When it became reachable, or unreachable.")
    checked_at = models.DateTimeField()
    message = models.CharField(max_length=500, blank=True, help_text="Why it can't be reached.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.label}: {'reachable' if self.reachable else 'unreachable'}"

    @property
    def kind(self) -> Name:
        """What it is, whichever of several."""
        return self.Name(self.name.partition("-")[0])

    @property
    def first(self) -> bool:
        """Whether it is the only one of its kind, or the one that is asked."""
        return self.name == self.kind

    @property
    def label(self) -> str:
        """Its name for people: Prometheus, Prometheus 2."""
        return f"{self.kind.label} {self.name.partition('-')[2]}".strip()


class LoopState(models.Model):
    """The loop's last run: one row, id 1."""

    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    steps = models.JSONField(default=dict, help_text="{step: {ok, seconds, message}} of the last run.")

    def __str__(self) -> str:
        return f"last run of the loop: {self.finished_at or 'never'}"
