"""Free ports on the loopback, and the retry for one that is lost between choosing and binding."""

import socket
from collections.abc import Callable
from typing import TypeVar

from controlplane.stack.process import PortLostError

HOST = "127.0.0.1"
ATTEMPTS = 5
Started = TypeVar("Started")


def free_port(preferred: int | None = None) -> int:
    """`preferred` where nothing listens on it, else a free port of the system's choice."""
    if preferred is not None and not _taken(preferred):
        return preferred
    with socket.socket() as chosen:
        chosen.bind((HOST, 0))
        port: int = chosen.getsockname()[1]
        return port


def on_free_port(start: Callable[[int], Started], preferred: int | None = None, attempts: int = ATTEMPTS) -> Started:
    """What `start(port)` returns. A start that raises PortLostError is tried again on another port."""
    for attempt in range(1, attempts + 1):
        port = free_port(preferred if attempt == 1 else None)
        try:
            return start(port)
        except PortLostError:
            if attempt == attempts:
                raise
    raise ValueError(f"attempts={attempts}: at least 1 is needed.")


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT after its last server ended is free, one with a listener is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
