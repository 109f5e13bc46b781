"""A Slack channel, through the incoming webhook whose address lies in the secret file."""

from typing import Any

from alerts.annotations import escape
from alerts.digests import text as digest_text
from alerts.digests.text import Digest
from alerts.receivers.posting import address_in, post
from alerts.receivers.texts import TITLE
from models_registry.fleet import FleetReceiver


def _plain(value: str) -> str:
    """A template for `value` in which nothing can be a link or a mention: a feature may be called <!channel>."""
    return '{{ reReplaceAll ">" "&gt;" (reReplaceAll "<" "&lt;" (reReplaceAll "&" "&amp;" ' + value + ")) }}"


_TEXT = "\n".join(
    (
        "{{ range .Alerts }}*" + _plain(".Annotations.summary") + "*",
        _plain(".Annotations.description"),
        "<{{ .Annotations.runbook_url }}|Runbook> | <{{ .Annotations.dashboard_url }}|Dashboard>"
        " | <{{ .Annotations.mitigation_url }}|Mitigate>",
        "{{ end }}",
    )
)


def configuration(receiver: FleetReceiver) -> dict[str, Any]:
    return {
        "slack_configs": [
            {
                "api_url_file": receiver.secret_file,
                "channel": escape(receiver.address),
                "send_resolved": True,
                "title": TITLE,
                "title_link": "{{ .CommonAnnotations.runbook_url }}",
                "fallback": TITLE,
                "text": _TEXT,
            }
        ]
    }


def deliver(receiver: FleetReceiver, digest: Digest) -> None:
    """The digest as a message. Raises NotDelivered."""
    body = {"channel": receiver.address, "text": digest_text.slack(digest)}
    post("Slack", address_in(receiver.secret_file), body)
