"""A webhook: Alertmanager posts its JSON to an address of the team's."""

from typing import Any

from models_registry.fleet import FleetReceiver

# Newer Alertmanagers read an address as a template; percent-encoded braces mean the same and open none.
_BRACES = str.maketrans({"{": "%7B", "}": "%7D"})


def configuration(receiver: FleetReceiver) -> dict[str, Any]:
    return {"webhook_configs": [{"url": receiver.address.translate(_BRACES), "send_resolved": True}]}
