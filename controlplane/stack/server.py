"""What all servers of the stack have in common: started ready, stopped whole, usable as a context manager."""

from types import TracebackType
from typing import Self

from controlplane.stack import ports
from controlplane.stack.probes import Probe, listens
from controlplane.stack.process import Process


class Server:
    """A server around one process. After `start` it answers; a later `start` brings back the same data."""

    ready_timeout = 30.0  # seconds

    def __init__(self, process: Process) -> None:
        self.process = process

    def probe(self) -> Probe:
        """Says whether it answers."""
        raise NotImplementedError

    def start(self) -> Self:
        """Starts it and waits until it answers; ProcessError with the log's tail where it does not."""
        try:
            self.process.start().wait_ready(self.answers, self.ready_timeout)
        except BaseException:
            self.process.stop()
            raise
        return self

    def answers(self) -> bool:
        """True when it can be used."""
        return self.probe()()

    @property
    def alive(self) -> bool:
        return self.process.alive

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after the grace; waits for its end."""
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL, as a machine that loses power."""
        self.process.kill()

    def __enter__(self) -> Self:
        return self if self.alive else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class PortServer(Server):
    """A server that listens on a TCP port of the loopback.

    With `port` it takes exactly that one, and PortLostError is the caller's to handle, since others were told of it.
    Without, its first start takes any free one, and another when that is lost; later starts keep it.
    """

    def __init__(self, process: Process, port: int | None = None) -> None:
        super().__init__(process)
        self._port = port

    @property
    def port(self) -> int:
        if self._port is None:
            raise ValueError(f"{self.process.name} has no port before its first start.")
        return self._port

    @property
    def url(self) -> str:
        return f"http://{ports.HOST}:{self.port}"

    def arguments(self, port: int) -> list[str]:
        """The command line that makes it listen on `port`."""
        raise NotImplementedError

    def start(self) -> Self:
        if self._port is None:
            return ports.on_free_port(self._start_on)
        return self._start_on(self._port)

    def answers(self) -> bool:
        # A stranger on our port answers probes too, until our server has noticed that it can't bind.
        return self.process.pid is not None and listens(self.process.pid, self.port) and super().answers()

    def _start_on(self, port: int) -> Self:
        fixed, self._port = self._port, port
        self.process.argv = tuple(self.arguments(port))
        try:
            return super().start()
        except BaseException:
            self._port = fixed
            raise
