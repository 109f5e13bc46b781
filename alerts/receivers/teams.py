"""A Microsoft Teams channel; the webhook's address lies in the secret file. Alertmanager 0.27 or later.

An older one refuses the whole configuration, so the registry refuses the kind before (ALERTMANAGER_VERSION).
"""

from typing import Any

from alerts.digests.text import Digest, headline, markdown
from alerts.receivers.posting import NotDelivered, address_in, post
from alerts.receivers.texts import TEXT, TITLE
from models_registry.fleet import FleetReceiver


def configuration(receiver: FleetReceiver) -> dict[str, Any]:
    return {
        "msteams_configs": [
            {"webhook_url_file": receiver.secret_file, "send_resolved": True, "title": TITLE, "text": TEXT}
        ]
    }


def deliver(receiver: FleetReceiver, digest: Digest) -> None:
    """The digest as a card of the kind that Alertmanager posts there, too. Raises NotDelivered."""
    card = {
        "@context": "https://schema.org/extensions",
        "@type": "MessageCard",
        "title": headline(digest),
        "summary": headline(digest),
        "text": markdown(digest),
        "potentialAction": [
            {
                "@type": "OpenUri",
                "name": "Incidents",
                "targets": [{"os": "default", "uri": digest.link}],
            }
        ],
    }
    # Teams answers 200, and an error in words, to what it did not take: too many messages, say.
    if "returned HTTP error" in post("Teams", address_in(receiver.secret_file), card):
        raise NotDelivered("Teams answered that it did not take the message.")
