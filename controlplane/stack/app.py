"""This project's own processes: web, worker, beat, quality exporter, serving, and commands of manage.py."""

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from controlplane.stack import probes
from controlplane.stack.ports import HOST
from controlplane.stack.process import TAIL_LINES, Process, ProcessError
from controlplane.stack.server import PortServer, Server

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
# Short: a task that is cut off is delivered again, and a person who pressed Ctrl-C waits.
GRACE_SECONDS = 5.0


class CommandError(RuntimeError):
    """A command of manage.py that ended with an error. The message ends with what it printed last."""


class HttpApp(PortServer):
    """A process of ours that answers HTTP; `command(port)` is its command line, `ready_path` answers when ready."""

    ready_timeout = START_SECONDS

    def __init__(
        self, name: str, command: Callable[[int], list[str]], ready_path: str, log: Path, env: Mapping[str, str],
        port: int | None,
    ) -> None:  # fmt: skip
        super().__init__(Process(name, [], log=log, env=env, cwd=ROOT, grace=GRACE_SECONDS), port)
        self.command = command
        self.ready_path = ready_path

    def arguments(self, port: int) -> list[str]:
        return self.command(port)

    def probe(self) -> probes.Probe:
        return probes.http_ok(f"{self.url}{self.ready_path}")


class QuietApp(Server):
    """A process of ours that listens nowhere; it can be used once its log holds `ready_phrase`."""

    ready_timeout = START_SECONDS

    def __init__(self, name: str, command: list[str], ready_phrase: str, log: Path, env: Mapping[str, str]) -> None:
        super().__init__(Process(name, command, log=log, env=env, cwd=ROOT, grace=GRACE_SECONDS))
        self.ready_phrase = ready_phrase

    def probe(self) -> probes.Probe:
        return lambda: self.ready_phrase in self.process.log_text()


def web(env: Mapping[str, str], logs: Path, port: int | None = None) -> HttpApp:
    """The web process: UI, API, /metrics."""

    def command(port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "gunicorn", "controlplane.wsgi", "--bind", f"{HOST}:{port}"),
            *("--workers", "2", "--threads", "4", "--no-control-socket"),
        ]

    return HttpApp("web", command, "/healthz", logs / "web.log", env, port)


def exporter(env: Mapping[str, str], logs: Path, port: int | None = None) -> HttpApp:
    """The quality exporter."""

    def command(port: int) -> list[str]:
        return [sys.executable, "manage.py", "quality_exporter", "--host", HOST, "--port", str(port)]

    return HttpApp("quality exporter", command, "/metrics", logs / "exporter.log", env, port)


def serving(
    env: Mapping[str, str], logs: Path, snapshot: str, home: Path, port: int | None = None, replica: str = "demo-1"
) -> HttpApp:
    """One replica of the serving app, from `snapshot` (file or URL). Ready once it serves what has traffic."""

    def command(port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "serving", "--snapshot", snapshot, "--host", HOST, "--port", str(port)),
            *("--cache", str(home / "serving-cache"), "--predictions", str(home / "predictions")),
            *("--token-file", str(home / "secrets" / "serving_token"), "--replica", replica),
            *("--advertise", f"{HOST}:{port}"),
        ]

    return HttpApp(f"serving {replica}", command, "/readyz", logs / f"serving-{replica}.log", env, port)


def worker(env: Mapping[str, str], logs: Path) -> QuietApp:
    """A Celery worker."""
    command = [
        *(sys.executable, "-m", "celery", "-A", "controlplane", "worker"),
        *("--concurrency", "2"),
    ]
    return QuietApp("worker", command, " ready.", logs / "worker.log", _telling(env))


def beat(env: Mapping[str, str], logs: Path, home: Path) -> QuietApp:
    """Celery's clock."""
    command = [
        *(sys.executable, "-m", "celery", "-A", "controlplane", "beat"),
        *("--schedule", str(home / "celerybeat-schedule"), "--pidfile", ""),
    ]
    return QuietApp("beat", command, "beat: Starting", logs / "beat.log", _telling(env))


def _telling(env: Mapping[str, str]) -> Mapping[str, str]:
    """Celery says at INFO that it is ready."""
    level = env.get("LOG_LEVEL", os.environ.get("LOG_LEVEL", "")).upper()
    return {**env, "LOG_LEVEL": "DEBUG" if level == "DEBUG" else "INFO"}


def replay(env: Mapping[str, str], logs: Path, serving_url: str, *options: str) -> Process:
    """The demo's traffic; not started. `options` as `python -m controlplane.demo.replay --help` lists them."""
    command = [sys.executable, "-m", "controlplane.demo.replay", "--url", serving_url, *options]
    return Process("demo traffic", command, log=logs / "replay.log", env=env, cwd=ROOT, grace=GRACE_SECONDS)


def manage(env: Mapping[str, str], *arguments: str, timeout: float = 300.0) -> str:
    """What `manage.py arguments...` printed; CommandError when it fails or takes over `timeout` seconds."""
    shown = f"manage.py {' '.join(arguments)}"
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    with tempfile.TemporaryDirectory(prefix="plumbline-manage-") as folder:
        process = Process(shown, command, log=Path(folder) / "log", env=env, cwd=ROOT, grace=GRACE_SECONDS)
        try:
            with process:
                code = process.wait(timeout)
        except ProcessError as error:
            raise CommandError(str(error)) from error
        said = process.log_text()
    if code != 0:
        tail = "\n".join(said.splitlines()[-TAIL_LINES:])
        raise CommandError(f"{shown} ended with exit code {code}:\n{tail}")
    return said
