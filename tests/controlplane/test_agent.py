"""The agent on a host of its own: a home, a Prometheus and an Alertmanager that nobody but it configures.

It takes what the control plane has published through the same checks, and keeps the last good release through anything:
a wrong tar, a release that its servers won't take, a control plane that is gone, SIGKILL at any step.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alerts.alertmanager import Alertmanager
from alerts.prometheus import Prometheus
from controlplane.agent.agent import GOOD, Agent, Applied, Outcome
from controlplane.agent.memory import Memory
from controlplane.agent.source import Source
from controlplane.bundle import Bundle
from controlplane.publishing.patience import Patience
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.publishing.servers import Servers
from controlplane.stack.alertmanager import Alertmanager as AlertmanagerServer
from controlplane.stack.prometheus import Prometheus as PrometheusServer
from tests.controlplane.addresses import free_address
from tests.controlplane.bundles import MANY_TO_MANY, OTHER, TWO, alert, bundle, rule_group
from tests.controlplane.conftest import firing_alert, steady_keeps_its_start, wait_until
from tests.controlplane.failing_disk import FailingDisk
from tests.controlplane.shelf import TOKEN, Shelf
from tests.controlplane.slow_server import SlowServer

ROOT = Path(__file__).resolve().parents[2]
# What the agent needs of other people's code; Django and its like are not among it.
WITHOUT_DJANGO = "import sys; [sys.modules.__setitem__(n, None) for n in ('django', 'celery', 'rest_framework')]; "

# Matches many with many, of series that are not there before the release itself records them.
ERRING = (f"record: 'job:two', expr: '{TWO}'", alert("Late", "job:two * on () job:two"))


@dataclass
class Host:
    """Another machine."""

    home: Path
    shelf: Shelf
    prometheus_server: PrometheusServer
    alertmanager_server: AlertmanagerServer

    @property
    def files(self) -> ReleaseFiles:
        return ReleaseFiles(self.home / "releases", self.home / "current", self.home / "targets")

    @property
    def servers(self) -> Servers:
        return Servers.at([self.prometheus_server.url], [self.alertmanager_server.url], timeout=3)

    @property
    def agent(self) -> Agent:
        source = Source(self.shelf.url, self.home / "token", timeout=2)
        return Agent(source, self.files, self.servers, margin_seconds=4)

    def bundle(self, *rules: str, group_wait: str = "1s") -> Bundle:
        """One alert that always fires, and `rules`."""
        files = {OTHER: rule_group("Other:default", *rules)} if rules else {}
        return bundle(self.alertmanager_server.url.removeprefix("http://"), files, group_wait=group_wait)

    def reaches(self, wanted: Bundle) -> None:
        """The next run, with the fault gone."""
        assert self.agent.run().outcome in GOOD
        assert self.runs(wanted)

    def runs(self, wanted: Bundle) -> bool:
        whole = self.files.read(self.files.current_hash()) == wanted
        return whole and not self.servers.differences(wanted)

    @property
    def prometheus(self) -> Prometheus:
        return Prometheus(self.prometheus_server.url)


@pytest.fixture(scope="module")
def started(
    tmp_path_factory: pytest.TempPathFactory,
    prometheus_server: Callable[..., PrometheusServer],
    alertmanager_server: Callable[..., AlertmanagerServer],
) -> Iterator[Host]:
    """Begun as an operator would: the agent first, which brings what the servers then start with."""
    home = tmp_path_factory.mktemp("host")
    (home / "token").write_text(TOKEN + "\n")
    files = ReleaseFiles(home / "releases", home / "current", home / "targets")
    with Shelf() as shelf:
        shelf.put(bundle(free_address()))
        nobody = Servers.at([f"http://{free_address()}"], [f"http://{free_address()}"], timeout=1)
        first = Agent(Source(shelf.url, home / "token"), files, nobody).run()
        assert first.outcome == Outcome.UNREACHABLE and f"--config.file={home}/current/prometheus" in first.reason
        yield Host(
            home,
            shelf,
            prometheus_server(home / "current/prometheus/prometheus.yml"),
            alertmanager_server(home / "current/alertmanager/alertmanager.yml"),
        )


@pytest.fixture
def host(started: Host) -> Host:
    """As each test finds it: Steady fires, the published release is applied."""
    wanted = started.bundle()
    started.shelf.put(wanted, {"model-inference.json": "[]\n"})
    if not started.runs(wanted) or started.agent.run().outcome != Outcome.UNCHANGED:
        assert started.agent.run().outcome in (Outcome.APPLIED, Outcome.UNCHANGED)
    assert started.runs(wanted)
    wait_until(lambda: firing_alert(started.prometheus, "Steady") is not None)
    started.shelf.answers.clear()
    return started


def test_a_new_release_is_applied_and_what_it_leaves_alone_lives_on(host: Host) -> None:
    wanted = host.bundle(alert("Other", "vector(2)"), group_wait="2s")
    host.shelf.put(wanted, {"model-inference.json": '[{"targets": ["10.0.0.7:8501"]}]\n'})
    said: list[str] = []
    with steady_keeps_its_start(host.prometheus):
        assert replace(host.agent, say=said.append).run() == Applied(Outcome.APPLIED, wanted.hash)
    steps = [line.split()[0] for line in said]
    assert steps == [
        *("pulled", "write", "promtool", "tests", "amtool", "queries", "switch", "reload", "verify", "probation")
    ]
    assert host.runs(wanted)
    assert "10.0.0.7" in (host.home / "current/prometheus/targets/model-inference.json").read_text()

    assert host.agent.run() == Applied(Outcome.UNCHANGED, wanted.hash)
    assert host.shelf.answers == [200, 304]


def test_targets_alone_change_without_a_reload(host: Host) -> None:
    loaded = Prometheus(host.prometheus_server.url).runtime().loaded_at
    host.shelf.put(host.bundle(), {"model-inference.json": '[{"targets": ["10.0.0.8:8501"]}]\n'})
    assert host.agent.run().outcome == Outcome.UNCHANGED
    assert "10.0.0.8" in (host.home / "targets/model-inference.json").read_text()
    assert Prometheus(host.prometheus_server.url).runtime().loaded_at == loaded


@pytest.mark.parametrize(
    ("rules", "outcome", "says"),
    [
        (["alert: Other, expr: 'up >'"], Outcome.REFUSED, "parse error"),
        (ERRING, Outcome.ROLLED_BACK, "many-to-many"),
        ([alert("Other", MANY_TO_MANY)], Outcome.REFUSED, "many-to-many"),
    ],
    ids=["promtool", "evaluation", "query"],
)
def test_a_release_that_is_not_taken_leaves_the_last_good_one_and_is_not_tried_again_for_an_hour(
    host: Host, rules: Sequence[str], outcome: Outcome, says: str
) -> None:
    good, bad = host.bundle(), host.bundle(*rules)
    host.shelf.put(bad)
    with steady_keeps_its_start(host.prometheus):
        first = host.agent.run()
        assert (first.outcome, first.release) == (outcome, good.hash) and says in first.reason
        said: list[str] = []
        again = replace(host.agent, say=said.append).run()
        assert again == Applied(Outcome.REFUSED, good.hash, first.reason) and not said
        assert host.runs(good)

        mended = host.bundle(alert("Other", "vector(3)"))
        host.shelf.put(mended)
        host.reaches(mended)


def test_what_only_the_servers_refused_is_taken_an_hour_later(host: Host) -> None:
    """They read a damaged file, once."""
    good, wanted = host.bundle(), host.bundle(alert("Other", "vector(13)"))
    host.shelf.put(wanted)

    def damage(line: str) -> None:
        if line.startswith("switch"):
            (host.files.folder(wanted.hash) / OTHER).write_text("groups: [\n")

    with steady_keeps_its_start(host.prometheus):
        applied = replace(host.agent, say=damage).run()
        assert (applied.outcome, applied.release) == (Outcome.ROLLED_BACK, good.hash) and host.runs(good)
        assert host.agent.run().outcome == Outcome.REFUSED
        memory = Memory.read(host.home / "agent.json")
        until = datetime.fromisoformat(memory.refused_until)
        assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(hours=1)
        replace(memory, refused_until=datetime.now(UTC).isoformat()).write(host.home / "agent.json")
        host.reaches(wanted)


def test_a_wrong_tar_leaves_the_last_good_release(host: Host) -> None:
    good = host.bundle()
    host.shelf.put(host.bundle(alert("Other", "vector(4)")))
    host.shelf.body = host.shelf.body.replace(b"vector(4)", b"vector(5)")
    applied = host.agent.run()
    assert (applied.outcome, applied.release) == (Outcome.REFUSED, good.hash)
    assert "not those of release" in applied.reason and host.runs(good)


@pytest.mark.parametrize(
    ("token", "says"),
    [(b"guessed", "answers 401"), (b"two\nlines", "holds no token"), (b"\xff", "holds no token"), (b"", "no token")],
)
def test_a_wrong_token_is_said(host: Host, tmp_path: Path, token: bytes, says: str) -> None:
    (tmp_path / "token").write_bytes(token)
    applied = replace(host.agent, source=Source(host.shelf.url, tmp_path / "token")).run()
    assert applied.outcome == Outcome.REFUSED and says in applied.reason and host.runs(host.bundle())


def test_without_its_control_plane_a_server_with_an_old_file_is_still_brought_back(host: Host) -> None:
    good = host.bundle()
    gone = replace(host.agent, source=Source(f"http://{free_address()}", host.home / "token", timeout=1))
    assert gone.run().outcome == Outcome.UNREACHABLE and host.runs(good)

    stray = host.bundle(alert("Stray", "vector(9)"), group_wait="9s")
    host.files.write(stray)
    with steady_keeps_its_start(host.prometheus, restarted=True):
        for server in (host.prometheus_server, host.alertmanager_server):
            server.kill()
            host.files.switch(stray.hash)
            server.start()
        host.files.switch(good.hash)
        assert not host.runs(good)
        applied = gone.run()
        assert (applied.outcome, applied.release) == (Outcome.UNREACHABLE, good.hash)
        assert "The last release stays" in applied.reason and host.runs(good)


def test_a_server_that_dies_after_the_switch_finds_the_last_good_release(host: Host) -> None:
    good, wanted = host.bundle(), host.bundle(alert("Other", "vector(6)"))
    host.shelf.put(wanted)

    def kill(line: str) -> None:
        if line.startswith("switch"):
            host.prometheus_server.kill()

    with steady_keeps_its_start(host.prometheus, restarted=True):
        try:
            applied = replace(host.agent, say=kill).run()
        finally:
            host.prometheus_server.start()
        assert (applied.outcome, applied.release) == (Outcome.UNREACHABLE, good.hash) and host.runs(good)
        host.reaches(wanted)


def test_a_server_that_never_loads_a_release_is_left_on_the_last_good_one_for_some_minutes(host: Host) -> None:
    good, wanted = host.bundle(), host.bundle(alert("Other", "vector(66)"))
    host.shelf.put(wanted)
    with SlowServer(host.prometheus_server.url, "/-/reload", seconds=0.4, deaf=True) as slow:
        servers = Servers.at([slow.url], [host.alertmanager_server.url], timeout=2)
        late = replace(host.agent, servers=servers, patience=Patience(reload=0.2, load=0.5, back=0.5))
        applied = late.run()
        assert (applied.outcome, applied.release) == (Outcome.FAILED, good.hash) and host.runs(good)
        assert late.run() == Applied(Outcome.REFUSED, good.hash, applied.reason)
    memory = Memory.read(host.home / "agent.json")
    assert memory.refuses(wanted.hash, datetime.now(UTC) + timedelta(minutes=4))
    assert not memory.refuses(wanted.hash, datetime.now(UTC) + timedelta(minutes=5))


def run_until_killed(host: Host, step: str) -> None:
    """SIGKILL right after `step`."""

    def die(line: str) -> None:
        if line.startswith(step):
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            replace(host.agent, say=die).run()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("step", ["pulled", "queries", "switch", "probation"])
def test_an_agent_killed_at_any_step_leaves_a_whole_release_and_the_next_goes_on(host: Host, step: str) -> None:
    old, wanted = host.bundle(), host.bundle(alert("Other", "vector(7)"), group_wait="3s")
    host.shelf.put(wanted)
    with steady_keeps_its_start(host.prometheus):
        run_until_killed(host, step)
        left = host.files.current_hash()
        assert left in (old.hash, wanted.hash) and host.files.read(left) in (old, wanted)
        host.reaches(wanted)
        assert host.agent.run() == Applied(Outcome.UNCHANGED, wanted.hash)


def test_an_agent_killed_after_the_switch_to_a_release_that_errs_is_taken_back_by_the_next(host: Host) -> None:
    good = host.bundle()
    host.shelf.put(host.bundle(*ERRING))
    with steady_keeps_its_start(host.prometheus):
        run_until_killed(host, "switch")
        applied = host.agent.run()
        assert (applied.outcome, applied.release) == (Outcome.ROLLED_BACK, good.hash)
        assert "many-to-many" in applied.reason and host.runs(good)


def test_a_host_without_alertmanager_is_content_with_prometheus(host: Host) -> None:
    alone = replace(host.agent, servers=Servers.at([host.prometheus_server.url], []))
    wanted = host.bundle(alert("Other", "vector(8)"), group_wait="8s")
    host.shelf.put(wanted)
    assert alone.run().outcome == Outcome.APPLIED
    # Its Alertmanager is somebody else's: nobody reloaded it.
    assert "group_wait: 1s" in Alertmanager(host.alertmanager_server.url).status().config


def test_a_disk_that_fails_at_any_write_leaves_a_whole_release(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full and read-only in turn: the release and the targets, what is remembered, the switch."""
    good, wanted = host.bundle(), host.bundle(alert("Other", "vector(10)"))
    host.shelf.put(wanted)
    failures = 0
    with steady_keeps_its_start(host.prometheus):
        while True:
            with monkeypatch.context() as patched:
                disk = FailingDisk(patched, failures, (errno.ENOSPC, errno.EROFS)[failures % 2])
                applied = host.agent.run()
            if not disk.hit:
                break
            failures += 1
            assert applied.outcome == Outcome.FAILED and os.strerror(disk.code) in applied.reason
            assert host.files.read(host.files.current_hash()) in (good, wanted)
            assert host.servers.differences(good) == [] or host.servers.differences(wanted) == []
            if host.files.current_hash() == good.hash:
                # Of a release that lies there whole fewer writes would be left to fail, and none of the switch.
                shutil.rmtree(host.files.folder(wanted.hash), ignore_errors=True)
        assert failures > 20
        assert applied.outcome in GOOD and host.runs(wanted)


