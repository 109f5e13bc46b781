"""The command line."""

import socket
from pathlib import Path

import pytest

from serving import options
from serving.heartbeat import heartbeat_url


def test_flags_win_over_the_environment() -> None:
    environment = {"SERVING_SNAPSHOT": "/a", "SERVING_PORT": "1", "SERVING_TOKEN_FILE": "/t", "PLUMBLINE_HOME": "/home"}
    found = options.parse(["--port", "9000"], environment)
    assert (found.snapshot, found.port, found.token.file) == ("/a", 9000, Path("/t"))
    assert found.predictions == Path("/home/predictions")
    assert found.cache == Path("/home/serving-cache")
    assert found.poll_seconds == 1.0


def test_the_control_planes_url_is_enough() -> None:
    found = options.parse([], {"PLUMBLINE_URL": "https://plumb.example/x/"})
    assert found.snapshot == "https://plumb.example/x/api/serving/snapshot"
    assert heartbeat_url(found.snapshot) == "https://plumb.example/x/api/serving/heartbeats"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--snapshot is missing"),
        (["--snapshot", "ftp://x/y"], "neither a file nor an http"),
        (["--snapshot", "s", "--port", "70000"], "--port 70000"),
        (["--snapshot", "s", "--port", "x"], "--port"),
        (["--snapshot", "s", "--replica", "a/b"], "--replica 'a/b'"),
        (["--snapshot", "s", "--advertise", "host"], "HOST:PORT"),
        (["--snapshot", "s", "--poll-seconds", "0"], "--poll-seconds"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        options.parse(arguments, {})
    assert raised.value.code == 2
    assert said in capsys.readouterr().err


def test_help_names_every_option_and_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parse(["--help"], {"SERVING_TOKEN": "s3cret"})
    shown = capsys.readouterr().out
    for name in (
        "--snapshot",
        "--port",
        "--host",
        "--cache",
        "--predictions",
        "--token-file",
        "--replica",
        "--advertise",
    ):
        assert name in shown
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1:1"), ("::1", "[::1]:1"), ("0.0.0.0", f"{socket.gethostname()}:1")]
)
def test_what_is_advertised_can_be_reached(host: str, address: str) -> None:
    assert options.default_address(host, 1) == address


def test_a_replicas_name_comes_from_its_host_and_port() -> None:
    assert options.default_replica(8000).endswith("-8000")
