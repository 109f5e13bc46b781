"""One server process: started under a guard, waited for, watched, and stopped with all its children."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

GUARD = Path(__file__).with_name("guard.py")
# What the servers that we start say when another process took their port first.
PORT_TAKEN = ("address already in use", "errno 98", "connection in use")
POLL_SECONDS = 0.05
TAIL_LINES = 25


class ProcessError(RuntimeError):
    """A process died, or did not become ready in time. The message ends with its log's last lines."""


class PortLostError(ProcessError):
    """A process died because another one took its port between our choosing and its binding: retry on another port."""


class Process:
    """A server of ours. Not started until `start`; may be started again after it ended; ends with this Python process.

    `env` is added to this process' environment. `grace`: seconds between SIGTERM and SIGKILL. `user`: who runs it, for
    root to say.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str = "",
        grace: float = 10.0,
    ) -> None:
        self.name = name
        self.argv = tuple(argv)
        self.log = log
        self.env = dict(env or {})
        self.cwd = cwd
        self.user = user
        self.grace = grace
        self.pid: int | None = None  # the server's own, not its guard's; also its group's
        self._guard: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self) -> Self:
        """Starts it and returns at once: `wait_ready` says when it answers."""
        if self.alive:
            raise ProcessError(f"{self.name} runs already, as process {self.pid}: stop it first.")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        pid_reader, pid_writer = os.pipe()
        with self.log.open("ab") as log, os.fdopen(pid_reader) as pid_file:
            self._log_start = log.tell()
            try:
                self._guard = subprocess.Popen(
                    [sys.executable, "-I", "-S", GUARD, str(self.grace), self.user, str(pid_writer), *self.argv],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **self.env},
                    cwd=self.cwd,
                    pass_fds=(pid_writer,),
                    # Ctrl-C in a terminal reaches us alone; the order in which the servers stop is ours to choose.
                    start_new_session=True,
                )
            finally:
                os.close(pid_writer)
            line = pid_file.readline()
        self.pid = int(line) if line else None
        return self

    def wait_ready(self, probe: Callable[[], bool], timeout: float = 30.0) -> Self:
        """Returns when `probe` says yes; ProcessError when the process dies first or `timeout` seconds pass."""
        deadline = time.monotonic() + timeout
        while not probe():
            if not self.alive:
                raise self.failure()
            if time.monotonic() > deadline:
                raise ProcessError(self._with_tail(f"{self.name} was not ready within {timeout:g} seconds."))
            time.sleep(POLL_SECONDS)
        # A probe can be answered by a stranger on our port; the process itself must live too.
        if not self.alive:
            raise self.failure()
        return self

    def wait(self, timeout: float) -> int:
        """Its exit code once it has ended by itself; ProcessError after `timeout` seconds."""
        if self._guard is None:
            raise ProcessError(f"{self.name} was never started.")
        try:
            return self._guard.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise ProcessError(self._with_tail(f"{self.name} did not end within {timeout:g} seconds.")) from error

    @property
    def alive(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    @property
    def returncode(self) -> int | None:
        """None while it runs or before it was started; 128 + n where signal n ended it."""
        return None if self._guard is None else self._guard.poll()

    def failure(self) -> ProcessError:
        """The error that tells why this ended process ended."""
        text = self._with_tail(f"{self.name} ended with exit code {self.returncode}.")
        taken = any(phrase in self.log_text().lower() for phrase in PORT_TAKEN)
        return PortLostError(text) if taken else ProcessError(text)

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal to the server alone, not to its children (SIGSTOP and SIGCONT in tests of faults)."""
        if not self.alive or self.pid is None:
            raise ProcessError(f"{self.name} does not run, so it can't be sent {number.name}.")
        os.kill(self.pid, number)

    def stop(self) -> None:
        """Ends it and all that it started: SIGTERM, then SIGKILL after the grace. An ended one stays as it is."""
        self._finish(b"")

    def kill(self) -> None:
        """Ends it and all that it started with SIGKILL, at once."""
        self._finish(b"k")

    def _finish(self, order: bytes) -> None:
        guard = self._guard
        if guard is None or guard.stdin is None or guard.stdin.closed:
            return
        try:
            guard.stdin.write(order)
            guard.stdin.close()
        except BrokenPipeError:
            pass  # The guard ended before the order reached it: that is what the order asks for.
        guard.wait(self.grace * 2 + 5)

    def log_text(self) -> str:
        """What it has written since its last start."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _with_tail(self, message: str) -> str:
        lines = self.log_text().splitlines()[-TAIL_LINES:]
        tail = "\n".join(f"  {line}" for line in lines) if lines else "  (it wrote nothing)"
        return f"{message} The end of {self.log}:\n{tail}"

    def __enter__(self) -> Self:
        return self if self.alive else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __del__(self) -> None:
        # Closing the pipe is the stop order; an object that nobody holds any more can't be stopped otherwise.
        if self._guard is not None and self._guard.stdin is not None and not self._guard.stdin.closed:
            self._guard.stdin.close()
