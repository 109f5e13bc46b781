"""What an environment variable may hold. Each parser raises ValueError with what is wrong and the remedy.

The message goes on after the variable's name and value: "SCRAPE_INTERVAL_SECONDS='15s' is not a whole number: ...".
"""

import os
import re
from collections.abc import Callable
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import dj_database_url

from telemetry.identifiers import check_name

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
WEB = ("http", "https")
REDIS = ("redis", "rediss", "redis+socket", "unix")
DATABASES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")
# Django calls a key of fewer characters weak.
SECRET_KEY_CHARACTERS = 50
NAME_OR_ADDRESS = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\]"


def or_empty(parse: Callable[[str], str]) -> Callable[[str], str]:
    """`parse`, for a variable that may be empty, too."""
    return lambda value: parse(value) if value else ""


def text(value: str) -> str:
    """Anything."""
    return value


def label(value: str) -> str:
    """The value of a label in Prometheus, which takes an empty one for none."""
    if not 1 <= len(value) <= 128 or not value.isprintable():
        raise ValueError("is no label: use 1 to 128 printable characters.")
    return value


def truth(value: str) -> bool:
    """1, true, yes, on or 0, false, no, off."""
    if value.lower() not in TRUE | FALSE:
        raise ValueError("is neither true nor false: use 1 or 0.")
    return value.lower() in TRUE


def whole(minimum: int = 1, maximum: int | None = None, why: str = "") -> Callable[[str], int]:
    """A whole number within the limits; `why` says where the upper one comes from."""

    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError as error:
            raise ValueError("is not a whole number: write it in digits, without a unit.") from error
        if number < minimum:
            raise ValueError(f"is too small: use at least {minimum}.")
        if maximum is not None and number > maximum:
            raise ValueError(f"is too large: use at most {maximum}{f', since {why}' if why else ''}.")
        return number

    return parse


def version(value: str) -> tuple[int, ...]:
    """A version: 0.27 is (0, 27)."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)+", value):
        raise ValueError("is no version: write it like 0.27 or 0.28.1.")
    return tuple(int(part) for part in value.split("."))


def log_level(value: str) -> str:
    """A level of Python's logging."""
    if value.upper() not in LOG_LEVELS:
        raise ValueError(f"is no level: use {', '.join(LOG_LEVELS)}.")
    return value.upper()


def dns_label(value: str) -> str:
    """A name that Kubernetes takes (a DNS-1123 label)."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ValueError("is no name in Kubernetes: use up to 63 of a-z, 0-9 and hyphens, no hyphen at either end.")
    return value


def team(value: str) -> str:
    """A team's name, as the registry takes it."""
    try:
        return check_name(value)
    except ValueError as error:
        raise ValueError(
            "can't name a team: use 1 to 63 lower-case letters, digits and hyphens, no hyphen at either end."
        ) from error


def host_port(value: str) -> str:
    """host:port, as Prometheus scrapes it."""
    host, _, port = value.rpartition(":")
    if not re.fullmatch(NAME_OR_ADDRESS, host) or not re.fullmatch(r"[0-9]{1,5}", port):
        raise ValueError("is no host:port: write it like web.example.com:8000, without http:// and without a path.")
    if not 1 <= int(port) <= 65535:
        raise ValueError("has no port: use one from 1 to 65535.")
    return value


def host_ports(value: str) -> list[str]:
    """host:port, any number of them split at commas."""
    return [host_port(part) for part in _parts(value)]


def host_names(value: str) -> list[str]:
    """Hosts split at commas, as Django's ALLOWED_HOSTS takes them: names, .example.com for all below it, * for all."""
    names = _parts(value)
    if not names:
        raise ValueError("names nobody: leave it out for the host of PLUMBLINE_URL and this machine.")
    for name in names:
        if name != "*" and not re.fullmatch(NAME_OR_ADDRESS, name.removeprefix(".")):
            raise ValueError("holds what is no host: write names split at commas, without http:// and without ports.")
    return names


def redis_url(value: str) -> str:
    """The broker: redis://host:6379/0 with the number of a database, or a socket's path."""
    found = _absolute(value, REDIS)
    parts = urlsplit(found)
    if parts.scheme in ("redis", "rediss") and not re.fullmatch(r"(/[0-9]*)?", parts.path):
        raise ValueError("names no database of Redis: write it like redis://host:6379/0.")
    return found


