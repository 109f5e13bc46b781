"""How pages write moments, shares and numbers. No logic of the domain."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from alerts.live.numbers import Unit, show

register = template.Library()
_STEPS = ((86400 * 365, "y"), (86400 * 30, "mo"), (86400, "d"), (3600, "h"), (60, "min"))


def relative(moment: datetime, now: datetime) -> str:
    """`3 h ago`, `in 5 min`, `a moment ago`."""
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    for length, unit in _STEPS:
        if size >= length:
            amount = f"{int(size // length)} {unit}"
            return f"{amount} ago" if seconds > 0 else f"in {amount}"
    return "a moment ago"


@register.simple_tag
def when(moment: datetime | None, none: str = "never") -> SafeString | str:
    """How long ago, with the moment itself in UTC beside it; the page's script turns it into the viewer's time zone."""
    if moment is None:
        return none
    return format_html(
        '<time class="pl-when" datetime="{}" title="{} UTC"><span class="pl-when-relative">{}</span>'
        '<span class="pl-when-absolute">{} UTC</span></time>',
        moment.isoformat(timespec="seconds"),
        moment.strftime("%Y-%m-%d %H:%M:%S"),
        relative(moment, timezone.now()),
        moment.strftime("%Y-%m-%d %H:%M"),
    )


@register.simple_tag
def ago(moment: datetime | None, none: str = "never") -> SafeString | str:
    """How long ago; the moment itself in its title."""
    if moment is None:
        return none
    return format_html(
        '<time class="pl-ago" datetime="{}" title="{} UTC">{}</time>',
        moment.isoformat(timespec="seconds"),
        moment.strftime("%Y-%m-%d %H:%M:%S"),
        relative(moment, timezone.now()),
    )


@register.filter
def lasting(span: timedelta | float | None) -> str:
    """A span of time (or seconds): `850 ms`, `42 s`, `5 min`, `3 h 12 min`, `12 d`."""
    if span is None:
        return "unknown"
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172800:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{seconds / 86400:.0f} d"


@register.filter
def number(value: float | None, unit: str = "PLAIN") -> str:
    """A number with its unit (a name of alerts.live.numbers.Unit); `unknown` for None."""
    return show(value, Unit[unit])


@register.filter
def spaced(name: str) -> str:
    """A name of ours as words: `insufficient_data` is `insufficient data`."""
    return name.replace("_", " ")


@register.filter
def percent(share: float | None) -> str:
    """A share from 0 to 1 as a width that CSS takes."""
    return f"{max(0.0, min(1.0, share or 0.0)) * 100:.1f}%"


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The present address' query with `changes` made, an empty value leaving its name out; always from page one."""
    parameters = context["request"].GET.copy()
    parameters.pop("page", None)
    for name, value in changes.items():
        parameters.pop(name, None)
        if value not in ("", None):
            parameters[name] = str(value)
    return "?" + parameters.urlencode()


@register.simple_tag
def parameters(**values: Any) -> str:
    """The filled `values` as a query."""
    return urlencode({name: value for name, value in values.items() if value not in ("", None)})


@register.filter
def entry(mapping: Any, key: str) -> Any:
    """The entry of a dictionary by a key that is a variable; None where there is none."""
    return mapping.get(key) if mapping else None
