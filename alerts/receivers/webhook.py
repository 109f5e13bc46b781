"""A webhook: Alertmanager posts its JSON to an address of the team's, or to that in the secret file (0.26 or later)."""

from typing import Any

from alerts.digests.text import Digest, payload
from alerts.receivers.posting import address_in, post
from models_registry.fleet import FleetReceiver

# Newer Alertmanagers read an address as a template; percent-encoded braces mean the same and open none.
_BRACES = str.maketrans({"{": "%7B", "}": "%7D"})


def configuration(receiver: FleetReceiver) -> dict[str, Any]:
    address = (
        {"url_file": receiver.secret_file} if receiver.secret_file else {"url": receiver.address.translate(_BRACES)}
    )
    return {"webhook_configs": [{**address, "send_resolved": True}]}


def deliver(receiver: FleetReceiver, digest: Digest) -> None:
    """The digest as JSON. Raises NotDelivered."""
    post("The webhook", address_in(receiver.secret_file) if receiver.secret_file else receiver.address, payload(digest))
