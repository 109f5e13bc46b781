"""The commands: render writes and publishes nothing, bootstrap lets the servers start, publish tells how it ended."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from pytest_django.fixtures import Settings

from controlplane.bundle import Bundle
from controlplane.management.commands import bootstrap, publish, reconcile
from controlplane.models import Release
from controlplane.publish import Publisher
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.publishing.servers import Servers
from controlplane.stack.alertmanager import Alertmanager
from controlplane.stack.prometheus import Prometheus
from tests.controlplane.addresses import free_address
from tests.controlplane.bundles import OTHER, alert, bundle, rule_group
from tests.controlplane.conftest import Pair
from tests.fixtures.registry import make_model

pytestmark = pytest.mark.django_db


def test_render_writes_the_bundle_with_its_targets_and_publishes_nothing(
    plumbline_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_model("fraud", live="v1", features=("amount",))
    folder = tmp_path / "out"
    call_command("render", folder)
    assert (folder / "prometheus/prometheus.yml").is_file() and (folder / "alertmanager/alertmanager.yml").is_file()
    assert (folder / "grafana/dashboards").is_dir()
    assert not (folder / "prometheus/targets").is_symlink()
    assert json.loads((folder / "prometheus/targets/prometheus.json").read_text())[0]["targets"]
    assert Bundle.read(folder).hash in capsys.readouterr().out
    checked = subprocess.run(["promtool", "check", "config", folder / "prometheus/prometheus.yml"], capture_output=True)
    assert checked.returncode == 0, checked.stderr
    assert not Release.objects.exists()
    assert not (plumbline_home / "current").is_symlink() and not (plumbline_home / "releases").exists()


def test_render_replaces_what_it_wrote_before_and_nothing_else(plumbline_home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    call_command("render", folder)
    (folder / "prometheus/rules/old.yml").write_text("groups: []")
    call_command("render", folder)
    assert not (folder / "prometheus/rules/old.yml").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []

    (folder / "notes.txt").write_text("mine")
    with pytest.raises(CommandError, match="holds other files"):
        call_command("render", folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_render_refuses_a_file_and_a_link(plumbline_home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("file", "link"):
        with pytest.raises(CommandError):
            call_command("render", tmp_path / name)


def test_bootstrap_lets_the_servers_start_and_the_first_publish_gives_its_verdict(
    plumbline_home: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    prometheus_server: Callable[..., Prometheus],
    alertmanager_server: Callable[..., Alertmanager],
) -> None:
    wanted = bundle(free_address())
    monkeypatch.setattr(bootstrap, "render_bundle", lambda: wanted)
    call_command("bootstrap")
    files = ReleaseFiles.from_settings(settings)
    assert files.current_hash() == wanted.hash
    row = Release.objects.get()
    assert row.outcome == Release.Outcome.PROBATION, "nobody has asked the servers yet"
    settings.PROMETHEUS_URL = f"http://{free_address()}"
    early = Publisher(files, Servers.from_settings(settings), lambda: wanted).publish()
    assert early.outcome == Release.Outcome.UNREACHABLE
    log = row.log
    row.refresh_from_db()
    assert (row.outcome, row.log) == (Release.Outcome.PROBATION, log), "its verdict waits for the servers"

    prometheus = prometheus_server(files.current / "prometheus/prometheus.yml")
    alertmanager = alertmanager_server(files.current / "alertmanager/alertmanager.yml")
    settings.PROMETHEUS_URL, settings.ALERTMANAGER_URL = prometheus.url, alertmanager.url
    published = Publisher(files, Servers.from_settings(settings), lambda: wanted).publish()
    assert published.outcome == Release.Outcome.UNCHANGED
    row.refresh_from_db()
    assert row.outcome == Release.Outcome.PUBLISHED
    assert [entry["step"] for entry in row.log][-4:] == ["resume", "reload", "verify", "probation"]


def test_bootstrap_never_touches_a_release_that_is_there(
    plumbline_home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = bundle("127.0.0.1:1"), bundle("127.0.0.1:2")
    monkeypatch.setattr(bootstrap, "render_bundle", lambda: first)
    call_command("bootstrap")
    monkeypatch.setattr(bootstrap, "render_bundle", lambda: second)
    call_command("bootstrap")
    assert ReleaseFiles.from_settings(settings).current_hash() == first.hash
    assert Release.objects.count() == 1


def test_bootstrap_refuses_a_bundle_that_a_checker_refuses(
    plumbline_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = bundle("127.0.0.1:1", {OTHER: rule_group("Other", alert("Other", "up >"))})
    monkeypatch.setattr(bootstrap, "render_bundle", lambda: bad)
    with pytest.raises(CommandError, match="parse error"):
        call_command("bootstrap")
    assert not (plumbline_home / "current").exists()
    assert Release.objects.get().outcome == Release.Outcome.REFUSED


@pytest.mark.parametrize(
    ("expr", "code", "says"),
    [("vector(2)", None, "Published"), ("up >", publish.REFUSED, "parse error")],
    ids=["published", "refused"],
)
def test_publish_prints_each_step_and_its_exit_code_tells_the_outcome(
    pair: Pair,
    base: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    expr: str,
    code: int | None,
    says: str,
) -> None:
    wanted = pair.bundle({OTHER: rule_group("Other", alert("Other", expr))})
    assert run_publish(monkeypatch, wanted) == code
    told = capsys.readouterr()
    assert says in told.out + told.err
    assert "promtool" in told.out and " s  " in told.out
    if code is not None:
        assert (told.out + told.err + caplog.text).count(says) == 1, "the reason is told once"
    if code is None:
        assert run_publish(monkeypatch, wanted) is None
        assert "Unchanged" in capsys.readouterr().out


def test_publish_without_prometheus_ends_with_2(
    pair: Pair, base: Bundle, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.PROMETHEUS_URL = f"http://{free_address()}"
    assert run_publish(monkeypatch, pair.bundle({OTHER: "groups: []"})) == publish.UNREACHABLE
    assert "Connection refused" in capsys.readouterr().err


def run_publish(monkeypatch: pytest.MonkeyPatch, wanted: Bundle) -> Any:
    """The exit code of `manage.py publish` (None: it just returned)."""
    monkeypatch.setattr(publish, "render_bundle", lambda: wanted)
    try:
        call_command("publish")
    except SystemExit as ended:
        return ended.code
    return None


def test_the_servers_own_checkers_are_installed() -> None:
    """Every other test of publishing would be refused for another reason than it says."""
    assert shutil.which("promtool") and shutil.which("amtool")


def test_the_loop_in_the_foreground_outlives_a_lost_database(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(wanted_at: datetime) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(reconcile, "run_alone", lost)
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile", "--once")
    assert ended.value.code == 1
    assert "The database can't be used: connection refused" in capsys.readouterr().err
