"""The real servers of the stack: each answers once started, keeps its data over a crash, and names what is missing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis
import requests
from kombu import Connection

from controlplane.stack import binaries
from controlplane.stack.alertmanager import Alertmanager
from controlplane.stack.postgres import Postgres
from controlplane.stack.process import PortLostError, ProcessError
from controlplane.stack.prometheus import Prometheus
from controlplane.stack.receiver import Receiver
from controlplane.stack.redis import Redis

PROMETHEUS = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
alerting: {alertmanagers: [{static_configs: [{targets: ["ALERTMANAGER"]}]}]}
rule_files: [rules.yml]
"""
RULES = """
groups:
  - name: sample
    rules:
      - alert: Always
        expr: vector(1)
        labels: {team: risk}
"""
ALERTMANAGER = """
route: {receiver: team, group_wait: 0s, group_interval: 1s}
receivers:
  - name: team
    webhook_configs: [{url: "RECEIVER/risk/page"}]
"""


def client(server: Redis) -> redis.Redis:
    return redis.Redis.from_url(server.client_url)


def test_redis_answers_on_its_socket_and_listens_on_no_port(redis_server: Redis) -> None:
    with client(redis_server) as connection:
        assert connection.set("colour", "green")
        assert connection.get("colour") == b"green"
        assert connection.config_get("port") == {"port": "0"}


def test_redis_is_reached_through_both_urls_from_a_folder_with_a_space(tmp_path: Path) -> None:
    with Redis(tmp_path / "a home") as server, client(server) as connection, Connection(server.url) as broker:
        assert connection.ping()
        assert broker.ensure_connection(max_retries=1, timeout=2).connected


def test_redis_starts_again_after_it_was_killed(tmp_path: Path) -> None:
    with Redis(tmp_path) as server:
        server.kill()
        assert not server.alive
        server.start()
        with client(server) as connection:
            assert connection.ping()


def test_redis_in_a_folder_too_deep_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    with Redis(deep) as server, client(server) as connection:
        assert connection.ping()
        folder = server.socket.parent
        assert folder != deep
    assert not folder.exists()


def test_an_alert_goes_from_prometheus_through_alertmanager_to_the_receiver(
    tmp_path: Path,
    prometheus_server: Callable[..., Prometheus],
    alertmanager_server: Callable[..., Alertmanager],
    webhook_receiver: Receiver,
) -> None:
    (tmp_path / "alertmanager.yml").write_text(ALERTMANAGER.replace("RECEIVER", webhook_receiver.url))
    alertmanager = alertmanager_server(tmp_path / "alertmanager.yml")
    target = alertmanager.url.removeprefix("http://")
    (tmp_path / "prometheus.yml").write_text(PROMETHEUS.replace("ALERTMANAGER", target))
    (tmp_path / "rules.yml").write_text(RULES)
    # The first alert comes before Prometheus has discovered its Alertmanager, and is lost; the next try takes a minute.
    prometheus = prometheus_server(tmp_path / "prometheus.yml", "--rules.alert.resend-delay=1s")

    [delivery, *_] = webhook_receiver.wait_for(1, "/risk/page", timeout=30)
    assert [alert["labels"]["alertname"] for alert in delivery.alerts] == ["Always"]
    listed = requests.get(f"{webhook_receiver.url}/risk/page", timeout=5).json()
    assert listed[0]["body"]["receiver"] == "team"

    (tmp_path / "rules.yml").write_text(RULES.replace("Always", "Renamed"))
    assert requests.post(f"{prometheus.url}/-/reload", timeout=5).status_code == 200
    groups = requests.get(f"{prometheus.url}/api/v1/rules", timeout=5).json()["data"]["groups"]
    assert [rule["name"] for group in groups for rule in group["rules"]] == ["Renamed"]
    assert requests.post(f"{alertmanager.url}/-/reload", timeout=5).status_code == 200


def test_a_configuration_that_prometheus_refuses_is_shown(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text("rule_files: nonsense")
    with pytest.raises(ProcessError, match=r"(?s)prometheus ended with exit code.*cannot unmarshal"):
        Prometheus(tmp_path / "prometheus.yml", tmp_path).start()


def test_a_server_told_to_take_a_port_that_is_taken_says_so(tmp_path: Path, webhook_receiver: Receiver) -> None:
    (tmp_path / "prometheus.yml").write_text("global: {}")
    with pytest.raises(PortLostError, match="address already in use"):
        Prometheus(tmp_path / "prometheus.yml", tmp_path, port=webhook_receiver.port).start()


def test_a_server_keeps_its_port_over_a_crash(tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(ALERTMANAGER.replace("RECEIVER", "http://127.0.0.1:9"))
    with Alertmanager(tmp_path / "alertmanager.yml", tmp_path) as server:
        port = server.port
        server.kill()
        assert server.start().port == port


@pytest.mark.database
def test_postgres_runs_without_root_and_keeps_its_data_over_a_crash(tmp_path: Path) -> None:
    with Postgres(tmp_path) as server:
        assert server.process.pid is not None
        assert Path(f"/proc/{server.process.pid}").stat().st_uid != 0
        with psycopg.connect(server.database_url) as connection:
            connection.execute("CREATE TABLE sample AS SELECT 42 AS answer")
        server.kill()
        server.start()
        with psycopg.connect(server.database_url) as connection:
            assert connection.execute("SELECT answer FROM sample").fetchone() == (42,)
        cluster = server.cluster
    assert cluster is not None and not cluster.exists()


def test_postgres_refuses_a_wrong_password(postgres_server: Postgres) -> None:
    wrong = postgres_server.database_url.replace(postgres_server.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


@pytest.mark.parametrize(
    ("make", "package"),
    [
        (lambda folder: Redis(folder), "redis-server"),
        (lambda folder: Prometheus(folder / "prometheus.yml", folder), "prometheus"),
        (lambda folder: Alertmanager(folder / "alertmanager.yml", folder), "prometheus-alertmanager"),
        (lambda folder: Postgres(folder), "postgresql"),
    ],
)
def test_a_missing_binary_names_its_package_and_the_command(
    make: Callable[[Path], object], package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    with pytest.raises(
        binaries.MissingBinaryError, match=f"apt-get install --no-install-recommends {package}` as root"
    ):
        make(tmp_path)


def test_the_system_s_administrator_folder_is_searched_though_a_plain_user_has_it_not_on_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    searched = []
    monkeypatch.setattr(shutil, "which", lambda name, path: searched.extend(path.split(os.pathsep)) or "/found")
    assert binaries.find("package", "name") == "/found"
    assert "/usr/sbin" in searched
