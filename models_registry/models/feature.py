"""Features: what a model is fed."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from models_registry.models.mlmodel import MLModel
from models_registry.models.team import Team
from models_registry.validators import validate_feature, validate_labels

RATIO = [MinValueValidator(0), MaxValueValidator(1)]


class Feature(models.Model):
    """One input. Position fixes the order in which the model is fed."""

    class Kind(models.TextChoices):
        NUMERIC = "numeric", "Numeric"
        CATEGORICAL = "categorical", "Categorical"

    model = models.ForeignKey(MLModel, on_delete=models.CASCADE, related_name="features")
    name = models.CharField(max_length=128, validators=[validate_feature])
    position = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(max_length=11, choices=Kind, default=Kind.NUMERIC)
    critical = models.BooleanField(default=False, help_text="Drift of a critical feature alerts by itself.")
    required = models.BooleanField(default=False, help_text="A request without it is refused as invalid.")
    minimum = models.FloatField(null=True, blank=True, help_text="Values below are served, and counted.")
    maximum = models.FloatField(null=True, blank=True, help_text="Values above are served, and counted.")
    categories = models.JSONField(
        default=list, blank=True, validators=[validate_labels], help_text="Known values; others count as out of range."
    )
    default = models.JSONField(null=True, blank=True, help_text="Used where the value is missing, and counted.")
    team = models.ForeignKey(
        Team,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="features",
        help_text="Owns the feature's data; empty: the model's data team.",
    )
    missing_limit = models.FloatField(null=True, blank=True, validators=RATIO, help_text="Empty: the check's limit.")
    out_of_range_limit = models.FloatField(null=True, blank=True, validators=RATIO)
    defaulted_limit = models.FloatField(null=True, blank=True, validators=RATIO)

    class Meta:
        ordering = ["model", "position", "name"]
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="feature_once_per_model")]

    def __str__(self) -> str:
        return f"{self.name} of {self.model}"

    def clean(self) -> None:
        numeric = self.kind == self.Kind.NUMERIC
        if numeric and self.categories:
            raise ValidationError({"categories": "A numeric feature has a range, not categories."})
        if not numeric and (self.minimum is not None or self.maximum is not None):
            raise ValidationError({"minimum": "A categorical feature has categories, not a range."})
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValidationError({"maximum": f"The maximum is below the minimum, {self.minimum}."})
        if self.default is not None:
            fits = isinstance(self.default, int | float) and not isinstance(self.default, bool)
            if numeric != fits or (not numeric and not isinstance(self.default, str)):
                raise ValidationError({"default": f"The default of a {self.kind} feature has another type."})
            if self.required:
                raise ValidationError({"default": "A required feature is never filled with a default."})
