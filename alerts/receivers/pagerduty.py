"""PagerDuty's Events API v2; the routing key lies in the secret file."""

from typing import Any

from alerts.digests.text import MOST_LINES, Digest, headline, plain
from alerts.receivers.posting import key_in, post
from models_registry.fleet import FleetReceiver

EVENTS = "https://events.pagerduty.com/v2/enqueue"


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


def deliver(receiver: FleetReceiver, digest: Digest) -> None:
    """The digest as an alert of its own, which stays open until somebody resolves it. Raises NotDelivered.

    PagerDuty knows a repeated one by its key.
    """
    event = {
        "routing_key": key_in(receiver.secret_file),
        "event_action": "trigger",
        "dedup_key": f"plumbline-digest/{digest.identity}",
        "client": "Plumbline",
        "client_url": digest.link,
        "payload": {
            "summary": headline(digest),
            "source": "Plumbline",
            "severity": "warning" if digest.firing else "info",
            "timestamp": digest.began_at.isoformat(),
            "class": "ticket digest",
            "group": digest.team,
            "custom_details": {"tickets": plain(digest)},
        },
        "links": [{"href": each.link, "text": each.alert} for each in digest.told[:MOST_LINES]],
    }
    post("PagerDuty", EVENTS, event)
