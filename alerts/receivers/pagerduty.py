"""PagerDuty's Events API v2; the routing key lies in the secret file."""

from typing import Any

from models_registry.fleet import FleetReceiver


def configuration(receiver: FleetReceiver) -> dict[str, Any]:
    return {
        "pagerduty_configs": [
            {
                "routing_key_file": receiver.secret_file,
                "severity": "critical" if receiver.severity == "page" else "warning",
                "send_resolved": True,
                "client": "Plumbline",
                "client_url": "{{ .CommonAnnotations.runbook_url }}",
                "description": "{{ .CommonLabels.alertname }}: {{ (index .Alerts 0).Annotations.summary }}",
                "class": "{{ .CommonLabels.alertname }}",
                "component": "{{ .CommonLabels.model_name }}",
                "group": "{{ .CommonLabels.team }}",
                "links": [
                    {"href": "{{ (index .Alerts 0).Annotations.runbook_url }}", "text": "Runbook"},
                    {"href": "{{ (index .Alerts 0).Annotations.dashboard_url }}", "text": "Dashboard"},
                    {"href": "{{ (index .Alerts 0).Annotations.mitigation_url }}", "text": "Mitigate"},
                ],
            }
        ]
    }
