"""`python -m controlplane.stack.up` for real: it comes up whole, says where, and nothing of it outlives it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from controlplane.stack.app import ROOT

START_SECONDS = 180


class Up:
    """A run of script/up's Python part in a home of its own."""

    def __init__(self, home: Path, output: str = "output") -> None:
        self.home = home
        self.output = home.with_name(output)
        # The tests' own database would be shared with it otherwise.
        self.environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        self.environment["PLUMBLINE_HOME"] = str(home)
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "controlplane.stack.up"], cwd=ROOT, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait_for_line(self, text: str, seconds: float = START_SECONDS) -> str:
        deadline = time.monotonic() + seconds
        while text not in (said := self.output.read_text()):
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{said}"
            assert time.monotonic() < deadline, f"{text!r} did not come within {seconds} seconds:\n{said}"
            time.sleep(0.05)
        return said

    def survivors(self) -> dict[int, str]:
        """Every process that was started with this home in its environment, but for ended ones."""
        marker = f"PLUMBLINE_HOME={self.home}".encode()
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and marker in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it ended meanwhile, or is somebody else's
        return found

    def assert_all_gone(self, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while left := self.survivors():
            assert time.monotonic() < deadline, f"still there: {left}"
            time.sleep(0.1)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    run = Up(tmp_path / "a home")
    yield run
    run.process.kill()
    run.process.wait()
    run.assert_all_gone()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_however_it_is_ended_while_it_starts_nothing_is_left(up: Up, number: signal.Signals, code: int) -> None:
    up.wait_for_line("Redis")
    assert any("redis-server" in command for command in up.survivors().values())
    up.process.send_signal(number)
    assert up.process.wait(120) == code
    up.assert_all_gone()


def test_it_comes_up_whole_and_ends_with_a_reason_when_a_part_of_it_dies(up: Up) -> None:
    said = up.wait_for_line("Ctrl-C stops all of it.")
    addresses = re.findall(r"http://127\.0\.0\.1:\d+\S*", said)
    assert len(addresses) == 7
    for address in addresses:
        # The serving app has no page at its root; that it answers is enough.
        assert requests.get(address, timeout=10).status_code < 500, address
    password = (up.home / "secrets" / "demo_password").read_text().strip()
    assert f"demo, password {password}" in said

    second = Up(up.home, "second output")
    assert second.process.wait(120) == 1
    assert "Another script/up runs with PLUMBLINE_HOME" in second.output.read_text()

    guards = {pid: command for pid, command in up.survivors().items() if "guard.py" in command}
    [worker] = [pid for pid, command in guards.items() if "celery -A controlplane worker" in command]
    [server] = [int(pid) for pid in Path(f"/proc/{worker}/task/{worker}/children").read_text().split()]
    os.kill(server, signal.SIGKILL)
    assert up.process.wait(60) == 1
    assert "worker ended with exit code 137. The end of" in up.output.read_text()
    up.assert_all_gone()
