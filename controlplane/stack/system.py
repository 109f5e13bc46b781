"""The whole system on one machine: what script/up runs and script/up --check walks."""

import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

from controlplane.secrets import ensure_secret
from controlplane.stack import app
from controlplane.stack.alertmanager import Alertmanager
from controlplane.stack.layout import Addresses, Ports, environment
from controlplane.stack.ports import ATTEMPTS
from controlplane.stack.process import PortLostError, Process, ProcessError
from controlplane.stack.prometheus import Prometheus
from controlplane.stack.receiver import Receiver
from controlplane.stack.redis import Redis
from controlplane.stack.server import Server

WATCH_SECONDS = 0.5
SECRETS = ("secret_key", "serving_token", "webhook_token")
# Prometheus forgets the alerts that it sent before it had discovered its Alertmanager, for a minute by default.
PROMETHEUS_ARGUMENTS = ("--rules.alert.resend-delay=5s",)

Say = Callable[[str], None]


class HomeInUseError(RuntimeError):
    """Another system runs with the same PLUMBLINE_HOME."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """The demo's person."""

    user: str
    password: str


class Traffic:
    """The demo's traffic. One replay at a time."""

    def __init__(self, env: dict[str, str], logs: Path, serving_url: str) -> None:
        self._env, self._logs, self._url = env, logs, serving_url
        self.process: Process | None = None

    def play(
        self, start: date | None = None, end: date | None = None, *, rate: float = 40.0, loop: bool = False
    ) -> None:
        """Replays the days from `start` to before `end`, `rate` requests a second, in place of what is played now.

        Without days: June, then July and after for ever, as script/up does.
        """
        self.stop()
        options = ["--rate", str(rate)]
        options += ["--from", start.isoformat()] if start else []
        options += ["--until", end.isoformat()] if end else []
        options += ["--loop"] if loop else []
        self.process = app.replay(self._env, self._logs, self._url, *options).start()

    def stop(self) -> None:
        """No more requests; nothing happens where none are sent."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    @property
    def failed(self) -> bool:
        """True when a replay ended by itself, and not well."""
        return self.process is not None and self.process.returncode not in (None, 0)


class System:
    """A running Plumbline with everything around it. Use as a context manager: leaving it stops all of it.

    `env` is what its processes get; `manage` runs a command with it; `receiver` is where the demo teams' alerts arrive.
    """

    def __init__(self, home: Path, ports: Ports, say: Say = lambda _line: None) -> None:
        self.home = home
        self.ports = ports
        self.addresses = Addresses.of(ports)
        self.logs = home / "logs"
        self._say = say
        self._lock = _lock(home)
        for name in SECRETS:
            ensure_secret(home / "secrets" / name)
        # A person may have to type this one.
        self.sign_in = SignIn("demo", ensure_secret(home / "secrets" / "demo_password", random_bytes=12))
        self.redis = Redis(home / "redis")
        self.env = environment(home, self.addresses, self.redis.url)
        current = home / "current"
        self.prometheus = Prometheus(
            current / "prometheus" / "prometheus.yml", home / "prometheus", ports.prometheus, PROMETHEUS_ARGUMENTS
        )
        self.alertmanager = Alertmanager(
            current / "alertmanager" / "alertmanager.yml", home / "alertmanager", ports.alertmanager
        )
        self.web = app.web(self.env, self.logs, ports.web)
        self.worker = app.worker(self.env, self.logs)
        self.beat = app.beat(self.env, self.logs, home)
        self.exporter = app.exporter(self.env, self.logs, ports.exporter)
        snapshot = f"{self.addresses.web}/api/serving/snapshot"
        self.serving = app.serving(self.env, self.logs, snapshot, home, ports.serving)
        self.traffic = Traffic(self.env, self.logs, self.addresses.serving)
        self.receiver: Receiver | None = None

    @property
    def servers(self) -> tuple[Server, ...]:
        """All processes but the traffic, in the order of their start."""
        return (
            self.redis, self.web, self.prometheus, self.alertmanager,
            self.worker, self.beat, self.exporter, self.serving,
        )  # fmt: skip

    def manage(self, *arguments: str, timeout: float = 300.0) -> str:
        """What `manage.py arguments...` printed in this system; app.CommandError when it fails."""
        return app.manage(self.env, *arguments, timeout=timeout)

    def start(self) -> Self:
        """Everything but the traffic, ready to be used. PortLostError: choose other ports and make another System."""
        self._step("webhook receiver", self._start_receiver)
        self._step("Redis", self.redis.start)
        self._step("database", lambda: self.manage("migrate", "--noinput"))
        self._step("demo registry", lambda: self.manage("demo", "--receivers", self.addresses.receiver))
        # Prometheus and Alertmanager read the `current` link, so there has to be a first release.
        self._step("first release", lambda: self.manage("bootstrap"))
        for server in self.servers[1:]:
            self._step(server.process.name, server.start)
        return self

    def failure(self) -> ProcessError | None:
        """Why the system is not whole any more; None while it is."""
        for server in self.servers:
            if not server.alive:
                return server.process.failure()
        if self.traffic.failed and self.traffic.process is not None:
            return self.traffic.process.failure()
        return None

    def watch(self) -> None:
        """Returns never: raises ProcessError as soon as a process has ended."""
        while (failure := self.failure()) is None:
            time.sleep(WATCH_SECONDS)
        raise failure

    def stop(self) -> None:
        """Ends all of it, in the reverse order of its start."""
        self.traffic.stop()
        for server in reversed(self.servers):
            server.stop()
        if self.receiver is not None:
            self.receiver.stop()
            self.receiver = None
        os.close(self._lock)

    def _start_receiver(self) -> None:
        self.receiver = Receiver(self.ports.receiver)
        if self.receiver.port != self.ports.receiver:
            raise PortLostError(f"Port {self.ports.receiver} was taken before the webhook receiver could listen on it.")

    def _step(self, name: str, start: Callable[[], object]) -> None:
        began = time.monotonic()
        start()
        self._say(f"{time.monotonic() - began:6.1f} s  {name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def started(home: Path, say: Say = lambda _line: None) -> System:
    """A started System in `home`, on the expected ports or others where those are taken or lost meanwhile."""
    for attempt in range(1, ATTEMPTS + 1):
        ports = Ports.choose()
        for part, (expected, chosen) in ports.replaced().items():
            say(f"port {expected} is taken: {part} gets {chosen}")
        system = System(home, ports, say)
        try:
            return system.start()
        except PortLostError:
            system.stop()
            if attempt == ATTEMPTS:
                raise
            say("a port was lost to another process; starting again")
        except BaseException:
            system.stop()
            raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _lock(home: Path) -> int:
    """A lock on `home`, held until the returned file is closed or this process ends."""
    home.mkdir(parents=True, exist_ok=True)
    file = os.open(home / "stack.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise HomeInUseError(f"Another script/up runs with PLUMBLINE_HOME={home}: stop it, or name another.") from error
    return file
