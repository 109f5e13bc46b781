"""What Plumbline itself sends to a team's receiver: webhooks and Slack, whose addresses it can know.

An address may be a secret, so no error says more of it than which receiver it is.
"""

from pathlib import Path
from typing import Any

import requests

from models_registry.fleet import FleetReceiver

TIMEOUT = 5.0
LONGEST_ADDRESS = 2000
_KINDS = {"webhook", "slack"}


class NotDelivered(RuntimeError):
    """It did not work this time: worth another try."""


def why_not(receiver: FleetReceiver | None) -> str:
    """Why Plumbline can never deliver to `receiver`; empty where it can."""
    if receiver is None:
        return "The team has no receiver for tickets."
    if receiver.kind not in _KINDS:
        return f"Plumbline delivers to webhooks and Slack; the team's tickets go to {receiver.kind}."
    return ""


def post(receiver: FleetReceiver, payload: dict[str, Any], text: str) -> None:
    """`payload` to a webhook, `text` to a Slack channel. Raises NotDelivered."""
    body = payload if receiver.kind == "webhook" else {"channel": receiver.address, "text": text}
    try:
        # Whoever answers with a redirection is not the receiver that was registered.
        response = requests.post(_address(receiver), json=body, timeout=TIMEOUT, allow_redirects=False)
    except requests.Timeout as error:
        raise NotDelivered(f"The {receiver.kind} gave no answer in time.") from error
    except requests.RequestException as error:
        raise NotDelivered(f"The {receiver.kind} can't be reached: {type(error).__name__}.") from error
    if not 200 <= response.status_code < 300:
        raise NotDelivered(f"The {receiver.kind} answered {response.status_code}.")


def _address(receiver: FleetReceiver) -> str:
    if not receiver.secret_file:
        return receiver.address
    try:
        address = Path(receiver.secret_file).read_text(encoding="utf-8")[:LONGEST_ADDRESS].strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise NotDelivered(f"Plumbline can't read {receiver.secret_file}: {reason}.") from error
    if not address.startswith(("http://", "https://")):
        raise NotDelivered(f"{receiver.secret_file} doesn't hold an http(s) address.")
    return address
