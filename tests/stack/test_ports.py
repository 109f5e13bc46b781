"""Free ports, and what happens when one is lost between choosing and binding."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.stack import probes
from controlplane.stack.ports import HOST, free_port, on_free_port
from controlplane.stack.process import PortLostError, Process, ProcessError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


def http_server(folder: Path, port: int) -> Process:
    return Process("http", [sys.executable, "-m", "http.server", "--bind", HOST, str(port)], log=folder / "log")


def test_the_preferred_port_is_given_when_it_is_free() -> None:
    port = free_port()
    assert free_port(port) == port


def test_a_taken_preferred_port_is_replaced(taken: int) -> None:
    assert free_port(taken) != taken


def test_a_port_lost_between_choosing_and_binding_is_replaced_by_another(tmp_path: Path, taken: int) -> None:
    tried = []

    def start(port: int) -> Process:
        # The first port was free when it was chosen; here somebody has taken it since.
        tried.append(taken if not tried else port)
        process = http_server(tmp_path, tried[-1]).start()
        return process.wait_ready(probes.tcp_open(HOST, port))

    with on_free_port(start) as process:
        assert process.alive
    assert len(tried) == 2


def test_the_last_loss_is_reported_when_every_port_is_lost(tmp_path: Path, taken: int) -> None:
    def start(_port: int) -> Process:
        return http_server(tmp_path, taken).start().wait_ready(lambda: False)

    with pytest.raises(PortLostError, match="Address already in use"):
        on_free_port(start, attempts=2)


def test_another_failure_is_not_tried_again() -> None:
    tried = []

    def start(port: int) -> None:
        tried.append(port)
        raise ProcessError("the configuration is broken")

    with pytest.raises(ProcessError, match="broken"):
        on_free_port(start)
    assert len(tried) == 1
