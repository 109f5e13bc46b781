"""What a person may call a model, team, version, feature or proxy. Checked on entry, so renderers need not doubt."""

import re

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
PROXY = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FEATURE_MAX_LENGTH = 128


def check_name(value: str) -> str:
    """`value` if it can name a model or a team, else ValueError with the remedy."""
    if not NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} can't be a name: use 1 to 63 lower-case letters, digits and hyphens, "
            "starting and ending with a letter or a digit."
        )
    return value


def check_proxy(value: str) -> str:
    """`value` if it can name a business proxy, as approval_rate does, else ValueError with the remedy."""
    if not PROXY.fullmatch(value):
        raise ValueError(
            f"{value!r} can't name a business proxy: use 1 to 63 lower-case letters, digits, underscores and hyphens, "
            "starting and ending with a letter or a digit."
        )
    return value


def check_version(value: str) -> str:
    """`value` if it can name a model's version, else ValueError with the remedy."""
    if not VERSION.fullmatch(value):
        raise ValueError(
            f"{value!r} can't be a version: use 1 to 64 letters, digits, dots, underscores and hyphens, "
            "starting with a letter or a digit."
        )
    return value


def check_feature(value: str) -> str:
    """`value` if it can name a feature (any printable UTF-8 up to 128 characters), else ValueError with the remedy."""
    if not 1 <= len(value) <= FEATURE_MAX_LENGTH:
        raise ValueError(f"A feature's name has 1 to {FEATURE_MAX_LENGTH} characters; this one has {len(value)}.")
    if not value.isprintable() or value != value.strip():
        raise ValueError(f"{value!r} can't name a feature: leave out control characters and spaces at its ends.")
    return value
