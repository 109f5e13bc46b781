"""The kinds of receivers by name."""

from collections.abc import Callable
from typing import Any

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
