"""Models: what is monitored, whose it is, and how it answers."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from models_registry.models.team import Team
from models_registry.validators import validate_labels, validate_name


class MLModel(models.Model):
    """A registered model. Its three teams are never empty: an alert without an owner can't exist."""

    class Risk(models.TextChoices):
        STANDARD = "standard", "Standard"
        HIGH = "high", "High: critical drift pages"

    class Task(models.TextChoices):
        BINARY = "binary_classification", "Binary classification"
        MULTICLASS = "multiclass_classification", "Multiclass classification"
        REGRESSION = "regression", "Regression"

    name = models.CharField(max_length=63, unique=True, validators=[validate_name])
    description = models.CharField(max_length=300, blank=True)
    risk = models.CharField(max_length=8, choices=Risk, default=Risk.STANDARD)
    task = models.CharField(max_length=30, choices=Task, default=Task.BINARY)
    classes = models.JSONField(
        default=list,
        blank=True,
        validators=[validate_labels],
        help_text='The answers a classifier can give, negative first, for example ["on-time", "late"].',
    )
    on_call_team = models.ForeignKey(
        Team,
        verbose_name="on-call team",
        on_delete=models.PROTECT,
        related_name="on_call_models",
        help_text="Woken when serving misbehaves.",
    )
    applied_ml_team = models.ForeignKey(
        Team,
        verbose_name="applied-ML team",
        on_delete=models.PROTECT,
        related_name="applied_ml_models",
        help_text="Told of drift and odd predictions.",
    )
    data_team = models.ForeignKey(
        Team, on_delete=models.PROTECT, related_name="data_models", help_text="Told of missing or invalid inputs."
    )
    in_flight_limit = models.PositiveIntegerField(
        "in-flight limit",
        default=64,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="Requests that one replica works on at once; more are refused as overloaded.",
    )
    timeout_seconds = models.FloatField(
        "time-out, in seconds",
        default=5.0,
        validators=[MinValueValidator(0.01), MaxValueValidator(60)],
        help_text="Per request.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "model"

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        count = len(self.classes) if isinstance(self.classes, list) else 0
        if self.task == self.Task.REGRESSION and count:
            raise ValidationError({"classes": "A regression has no classes: leave this empty."})
        if self.task == self.Task.BINARY and count != 2:
            raise ValidationError({"classes": "A binary classifier has exactly two classes, negative first."})
        if self.task == self.Task.MULTICLASS and count < 2:
            raise ValidationError({"classes": "A multiclass classifier has at least two classes."})
