"""What Plumbline itself sends to a team's receiver: one POST of JSON, or an error that says which receiver it was.

An address may be a secret, as a key is, so no error says more of it than the kind of receiver and its file.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

# Seconds to connect, and for each read.
TIMEOUT = 5.0
LONGEST_SECRET = 2000


class NotDelivered(RuntimeError):
    """It did not work this time: worth another try. `had_by`: the addresses that have it all the same."""

    def __init__(self, reason: str, had_by: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.had_by = tuple(had_by)


def post(name: str, address: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> str:
    """The answer's beginning. `name` is what errors call the receiver. Raises NotDelivered."""
    try:
        # Whoever answers with a redirection is not the receiver that was registered.
        response = requests.post(address, json=body, headers=headers, timeout=TIMEOUT, allow_redirects=False)
    except requests.Timeout as error:
        raise NotDelivered(f"{name} gave no answer in time.") from error
    except requests.RequestException as error:
        raise NotDelivered(f"{name} can't be reached: {type(error).__name__}.") from error
    if not 200 <= response.status_code < 300:
        raise NotDelivered(f"{name} answered {response.status_code}.")
    return response.text[:LONGEST_SECRET]


def secret_in(file: str) -> str:
    """What the secret file holds; it must be readable here as it is for Alertmanager. Raises NotDelivered."""
    try:
        with Path(file).open(encoding="utf-8") as held:
            secret = held.read(LONGEST_SECRET).strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise NotDelivered(f"Plumbline can't read {file}: {reason}.") from error
    if not secret:
        raise NotDelivered(f"{file} is empty.")
    return secret


def key_in(file: str) -> str:
    """A key from its file. Raises NotDelivered, also where it could not be sent as one."""
    key = secret_in(file)
    if not (key.isascii() and key.isprintable()):
        raise NotDelivered(f"{file} doesn't hold a key: one line of ASCII.")
    return key


def address_in(file: str) -> str:
    """An address from its file. Raises NotDelivered."""
    address = secret_in(file)
    if not _is_http(address):
        raise NotDelivered(f"{file} doesn't hold an http(s) address.")
    return address


def _is_http(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not any(c.isspace() for c in address)
