"""A Microsoft Teams channel; the webhook's address lies in the secret file. Alertmanager 0.27 or later.

An older one refuses the whole configuration, so the registry refuses the kind before (ALERTMANAGER_VERSION).
"""

from typing import Any

from alerts.receivers.texts import TEXT, TITLE
from models_registry.fleet import FleetReceiver


def configuration(receiver: FleetReceiver) -> dict[str, Any]:
    return {
        "msteams_configs": [
            {"webhook_url_file": receiver.secret_file, "send_resolved": True, "title": TITLE, "text": TEXT}
        ]
    }
