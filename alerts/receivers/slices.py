"""The kinds of receivers by name."""

from collections.abc import Callable
from typing import Any

from alerts.digests.text import Digest
from alerts.receivers import email, opsgenie, pagerduty, slack, teams, webhook
from models_registry.fleet import FleetReceiver

CONFIGURATIONS: dict[str, Callable[[FleetReceiver], dict[str, Any]]] = {
    "webhook": webhook.configuration,
    "slack": slack.configuration,
    "pagerduty": pagerduty.configuration,
    "opsgenie": opsgenie.configuration,
    "email": email.configuration,
    "teams": teams.configuration,
}
# What Plumbline sends itself, once a day: see alerts.digests.sending. Each raises NotDelivered.
DELIVERIES: dict[str, Callable[[FleetReceiver, Digest], None]] = {
    "webhook": webhook.deliver,
    "slack": slack.deliver,
    "pagerduty": pagerduty.deliver,
    "opsgenie": opsgenie.deliver,
    "email": email.deliver,
    "teams": teams.deliver,
}
