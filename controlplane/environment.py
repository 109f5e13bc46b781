"""Typed readers of environment variables. A wrong value stops the process with its name and the remedy."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """The variable, or the content of the file that `<name>_FILE` names (for secrets), or `default`."""
    direct, file = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if direct is not None and file is not None:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: leave one out.")
    if file is None:
        return default if direct is None else direct
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE={file!r} can't be read: {error.strerror}.") from error


def boolean(name: str, default: bool) -> bool:
    """The variable as a truth value: 1, true, yes, on or 0, false, no, off."""
    value = text(name, str(default)).lower()
    if value not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name}={value!r} is neither true nor false: use 1 or 0.")
    return value in TRUE


def whole(name: str, default: int, minimum: int = 1) -> int:
    """The variable as a whole number of at least `minimum`."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number.") from error
    if number < minimum:
        raise ImproperlyConfigured(f"{name}={number} is too small: use at least {minimum}.")
    return number


def url(name: str, default: str = "", schemes: tuple[str, ...] = ("http", "https")) -> str:
    """The variable as an absolute URL without a trailing slash; empty stays empty."""
    return _absolute(name, text(name, default), schemes)


def _absolute(name: str, value: str, schemes: tuple[str, ...]) -> str:
    value = value.rstrip("/")
    if value and (urlsplit(value).scheme not in schemes or not (urlsplit(value).netloc or urlsplit(value).path)):
        raise ImproperlyConfigured(f"{name}={value!r} is not a URL with one of the schemes {', '.join(schemes)}.")
    return value


def urls(name: str, default: str) -> list[str]:
    """The variable as absolute URLs split at commas, at least one, all with the same scheme and path.

    One scrape job watches them all, and a job has one scheme and one path.
    """
    found = [_absolute(name, part.strip(), ("http", "https")) for part in text(name, default).split(",")]
    if len({(urlsplit(each).scheme, urlsplit(each).path) for each in found}) > 1:
        raise ImproperlyConfigured(f"{name}={','.join(found)!r}: give all of them the same scheme and path.")
    if len(set(found)) < len(found):
        raise ImproperlyConfigured(f"{name}={','.join(found)!r} names a server twice: leave one out.")
    return found


def names(name: str, default: str = "") -> list[str]:
    """The variable as a list split at commas."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]
