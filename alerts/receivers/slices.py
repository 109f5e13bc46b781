"""The kinds of receivers by name."""

from collections.abc import Callable
from typing import Any

from alerts.receivers import pagerduty, slack, webhook
from models_registry.fleet import FleetReceiver

CONFIGURATIONS: dict[str, Callable[[FleetReceiver], dict[str, Any]]] = {
    "webhook": webhook.configuration,
    "slack": slack.configuration,
    "pagerduty": pagerduty.configuration,
}
