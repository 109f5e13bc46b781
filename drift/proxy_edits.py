"""Editing business proxies. The admin, the API and the registry file all come through here; each edit is a Change."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from drift.models import BusinessProxy
from drift.proxies import band_text
from models_registry import changes
from models_registry.actor import Actor
from models_registry.models import Change

# What a person sets, in the order in which it is shown; the export document holds exactly these.
SETTINGS = ("name", "predicted_class", "lower", "upper", "max_age_seconds")
# Series, alerts and silences carry them.
IDENTITY = ("model_id", "name")


def proxy_document(proxy: BusinessProxy) -> dict[str, Any]:
    """The proxy's export document."""
    document = {name: getattr(proxy, name) for name in SETTINGS}
    return {name: value for name, value in document.items() if value not in ("", None)}


def save_proxy(proxy: BusinessProxy, *, actor: Actor, reason: str = "") -> Change | None:
    """Write `proxy` and its Change; ValidationError names the fields. None: nothing differs."""
    with transaction.atomic():
        stored = BusinessProxy.objects.filter(pk=proxy.pk).first() if proxy.pk else None
        if stored is not None and (moved := [n for n in IDENTITY if getattr(stored, n) != getattr(proxy, n)]):
            told = "This can't be changed: delete the proxy and make another."
            raise ValidationError({name.removesuffix("_id"): told for name in moved})
        proxy.full_clean()
        before, after = proxy_document(stored) if stored else None, proxy_document(proxy)
        if before == after:
            return None
        proxy.save()
        return changes.record(
            Change.Kind.THRESHOLD,
            actor=actor,
            obj=proxy,
            model=proxy.model,
            summary=_summary(proxy, before, after),
            reason=reason,
            before=before,
            after=after,
        )


def delete_proxy(proxy: BusinessProxy, *, actor: Actor, reason: str = "") -> Change:
    """Delete the proxy with what was pushed: its series end with the next scrape."""
    with transaction.atomic():
        change = changes.record(
            Change.Kind.THRESHOLD,
            actor=actor,
            obj=proxy,
            model=proxy.model,
            summary=f"{proxy.model.name}: business proxy {proxy.name} deleted",
            reason=reason,
            before=proxy_document(proxy),
        )
        proxy.delete()
        return change


def _summary(proxy: BusinessProxy, before: dict[str, Any] | None, after: dict[str, Any]) -> str:
    what = f"{proxy.model.name}: business proxy {proxy.name}"
    if before is None:
        return f"{what}: {band_text(proxy.lower, proxy.upper)}"
    changed = [key for key in SETTINGS if before.get(key) != after.get(key)]
    told = (f"{key.replace('_', ' ')} {before.get(key, 'none')} to {after.get(key, 'none')}" for key in changed)
    return f"{what}: {', '.join(told)}"
