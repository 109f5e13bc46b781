"""Objectives, and what has been counted of them hour by hour."""

from django.core.exceptions import ValidationError
from django.db import models

from alerts.objectives import AVAILABILITY, DEFAULT_PERIOD_DAYS, LATENCY, ObjectiveRow, check_objective
from models_registry.models import MLModel
from telemetry.buckets import LATENCY_SECONDS
from telemetry.names import ROUTES


class Objective(models.Model):
    """What share of a route's answers has to be good, over how many days."""

    class Kind(models.TextChoices):
        AVAILABILITY = AVAILABILITY, "Availability: an answer is good that is no error of ours"
        LATENCY = LATENCY, "Latency: an answer is good that comes within the limit"

    class Route(models.TextChoices):
        PREDICT, PREDICT_BATCH = ((route, route) for route in ROUTES)

    model = models.ForeignKey(MLModel, on_delete=models.CASCADE, related_name="objectives")
    name = models.CharField(
        max_length=63, help_text="For example availability or fast-answers: the alert's label objective."
    )
    kind = models.CharField(max_length=12, choices=Kind)
    route = models.CharField(max_length=13, choices=Route, default=Route.PREDICT)
    target = models.FloatField(help_text="The share of answers that has to be good: 99.9 % is 0.999.")
    period_days = models.PositiveSmallIntegerField(
        default=DEFAULT_PERIOD_DAYS, help_text="Over how many days the error budget is spent, 7 to 90."
    )
    latency_seconds = models.FloatField(
        null=True,
        blank=True,
        choices=[(bound, f"{bound:g} s") for bound in LATENCY_SECONDS],
        help_text="For latency: within how many seconds an answer is good. A bound of the histogram's buckets.",
    )

    class Meta:
        ordering = ["model", "name"]
        constraints = [
            models.UniqueConstraint(fields=["model", "name"], name="objective_named_once_per_model"),
            models.CheckConstraint(
                condition=models.Q(target__gt=0, target__lt=1), name="objective_target_leaves_a_budget"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.model}"

    def clean(self) -> None:
        errors = check_objective(
            name=self.name,
            kind=self.kind,
            target=self.target,
            period_days=self.period_days,
            latency_seconds=self.latency_seconds,
        )
        if errors:
            raise ValidationError(errors)

    def row(self) -> ObjectiveRow:
        """As renderers see it."""
        return ObjectiveRow(
            self.model.name, self.name, self.kind, self.route, self.target, self.period_days, self.latency_seconds
        )


class HourlyCount(models.Model):
    """What an objective counted in one hour, from `hour` on. None: Prometheus had nothing about it, a gap."""

    objective = models.ForeignKey(Objective, on_delete=models.CASCADE, related_name="hours")
    hour = models.DateTimeField(db_index=True)
    events = models.FloatField(null=True)
    bad = models.FloatField(null=True)

    class Meta:
        ordering = ["objective", "hour"]
        constraints = [models.UniqueConstraint(fields=["objective", "hour"], name="one_count_per_objective_and_hour")]

    def __str__(self) -> str:
        return f"{self.objective} at {self.hour:%Y-%m-%d %H:%M}"


class ErrorBudget(models.Model):
    """The sums of the hourly counts over the objective's period; without one, nothing has been counted yet."""

    objective = models.OneToOneField(Objective, on_delete=models.CASCADE, primary_key=True, related_name="budget")
    counted_until = models.DateTimeField(help_text="The end of the last hour that was asked for.")
    events = models.FloatField(default=0)
    bad = models.FloatField(default=0)
    hours = models.PositiveIntegerField(default=0, help_text="Hours of the period about which something is known.")

    def __str__(self) -> str:
        return f"error budget of {self.objective}"
