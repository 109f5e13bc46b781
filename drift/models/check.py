"""Drift checks: how often a model's traffic is compared with its versions' baselines, and what is tolerated."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from drift.engine.policy import Policy
from models_registry.models import MLModel
from models_registry.validators import validate_version

DAY = 86400
DEFAULT_INTERVAL_SECONDS = 900
DEFAULT_WINDOW_SECONDS = 3600
RATIO = [MinValueValidator(0.0), MaxValueValidator(1.0)]
POSITIVE = [MinValueValidator(0.0), MaxValueValidator(100.0)]
_DEFAULTS = Policy()


class DriftCheck(models.Model):
    """A model's check. It covers every version with traffic, each against that version's own baseline."""

    class Source(models.TextChoices):
        PREDICTION_LOG = "prediction_log", "Prediction log"

    model = models.OneToOneField(MLModel, on_delete=models.CASCADE, related_name="drift_check")
    source = models.CharField(max_length=20, choices=Source, default=Source.PREDICTION_LOG)
    population = models.CharField(
        max_length=64,
        blank=True,
        validators=[validate_version],
        help_text="Whom the rows are of; a baseline of another population is refused. "
        "Empty: the population of the live version's baseline.",
    )
    interval_seconds = models.PositiveIntegerField(
        default=DEFAULT_INTERVAL_SECONDS,
        validators=[MinValueValidator(10), MaxValueValidator(DAY * 7)],
        help_text="Seconds between two checks.",
    )
    window_seconds = models.PositiveIntegerField(
        default=DEFAULT_WINDOW_SECONDS,
        validators=[MinValueValidator(10), MaxValueValidator(DAY * 31)],
        help_text="Seconds of traffic that a check looks at.",
    )
    min_rows = models.PositiveIntegerField(
        default=_DEFAULTS.min_rows, validators=[MinValueValidator(1)], help_text="Fewer rows are no verdict."
    )
    min_baseline_rows = models.PositiveIntegerField(
        default=_DEFAULTS.min_baseline_rows, validators=[MinValueValidator(1)], help_text="Fewer are no baseline."
    )
    psi_threshold = models.FloatField(
        "PSI threshold",
        default=_DEFAULTS.psi,
        validators=POSITIVE,
        help_text="A feature above it drifts. In small windows the noise of the sample size is the threshold instead.",
    )
    feature_psi_thresholds = models.JSONField(
        "PSI thresholds of features",
        default=dict,
        blank=True,
        help_text='Where a feature has its own, for example {"airline": 0.3}.',
    )
    prediction_psi_threshold = models.FloatField(
        "PSI threshold of predictions", default=_DEFAULTS.prediction_psi, validators=POSITIVE
    )
    missing_limit = models.FloatField(
        default=_DEFAULTS.missing,
        validators=RATIO,
        help_text="Share of rows, 0 to 1. A feature's own limit goes first.",
    )
    defaulted_limit = models.FloatField(default=_DEFAULTS.defaulted, validators=RATIO)
    out_of_range_limit = models.FloatField(default=_DEFAULTS.out_of_range, validators=RATIO)
    ratio_margin = models.FloatField(
        default=_DEFAULTS.ratio_margin,
        validators=RATIO,
        help_text="A limit is at least the baseline's own ratio plus this, unless the feature has its own.",
    )
    timeout_seconds = models.PositiveIntegerField(
        default=120,
        validators=[MinValueValidator(1), MaxValueValidator(240)],
        help_text="A scan that runs longer is interrupted, and the check fails.",
    )
    paused = models.BooleanField(default=False, help_text="No checks, no scores, no alert about stale checks.")
    first_due_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="When it was made or last resumed."
    )

    class Meta:
        ordering = ["model"]
        verbose_name = "drift check"

    def __str__(self) -> str:
        return f"drift check of {self.model}"

    def clean(self) -> None:
        thresholds = self.feature_psi_thresholds
        if not isinstance(thresholds, dict):
            raise ValidationError(
                {"feature_psi_thresholds": 'Write names with their thresholds, for example {"airline": 0.3}.'}
            )
        known = set(self.model.features.values_list("name", flat=True)) if self.model_id else set()
        for name, value in thresholds.items():
            if name not in known:
                told = f"{name!r} is no feature of {self.model}: it has {', '.join(sorted(known)) or 'none'}."
                raise ValidationError({"feature_psi_thresholds": told})
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
                raise ValidationError({"feature_psi_thresholds": f"{name}: {value!r} is not a number from 0 to 100."})
