"""Field validators: the shared vocabulary's checks, as Django wants them."""

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError

from telemetry import identifiers

_SHA256 = re.compile(r"[0-9a-f]{64}")


def _field_error(check: Callable[[str], str], value: str) -> None:
    try:
        check(value)
    except ValueError as error:
        raise ValidationError(str(error), code="invalid") from error


def validate_name(value: str) -> None:
    """A model's or a team's name."""
    _field_error(identifiers.check_name, value)


def validate_version(value: str) -> None:
    """A version of a model, of a baseline or of a pipeline."""
    _field_error(identifiers.check_version, value)


def validate_feature(value: str) -> None:
    """A feature's name."""
    _field_error(identifiers.check_feature, value)


def validate_proxy(value: str) -> None:
    """A business proxy's name."""
    _field_error(identifiers.check_proxy, value)


def validate_sha256(value: str) -> None:
    """64 lower-case hexadecimal digits."""
    if not _SHA256.fullmatch(value):
        raise ValidationError(
            "A SHA-256 is 64 lower-case hexadecimal digits, as `sha256sum FILE` prints.", code="invalid"
        )


def validate_time_zone(value: str) -> None:
    """A name of the IANA time zone database."""
    if value not in available_timezones():
        raise ValidationError(f"{value!r} is no time zone: use a name such as Europe/Berlin or UTC.", code="invalid")


def validate_http_url(value: str) -> None:
    """An http or https address with a host and without a user or password."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or any(c.isspace() for c in value):
        raise ValidationError(
            f"{value!r} is no address: write http(s)://host/path, without a user or password.", code="invalid"
        )


def validate_artifact(value: str) -> None:
    """An absolute path, or an http or https address."""
    if "://" in value:
        validate_http_url(value)
    elif not PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
        raise ValidationError(
            f"{value!r} is neither an absolute path without `..` nor an http(s) address.", code="invalid"
        )


def validate_labels(values: object) -> None:
    """A list of distinct, printable strings of 1 to 128 characters: classes or categories."""
    # The code is our own: for "invalid" a JSONField would put its own message in place of ours.
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise ValidationError('This is a list of strings, for example ["late", "on-time"].', code="labels")
    for value in values:
        if not 1 <= len(value) <= 128 or not value.isprintable():
            raise ValidationError(f"{value!r} needs 1 to 128 printable characters.", code="labels")
    if len(set(values)) != len(values):
        raise ValidationError("Each value can be listed only once.", code="labels")