def command(host: Host, url: str) -> subprocess.CompletedProcess[str]:
    """As on a machine that has no Django."""
    code = WITHOUT_DJANGO + "import runpy; runpy.run_module('controlplane.agent', run_name='__main__', alter_sys=True)"
    arguments = ["--url", url, "--token-file", str(host.home / "token"), "--home", str(host.home), "--once"]
    arguments += ["--metrics-file", str(host.home / "agent.prom")]
    arguments += ["--prometheus", host.prometheus_server.url, "--alertmanager", host.alertmanager_server.url]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def metrics(host: Host) -> dict[object, float]:
    """As Prometheus would read them."""
    families = text_string_to_metric_families((host.home / "agent.prom").read_text())
    samples = [sample for family in families for sample in family.samples]
    return {(s.name, s.labels["hash"]) if s.labels else s.name: s.value for s in samples}


def test_the_command_needs_no_django_and_its_exit_code_tells_the_outcome(host: Host) -> None:
    wanted = host.bundle(alert("Other", "vector(11)"))
    host.shelf.put(wanted)
    done = command(host, host.shelf.url)
    assert done.returncode == 0, done.stderr
    assert f"applied: {wanted.hash[:12]} is current." in done.stdout
    told = metrics(host)
    assert told["plumbline_agent_failing"] == 0 and told["plumbline_agent_release_info", wanted.hash] == 1
    assert abs(told["plumbline_agent_last_run_timestamp_seconds"] - time.time()) < 60
    gone = command(host, f"http://{free_address()}")
    assert metrics(host)["plumbline_agent_failing"] == 1
    assert gone.returncode == 2 and f"unreachable: {wanted.hash[:12]} is current." in gone.stdout


