"""Where the parts of a whole system listen, and what they are told of each other through the environment."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from controlplane.stack.ports import HOST, free_port

# The demo lives in minutes: short intervals, so that a person sees the loop turn. Each can be set from outside.
DEMO_PACE = {
    "SCRAPE_INTERVAL_SECONDS": "2",
    "DRIFT_SCRAPE_INTERVAL_SECONDS": "5",
    "EVALUATION_INTERVAL_SECONDS": "2",
    "RECONCILE_INTERVAL_SECONDS": "5",
    "ROUTE_GROUP_WAIT_SECONDS": "1",
    "ROUTE_GROUP_INTERVAL_SECONDS": "5",
    "ENVIRONMENT_LABEL": "demo",
}


@dataclass(frozen=True, slots=True)
class Ports:
    """One port for each part that listens; the defaults are the ones that people expect."""

    web: int = 8000
    prometheus: int = 9090
    alertmanager: int = 9093
    exporter: int = 9109
    serving: int = 8080
    receiver: int = 9099

    @classmethod
    def choose(cls) -> Self:
        """The defaults, with free ports in place of those that are taken."""
        return cls(**{field.name: free_port(field.default) for field in fields(cls)})  # type: ignore[arg-type]

    def replaced(self) -> dict[str, tuple[int, int]]:
        """`{part: (expected, chosen)}` of the parts that could not have their default."""
        pairs = {field.name: (getattr(type(self)(), field.name), getattr(self, field.name)) for field in fields(self)}
        return {part: pair for part, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True, slots=True)
class Addresses:
    """The URL of each part, without a trailing slash."""

    web: str
    prometheus: str
    alertmanager: str
    exporter: str
    serving: str
    receiver: str

    @classmethod
    def of(cls, ports: Ports) -> Self:
        """The addresses on this machine's loopback."""
        return cls(**{field.name: f"http://{HOST}:{getattr(ports, field.name)}" for field in fields(cls)})


def environment(home: Path, addresses: Addresses, redis_url: str) -> dict[str, str]:
    """What every process of the system gets beside this process' own environment."""
    pace = {name: os.environ.get(name, value) for name, value in DEMO_PACE.items()}
    return pace | {
        "PLUMBLINE_HOME": str(home),
        "PLUMBLINE_URL": addresses.web,
        "PROMETHEUS_URL": addresses.prometheus,
        "ALERTMANAGER_URL": addresses.alertmanager,
        "REDIS_URL": redis_url,
        "PLUMBLINE_TARGET": addresses.web.removeprefix("http://"),
        "DRIFT_EXPORTER_TARGET": addresses.exporter.removeprefix("http://"),
        "PYTHONUNBUFFERED": "1",
    }
