"""Addresses where nobody listens."""

import socket


def free_address() -> str:
    """host:port of the loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