def by_shell(host: Host) -> subprocess.CompletedProcess[str]:
    """What docs/publishing.md gives for a host without Python."""
    manual = (ROOT / "docs" / "publishing.md").read_text(encoding="utf-8")
    script = manual.partition("```sh\n")[2].partition("```")[0]
    servers = {"PROMETHEUS": host.prometheus_server.url, "ALERTMANAGER": host.alertmanager_server.url}
    environment = os.environ | servers | {"PLUMBLINE": host.shelf.url, "INTERVAL": "1.5"}
    return subprocess.run(
        ["sh", "-c", script], cwd=host.home, env=environment, capture_output=True, text=True, timeout=60
    )


def test_the_manuals_shell_lines_apply_a_release_and_go_back_from_a_bad_one(host: Host) -> None:
    wanted = host.bundle(alert("Other", "vector(12)"), group_wait="4s")
    host.shelf.put(wanted, {"model-inference.json": '[{"targets": ["10.0.0.9:8501"]}]\n'})
    done = by_shell(host)
    assert done.returncode == 0, done.stderr
    assert host.runs(wanted)
    assert "10.0.0.9" in (host.home / "current/prometheus/targets/model-inference.json").read_text()

    host.shelf.put(host.bundle(alert("Other", MANY_TO_MANY)))
    assert by_shell(host).returncode == 1 and host.runs(wanted)
    host.shelf.put(host.bundle("alert: Other, expr: 'up >'"))
    refused = by_shell(host)
    assert refused.returncode != 0 and "parse error" in refused.stderr and host.runs(wanted)
