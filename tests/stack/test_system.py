"""The whole system's frame: addresses, secrets, one system per home. script/up --check runs it whole."""

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.stack.app import CommandError, HttpApp, QuietApp, manage
from controlplane.stack.layout import DEMO_PACE, Addresses, Ports, environment
from controlplane.stack.ports import HOST
from controlplane.stack.process import PortLostError
from controlplane.stack.system import HomeInUseError, System, started


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path / "home", Ports.choose()) as system:
        yield system


def test_taken_ports_are_replaced_and_named() -> None:
    wanted = Ports()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, wanted.receiver))
            listener.listen()
        except OSError:
            pass  # Somebody listens there already: as good.
        ports = Ports.choose()
    expected, chosen = ports.replaced()["receiver"]
    assert expected == wanted.receiver != chosen == ports.receiver


def test_every_process_is_told_where_the_others_are(tmp_path: Path) -> None:
    addresses = Addresses.of(Ports(web=1, prometheus=2, alertmanager=3, exporter=4, serving=5, receiver=6))
    env = environment(tmp_path, addresses, "redis+socket:///redis.sock")
    assert env["PLUMBLINE_URL"] == "http://127.0.0.1:1"
    assert env["PLUMBLINE_TARGET"] == "127.0.0.1:1"
    assert env["PROMETHEUS_URL"] == "http://127.0.0.1:2"
    assert env["ALERTMANAGER_URL"] == "http://127.0.0.1:3"
    assert env["DRIFT_EXPORTER_TARGET"] == "127.0.0.1:4"
    assert env["PLUMBLINE_HOME"] == str(tmp_path)


def test_the_demos_pace_can_be_set_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRAPE_INTERVAL_SECONDS", "7")
    env = environment(tmp_path, Addresses.of(Ports()), "redis://")
    assert env["SCRAPE_INTERVAL_SECONDS"] == "7"
    assert env["RECONCILE_INTERVAL_SECONDS"] == DEMO_PACE["RECONCILE_INTERVAL_SECONDS"]


def test_secrets_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with System(home, Ports()) as first:
        password = first.sign_in.password
        files = sorted((home / "secrets").iterdir())
        assert [file.name for file in files] == ["demo_password", "secret_key", "serving_token", "webhook_token"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert len({file.read_text() for file in files}) == len(files)
    with System(home, Ports()) as second:
        assert second.sign_in.password == password
        assert password not in second.env.values()


def test_two_systems_never_share_a_home(system: System) -> None:
    with pytest.raises(HomeInUseError, match=f"PLUMBLINE_HOME={system.home}"):
        System(system.home, Ports())


def test_a_stopped_systems_home_is_free_again(tmp_path: Path) -> None:
    for _ in range(2):
        with System(tmp_path, Ports()):
            pass


def test_a_system_that_loses_a_port_starts_again_on_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def start(self: System) -> System:
        attempts.append(self)
        if len(attempts) == 1:
            raise PortLostError("Prometheus: address already in use")
        return self

    monkeypatch.setattr(System, "start", start)
    with started(tmp_path) as running:
        assert running is attempts[1]
    assert len(attempts) == 2


def test_the_receivers_port_is_not_silently_another(system: System) -> None:
    with socket.create_server((HOST, system.ports.receiver)), pytest.raises(PortLostError, match="webhook receiver"):
        system.start()


def test_a_dead_server_is_noticed_with_its_logs_tail(system: System) -> None:
    system.redis.start()
    system.redis.kill()
    failure = system.failure()
    assert "redis ended with exit code 137" in str(failure)
    assert "Server initialized" in str(failure)


def test_a_replay_that_ended_well_is_no_failure_and_one_that_did_not_is(system: System, tmp_path: Path) -> None:
    system.traffic.process = QuietApp("demo traffic", ["/bin/true"], "", tmp_path / "log", {}).process.start()
    system.traffic.process.wait(10)
    assert not system.traffic.failed
    system.traffic.process = QuietApp("demo traffic", ["/bin/false"], "", tmp_path / "log", {}).process.start()
    system.traffic.process.wait(10)
    assert system.traffic.failed


def test_a_command_that_fails_is_shown_with_what_it_said(system: System) -> None:
    with pytest.raises(CommandError, match=r"(?s)manage\.py no_such_command ended with exit code 1:.*Unknown command"):
        manage(system.env, "no_such_command")


def test_an_app_is_ready_when_its_log_says_so(tmp_path: Path) -> None:
    app = QuietApp("worker", ["/bin/sh", "-c", "sleep 0.2; echo w1 ready.; sleep 600"], " ready.", tmp_path / "log", {})
    with app:
        assert "w1 ready." in app.process.log_text()


def test_an_app_that_listens_is_ready_when_it_answers(tmp_path: Path) -> None:
    def command(port: int) -> list[str]:
        return ["python3", "-m", "http.server", "--bind", HOST, "--directory", str(tmp_path), str(port)]

    with HttpApp("web", command, "/", tmp_path / "log", {}, None) as app:
        assert app.answers()
        assert app.url == f"http://{HOST}:{app.port}"


def test_the_order_of_start_puts_what_others_need_first(system: System) -> None:
    names = [server.process.name for server in system.servers]
    assert names == [
        "redis", "web", "prometheus", "alertmanager", "worker", "beat", "quality exporter", "serving demo-1",
    ]  # fmt: skip
