"""Business proxies: numbers that the business watches of a model long before outcomes arrive, each with its band."""

import math

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from drift.models.check import DAY
from models_registry.models import MLModel, ModelVersion
from models_registry.validators import validate_proxy


class BusinessProxy(models.Model):
    """One number of a model, told for each version with traffic: the share of a predicted class, which the drift
    check counts, or, without a class, what the business' own system pushes."""

    model = models.ForeignKey(MLModel, on_delete=models.CASCADE, related_name="business_proxies")
    name = models.CharField(
        max_length=63, validators=[validate_proxy], help_text="For example approval_rate: the alert's label proxy."
    )
    predicted_class = models.CharField(
        "share of class",
        max_length=128,
        blank=True,
        help_text="The class whose share of the answers it is, counted by the drift check. Empty: its value is pushed.",
    )
    lower = models.FloatField("lower limit", null=True, blank=True, help_text="Below it, it alerts. Empty: no limit.")
    upper = models.FloatField("upper limit", null=True, blank=True, help_text="Above it, it alerts. Empty: no limit.")
    max_age_seconds = models.PositiveIntegerField(
        default=2 * DAY,
        validators=[MinValueValidator(60), MaxValueValidator(31 * DAY)],
        help_text="How many seconds old a pushed value may be; then it is told no more.",
    )

    class Meta:
        ordering = ["model", "name"]
        verbose_name = "business proxy"
        verbose_name_plural = "business proxies"
        constraints = [
            models.UniqueConstraint(fields=["model", "name"], name="proxy_named_once_per_model"),
            models.CheckConstraint(condition=Q(lower__isnull=False) | Q(upper__isnull=False), name="proxy_has_a_limit"),
            models.CheckConstraint(
                condition=Q(lower__isnull=True) | Q(upper__isnull=True) | Q(lower__lt=F("upper")),
                name="proxy_band_is_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.model}"

    def clean(self) -> None:
        errors = self._class_errors() | self._band_errors()
        if errors:
            raise ValidationError(errors)

    def _class_errors(self) -> dict[str, str]:
        # A form without a model has none to look at.
        model = getattr(self, "model", None)
        if not self.predicted_class or model is None or self.predicted_class in model.classes:
            return {}
        known = ", ".join(model.classes) or "none"
        return {"predicted_class": f"{self.predicted_class!r} is no class of {model}: it has {known}."}

    def _band_errors(self) -> dict[str, str]:
        errors = {}
        for name, limit in (("lower", self.lower), ("upper", self.upper)):
            if limit is None:
                continue
            if not math.isfinite(limit):
                errors[name] = f"{limit} is no limit: write a number, or leave it out."
            elif self.predicted_class and not 0 <= limit <= 1:
                errors[name] = f"{limit:g} is no share of answers: 60 % is 0.6."
        if errors:
            return errors
        if self.lower is None and self.upper is None:
            return {"lower": "Give a lower or an upper limit: without one nothing is out of its band."}
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            return {"upper": f"{self.upper:g} is not above the lower limit, {self.lower:g}."}
        return {}


class PushedValue(models.Model):
    """The newest value that was pushed of a version: an observation, as heartbeats are."""

    proxy = models.ForeignKey(BusinessProxy, on_delete=models.CASCADE, related_name="pushed_values")
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+")
    value = models.FloatField()
    at = models.DateTimeField(help_text="When it was true, as its sender says.")

    class Meta:
        ordering = ["proxy", "version"]
        constraints = [models.UniqueConstraint(fields=["proxy", "version"], name="one_pushed_value_per_version")]

    def __str__(self) -> str:
        return f"{self.proxy} at {self.at:%Y-%m-%d %H:%M:%S}"
