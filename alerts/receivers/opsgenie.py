"""Opsgenie's alert API; the API key lies in the secret file, and the address names an API outside the USA."""

from typing import Any

from alerts.receivers.texts import TEXT, TITLE
from models_registry.fleet import FleetReceiver


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