def shown_url(value: str) -> str:
    """A URL that ends up in links, so that it can't hold a user or a password."""
    found = _absolute(value, WEB)
    if "@" in urlsplit(found).netloc:
        raise ValueError("is shown to people: leave the user and the password out.")
    return found


def site_url(value: str) -> str:
    """A URL of our own pages, which lie at the root of their host."""
    found = shown_url(value)
    if urlsplit(found).path:
        raise ValueError("has a path: Plumbline answers at the root of a host, so end it after the host and port.")
    return found


def http_urls(value: str) -> list[str]:
    """URLs split at commas, at least one, all with the same scheme and path.

    One scrape job watches them all, and a job has one scheme and one path.
    """
    found = [_absolute(part.strip(), WEB) for part in value.split(",")]
    if len({(urlsplit(each).scheme, urlsplit(each).path) for each in found}) > 1:
        raise ValueError("names several servers: give all of them the same scheme and path.")
    if len(set(found)) < len(found):
        raise ValueError("names a server twice: leave one out.")
    return found


def database(value: str) -> Any:
    """Django's description of a database, connections kept for a minute."""
    told = "is no database's address: write postgres://user:password@host:5432/name or sqlite:////folder/file."
    try:
        found = dj_database_url.parse(value, conn_max_age=60, conn_health_checks=True)
    except ValueError:
        # Without its cause, which might quote a password.
        raise ValueError(told) from None
    if found["ENGINE"] not in DATABASES or not found["NAME"]:
        raise ValueError(told)
    return found


def secret_key(value: str) -> str:
    """What signs sessions."""
    if len(value) < SECRET_KEY_CHARACTERS:
        told = f"has {len(value)} characters: use {SECRET_KEY_CHARACTERS} or more random ones"
        raise ValueError(f"{told}, or leave it out and one is made.")
    return value


def secret_file(value: str) -> Path:
    """A file that holds a token. One made in the place of a mistyped one would lock out whoever reads the right one."""
    path = Path(value).absolute()
    try:
        token = path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ValueError("is no file: make it, or leave the variable out and one is made.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError("can't be read as a token: let this user read it, and write plain ASCII into it.") from error
    if not token:
        raise ValueError("is empty: write a random token into it, or leave the variable out and one is made.")
    return path


def folder(value: str) -> Path:
    """A folder, there or not yet."""
    path = Path(value).absolute()
    if not value or (os.access(path, os.F_OK) and not path.is_dir()):
        raise ValueError("is no folder: name one.")
    return path


def home(value: str) -> Path:
    """The folder that all is written to, there or to be made."""
    path = folder(value).resolve()
    there = next(each for each in (path, *path.parents) if os.access(each, os.F_OK))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"can't be written to: let {there} be a folder that this user may write to, or name another.")
    return path


def absolute_path(value: str) -> str:
    """A path on another machine."""
    if not value.startswith("/") or not value.isprintable():
        raise ValueError("is no absolute path: begin it with /.")
    return value


def mail_address(value: str) -> str:
    """An e-mail address, with a name or without."""
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", parseaddr(value)[1]) or not value.isprintable():
        raise ValueError("is no e-mail address: write it like plumbline@example.com.")
    return value


def without_password(value: str) -> str:
    """How to show what somebody took for a URL, or for several: no user, no password."""
    return repr(re.sub(r"//[^/]*@", "//", value).rpartition("@")[2])


def hidden(_value: str) -> str:
    """How to show a secret: not at all."""
    return ""


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _absolute(value: str, schemes: tuple[str, ...]) -> str:
    value = value.rstrip("/")
    parts = _split(value)
    rooted = parts.hostname if parts.scheme in (*WEB, "redis", "rediss") else parts.path
    if parts.scheme not in schemes or not rooted or any(not c.isprintable() or c.isspace() for c in value):
        begins = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"is not a URL: begin it with {begins} and go on with the host.")
    if parts.scheme in WEB and (parts.query or parts.fragment):
        raise ValueError("holds a ? or a #: end it after the path.")
    return value


def _split(value: str) -> SplitResult:
    """The URL in parts, its port one that there is."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        # Its cause would quote what may be a password.
        port, parts = 0, urlsplit("")
    if port == 0:
        raise ValueError("is not a URL that can be read: its port is a number from 1 to 65535, an IPv6 host in [].")
    return parts
