"""E-mail, through the mail server of the settings (`global` in alertmanager.yml); plain text, so nothing is markup."""

from typing import Any

from alerts.annotations import escape
from alerts.receivers.texts import TEXT, TITLE
from models_registry.fleet import FleetReceiver


def configuration(receiver: FleetReceiver) -> dict[str, Any]:
    return {
        "email_configs": [
            {
                "to": escape(receiver.address),
                "send_resolved": True,
                "headers": {"Subject": TITLE},
                "html": "",
                "text": TEXT,
            }
        ]
    }
