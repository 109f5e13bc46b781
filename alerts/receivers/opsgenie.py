"""Opsgenie's alert API; the API key lies in the secret file, and the address names an API outside the USA."""

from typing import Any

from alerts.digests.text import Digest, headline, plain
from alerts.receivers.posting import NotDelivered, key_in, post
from alerts.receivers.texts import TEXT, TITLE
from models_registry.fleet import FleetReceiver
from models_registry.receiver_rules import OPSGENIE

LONGEST_MESSAGE, LONGEST_DESCRIPTION = 130, 15_000


def configuration(receiver: FleetReceiver) -> dict[str, Any]:
    elsewhere = {"api_url": receiver.address} if receiver.address else {}
    return {
        "opsgenie_configs": [
            {
                "api_key_file": receiver.secret_file,
                **elsewhere,
                "send_resolved": True,
                "message": TITLE,
                "description": TEXT,
                "source": "Plumbline",
                "priority": "P1" if receiver.severity == "page" else "P3",
                "tags": "{{ .CommonLabels.alertname }},{{ .CommonLabels.model_name }},{{ .CommonLabels.team }}",
                "details": {"runbook": "{{ .CommonAnnotations.runbook_url }}"},
            }
        ]
    }


def deliver(receiver: FleetReceiver, digest: Digest) -> None:
    """The digest as an alert of its own, which stays open until somebody closes it. Raises NotDelivered.

    Opsgenie knows a repeated one by its alias, as long as it is open.
    """
    api = receiver.address or OPSGENIE[0]
    if api not in OPSGENIE:
        raise NotDelivered(f"{api} is none of Opsgenie's addresses: its key is sent nowhere else.")
    alert = {
        "message": headline(digest)[:LONGEST_MESSAGE],
        "alias": f"plumbline-digest/{digest.identity}",
        "description": plain(digest)[:LONGEST_DESCRIPTION],
        "source": "Plumbline",
        "priority": "P3" if digest.firing else "P5",
        "tags": ["ticket-digest", digest.team],
        "details": {"incidents": digest.link},
    }
    post("Opsgenie", f"{api}v2/alerts", alert, {"Authorization": f"GenieKey {key_in(receiver.secret_file)}"})
