"""Texts of annotations: written once with {placeholders}, rendered as a Prometheus template or expanded by ourselves.

The second rendering is what promtool's rule tests expect, so a proof covers the annotations too. Pure.
"""

import re
from collections.abc import Mapping
from string import Formatter
from urllib.parse import quote_plus

from telemetry import promql

# A brace that could open an action together with what follows it.
_OPENING = re.compile(r"\{(?=\{|$)")


def escape(text: str) -> str:
    """`text` as a template that yields it unchanged: typed text can't open a template."""
    return _OPENING.sub('{{ "{" }}', text)


def as_template(text: str, values: Mapping[str, str]) -> str:
    """`text` with {name} as a value where there is one, else as the alert's label of that name."""
    parts = []
    for literal, name, _, _ in Formatter().parse(text):
        parts.append(escape(literal))
        if name is not None:
            parts.append(escape(values[name]) if name in values else f"{{{{ $labels.{name} }}}}")
    return "".join(parts)


def expanded(text: str, values: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """What Prometheus makes of `as_template(text, values)` for an alert with `labels`."""
    return text.format_map({**labels, **values})


def link_template(address: str, labels: tuple[str, ...]) -> str:
    """`address` with the alert's `labels` as its query."""
    query = "&".join(f"{label}={{{{ $labels.{label} | urlquery }}}}" for label in labels)
    return f"{escape(address)}?{query}" if query else escape(address)


def link(address: str, labels: tuple[str, ...], values: Mapping[str, str]) -> str:
    """What Prometheus makes of `link_template(address, labels)` for an alert with the labels `values`."""
    query = "&".join(f"{label}={quote_plus(values.get(label, ''))}" for label in labels)
    return f"{address}?{query}" if query else address


def readable(value: float, unit: str) -> str:
    """A limit as a person reads it: 3%, 0.35 s, 100."""
    if unit == "ratio":
        return f"{value * 100:.6g}%"
    return f"{value:.6g} {unit}" if unit in ("s", "ms") else f"{value:.6g}"


def readable_duration(seconds: int) -> str:
    return promql.duration(seconds)
