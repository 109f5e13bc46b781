"""Alertmanager's fingerprint of an alert: it pairs what is read from Prometheus with what the webhook tells."""

from collections.abc import Mapping

# FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/), over the sorted labels, as prometheus/common does.
_OFFSET = 14695981039346656037
_PRIME = 1099511628211
_MASK = (1 << 64) - 1
_SEPARATOR = b"\xff"  # never part of UTF-8, so no two label sets run together


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hexadecimal digits that name the alert with exactly these labels."""
    digest = _OFFSET
    for name in sorted(labels, key=str.encode):
        for byte in name.encode() + _SEPARATOR + labels[name].encode() + _SEPARATOR:
            digest = ((digest ^ byte) * _PRIME) & _MASK
    return f"{digest:016x}"
