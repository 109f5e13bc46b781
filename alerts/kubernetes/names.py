"""Names that Kubernetes accepts for whatever an alert, a job or a team is called. Pure."""

import hashlib
import re

PREFIX = "plumbline"
# The Secrets that the rendered objects refer to; an administrator makes them.
TOKENS = "plumbline-tokens"
RECEIVERS = "plumbline-receivers"
# Of a DNS-1123 label.
LONGEST = 63
_DIGITS = 8
_OTHERS = re.compile(r"[^a-z0-9]+")


def object_name(text: str) -> str:
    """`plumbline-<text>` as a DNS-1123 label. What is lost on the way is told by a digest, so no two texts meet."""
    return f"{PREFIX}-{_label(text, LONGEST - len(PREFIX) - 1)}"


def receiver_key(receiver: str) -> str:
    """The key of a receiver's secret in RECEIVERS: `<team>.<severity>` for the receiver `<team>/<severity>`."""
    team, _, severity = receiver.rpartition("/")
    return f"{_label(team, LONGEST)}.{severity}"


def secret_key(secret: str, key: str) -> dict[str, str]:
    """A reference to one value of a Secret in the same namespace."""
    return {"name": secret, "key": key}


def _label(text: str, longest: int) -> str:
    plain = _OTHERS.sub("-", text.lower()).strip("-")
    if plain and plain == text and len(plain) <= longest:
        return plain
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    return f"{plain[: longest - _DIGITS - 1].strip('-')}-{digest}".strip("-")
