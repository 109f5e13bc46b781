"""Typed readers of environment variables. A wrong value stops the process with its name and the remedy."""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
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


def existing_file(name: str, default: Path) -> Path:
    """The file that the variable names, which must be there; `default`, there or not yet, where it isn't set."""
    value = os.environ.get(name, "")
    if value and not Path(value).is_file():
        raise ImproperlyConfigured(f"{name}={value!r} is no file: make it, or leave {name} out and one is made.")
    return Path(value or default)


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


def version(name: str, default: str) -> tuple[int, ...]:
    """The variable as a version: 0.27 is (0, 27)."""
    value = text(name, default)
    if not re.fullmatch(r"\d+(\.\d+)+", value):
        raise ImproperlyConfigured(f"{name}={value!r} is no version: write it like 0.27 or 0.28.1.")
    return tuple(int(part) for part in value.split("."))


def dns_label(name: str, default: str = "") -> str:
    """The variable as a name that Kubernetes takes (a DNS-1123 label); empty stays empty."""
    value = text(name, default)
    if value and not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ImproperlyConfigured(
            f"{name}={value!r} is no name in Kubernetes: use up to 63 of a-z, 0-9 and hyphens, no hyphen at either end."
        )
    return value


def url(name: str, default: str = "", schemes: tuple[str, ...] = ("http", "https")) -> str:
    """The variable as an absolute URL without a trailing slash; empty stays empty."""
    return _absolute(name, text(name, default), schemes)


def _absolute(name: str, value: str, schemes: tuple[str, ...]) -> str:
    value = value.rstrip("/")
    if value and (urlsplit(value).scheme not in schemes or not (urlsplit(value).netloc or urlsplit(value).path)):
        told = _without_password(value)
        raise ImproperlyConfigured(f"{name}={told!r} is not a URL with one of the schemes {', '.join(schemes)}.")
    return value


def _without_password(value: str) -> str:
    """For messages, whatever it is that somebody took for a URL."""
    scheme, slashes, rest = value.rpartition("://") if value.count("://") == 1 else ("", "", value)
    return scheme + slashes + rest.rpartition("@")[2]


def shown_url(name: str, default: str = "") -> str:
    """The variable as `url` reads it. It ends up in links, so it can't hold a user or a password."""
    value = url(name, default)
    if "@" in urlsplit(value).netloc:
        told = _without_password(value)
        raise ImproperlyConfigured(f"{name}={told!r} is shown to people: leave the user and the password out.")
    return value


def database(name: str, default: str) -> Any:
    """The variable as Django's description of a database, connections kept for a minute. It may hold a password."""
    value = text(name) or default
    try:
        return dj_database_url.parse(value, conn_max_age=60, conn_health_checks=True)
    except ValueError:
        told = "is no database's address: write postgres://user:password@host:5432/name or sqlite:////folder/file."
        # Without its cause, which might quote it.
        raise ImproperlyConfigured(f"{name} {told}") from None


def urls(name: str, default: str) -> list[str]:
    """The variable as absolute URLs split at commas, at least one, all with the same scheme and path.

    One scrape job watches them all, and a job has one scheme and one path.
    """
    found = [_absolute(name, part.strip(), ("http", "https")) for part in text(name, default).split(",")]
    told = ",".join(map(_without_password, found))
    if len({(urlsplit(each).scheme, urlsplit(each).path) for each in found}) > 1:
        raise ImproperlyConfigured(f"{name}={told!r}: give all of them the same scheme and path.")
    if len(set(found)) < len(found):
        raise ImproperlyConfigured(f"{name}={told!r} names a server twice: leave one out.")
    return found


def names(name: str, default: str = "") -> list[str]:
    """The variable as a list split at commas."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]
