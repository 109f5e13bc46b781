"""Quoting for PromQL, and selectors built from labels. The only place where a value becomes part of an expression."""

import re
from collections.abc import Iterable

# RE2's metacharacters. Python's re.escape also escapes spaces and hyphens, which RE2 accepts, but reads worse.
_RE2_META = re.compile(r"([\\.+*?()|\[\]{}^$])")
_DURATION_UNITS = (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)


def quote(value: str) -> str:
    """`value` as a double-quoted PromQL string literal."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    # ASCII's control characters are escaped; all else stands for itself, as parsers differ in multi-byte escapes.
    escaped = "".join(f"\\x{ord(c):02x}" if c < " " or c == "\x7f" else c for c in escaped)
    return f'"{escaped}"'


def regex_literal(value: str) -> str:
    """`value` as an RE2 pattern that matches exactly it."""
    return _RE2_META.sub(r"\\\1", value)


def alternatives(values: Iterable[str]) -> str:
    """An RE2 pattern that matches each of `values` and nothing else, sorted so that equal sets render alike."""
    return "|".join(regex_literal(value) for value in sorted(set(values)))


def equals(label: str, value: str) -> str:
    """The matcher `label="value"`."""
    return f"{label}={quote(value)}"


def one_of(label: str, values: Iterable[str]) -> str:
    """The matcher `label=~"a|b"`; always a regular expression, so that one value more changes no form."""
    return f"{label}=~{quote(alternatives(values))}"


def selector(metric: str, *matchers: str) -> str:
    """`metric{matcher,...}`, or `metric` alone where no matcher is given. An empty one says nothing."""
    said = ",".join(filter(None, matchers))
    return f"{metric}{{{said}}}" if said else metric


def duration(seconds: int) -> str:
    """Whole seconds as Prometheus writes them: 90 is `1m30s`, 0 is `0s`."""
    if seconds < 0:
        raise ValueError(f"A duration can't be negative, got {seconds} seconds.")
    parts = []
    for unit, size in _DURATION_UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def seconds(text: str) -> int:
    """The whole seconds of a Prometheus duration such as `5m` or `1h30m`; ValueError names what is accepted."""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text!r} is not a duration: write it like 30s, 5m, 1h30m or 7d.")
    return sum(
        int(count) * size for count, (_, size) in zip(match.groups(), _DURATION_UNITS, strict=True) if count is not None
    )
