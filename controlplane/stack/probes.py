"""Readiness probes: functions that say whether a server answers yet. Each gives up within two seconds."""

import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

PROBE_SECONDS = 2.0
# The system's proxy settings don't apply to servers on the loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Probe = Callable[[], bool]
# The state "listening" in /proc/net/tcp.
LISTENING = "0A"


def listens(pid: int, port: int) -> bool:
    """True when process `pid` itself holds a listening TCP socket on `port`; no other process' socket counts."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{inode}]")
    try:
        return any(_link(entry) in sockets for entry in Path(f"/proc/{pid}/fd").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return False  # it has ended


def _link(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except FileNotFoundError:
        return ""  # closed since it was listed


def http_ok(url: str) -> Probe:
    """Ready when GET `url` answers with a status below 400."""

    def probe() -> bool:
        try:
            with _OPENER.open(url, timeout=PROBE_SECONDS):
                return True
        except (urllib.error.URLError, HTTPException, OSError):
            return False

    return probe


def tcp_open(host: str, port: int) -> Probe:
    """Ready when a TCP connection is accepted."""

    def probe() -> bool:
        try:
            with socket.create_connection((host, port), PROBE_SECONDS):
                return True
        except OSError:
            return False

    return probe


def redis_pong(path: Path) -> Probe:
    """Ready when the Redis at the unix socket `path` answers PING; while it loads its data it refuses."""

    def probe() -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(PROBE_SECONDS)
                connection.connect(str(path))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    return probe


def postgres_ready(host: str, port: int) -> Probe:
    """Ready when PostgreSQL asks a client to authenticate; while it starts or recovers it refuses."""
    parameters = b"user\0probe\0database\0postgres\0\0"
    protocol_3 = (196608).to_bytes(4, "big")
    message = (len(protocol_3) + len(parameters) + 4).to_bytes(4, "big") + protocol_3 + parameters

    def probe() -> bool:
        try:
            with socket.create_connection((host, port), PROBE_SECONDS) as connection:
                connection.sendall(message)
                return connection.recv(1) == b"R"
        except OSError:
            return False

    return probe
