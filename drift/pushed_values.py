"""Values of business proxies that the business' own system tells: observations, as heartbeats are, so no Changes."""

import math
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from drift.models import BusinessProxy, PushedValue
from models_registry.models import ModelVersion, Traffic

CLOCK_SKEW = timedelta(seconds=60)


def push_value(proxy: BusinessProxy, version: ModelVersion, value: float, at: datetime) -> bool:
    """Keep `value`, which was true `at`, unless a newer one is there: then False. ValidationError names the field.

    Safe to retry, and in any order: a late message never replaces what is newer.
    """
    _check(proxy, value, at)
    with transaction.atomic():
        stored, made = PushedValue.objects.get_or_create(
            proxy=proxy, version=version, defaults={"value": value, "at": at}
        )
        # At the same moment it is a retry, or a correction.
        return made or PushedValue.objects.filter(pk=stored.pk, at__lte=at).update(value=value, at=at) > 0


def version_meant(proxy: BusinessProxy, name: str) -> ModelVersion:
    """The version of that name; without a name, the live one. ValidationError on `version` where there is none."""
    if name:
        found = ModelVersion.objects.filter(model=proxy.model_id, version=name).first()
        if found is None:
            raise ValidationError({"version": f"{proxy.model} has no version {name!r}: register it, or correct it."})
        return found
    traffic = Traffic.objects.select_related("live").filter(model=proxy.model_id).first()
    if traffic is None or traffic.live is None:
        raise ValidationError({"version": f"No version of {proxy.model} is live: name the one that the value is of."})
    return traffic.live


def _check(proxy: BusinessProxy, value: float, at: datetime) -> None:
    now = timezone.now()
    if proxy.predicted_class:
        told = f"{proxy} is counted by the drift check: nothing can be pushed, unless its predicted_class is emptied."
        raise ValidationError({"value": told})
    if not math.isfinite(value):
        raise ValidationError({"value": f"{value} is no number."})
    if at > now + CLOCK_SKEW:
        raise ValidationError({"at": f"{at.isoformat()} is in the future: say when the value was true."})
    if now > at + timedelta(seconds=proxy.max_age_seconds):
        told = f"{at.isoformat()} is more than {proxy.max_age_seconds} s ago, the proxy's max_age_seconds."
        raise ValidationError({"at": f"{told} Push a newer value."})
