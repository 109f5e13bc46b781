"""script/setup: what it does and says when something is missing.

It runs for real here, in a copy, but every program that it looks for is a stand-in on a PATH of our own: nothing is
installed and no file of the machine changes.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    "bash",
    "cat",
    "chmod",
    "dirname",
    "env",
    "flock",
    "grep",
    "head",
    "mktemp",
    "mv",
    "rm",
    "sha256sum",
    "sleep",
    "tail",
)
SERVERS = ("redis-server", "prometheus", "promtool", "prometheus-alertmanager", "amtool")
FOREIGN_POLICY = "#!/bin/sh\nexit 0\n"
# A Python for .venv that writes down how pip is called, and can be told to fail.
PYTHON = """#!/bin/sh
case "$*" in
    "-m pip --version" | "-c ") exit 0 ;;
    "-m pip"*) echo "$*" >>"$CALLS"; exit "${PIP_EXIT:-0}" ;;
esac
"""
# The machine's own Python, which makes virtual environments.
SYSTEM_PYTHON = """#!/bin/bash
if [ "$1 $2" = "-m venv" ]; then echo "$*" >>"$CALLS"; fi
"""
# An apt-get that writes down its call and the service policy in force, then installs by touching stand-ins, or fails.
APT_GET = """#!/bin/bash
echo "apt-get $*" >>"$CALLS"
[[ $* == *" update"* ]] && exit 0
cat "$POLICY" >>"$SEEN_POLICY"
sleep "${APT_SECONDS:-0}"
if [ "${APT_EXIT:-0}" != 0 ]; then echo "E: the disk is full"; exit "$APT_EXIT"; fi
for name in redis-server chromium; do cat "$0.stub" >"$BIN/$name"; chmod 755 "$BIN/$name"; done
"""


class Machine:
    """A copy of the project's setup on a machine of stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        self.bin = folder / "bin"
        self.policy = folder / "policy-rc.d"
        self.seen_policy = folder / "seen-policy"
        self.calls = folder / "calls"
        self.environment = {
            "PATH": str(self.bin), "BIN": str(self.bin), "CALLS": str(self.calls), "POLICY": str(self.policy),
            "SEEN_POLICY": str(self.seen_policy), "TMPDIR": str(folder),
        }  # fmt: skip
        self._copy()
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)
        for server in SERVERS:
            self.program(server)
        self.program("id", "#!/bin/sh\necho 0\n")
        self.program("python3", SYSTEM_PYTHON)
        self.program("apt-get", APT_GET)
        (self.bin / "apt-get.stub").write_text("#!/bin/sh\n")
        (self.root / ".venv" / "bin").mkdir(parents=True)
        self._write(self.root / ".venv" / "bin" / "python", PYTHON)

    def _copy(self) -> None:
        (self.root / "script").mkdir(parents=True)
        shutil.copytree(ROOT / "requirements", self.root / "requirements")
        text = (ROOT / "script" / "setup").read_text()
        assert text.count("/usr/sbin/policy-rc.d") == 2
        self._write(self.root / "script" / "setup", text.replace("/usr/sbin/policy-rc.d", str(self.policy)))

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def program(self, name: str, text: str = "#!/bin/sh\n") -> None:
        self._write(self.bin / name, text)

    def without(self, *names: str) -> None:
        for name in names:
            (self.bin / name).unlink()

    def plain_user(self) -> None:
        self.program("id", "#!/bin/sh\necho 1000\n")

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.bin / "bash", self.root / "script" / "setup", *arguments],
            env=self.environment | environment, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        with self.start(*arguments, **environment) as process:
            output = process.communicate(timeout=30)[0]
        return process.returncode, output

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_apt_it_names_exactly_what_is_missing(machine: Machine) -> None:
    machine.without("apt-get", "redis-server", "amtool")
    code, output = machine.run()
    assert code == 1
    assert "not installed: redis-server prometheus-alertmanager." in output
    assert "There is no apt-get here" in output
    assert machine.called() == []


def test_a_plain_user_is_told_the_command_for_root(machine: Machine) -> None:
    machine.plain_user()
    machine.without("redis-server", "promtool")
    code, output = machine.run()
    assert code == 1
    assert "as root: apt-get install --no-install-recommends redis-server prometheus\n" in output
    assert machine.called() == []


def test_a_plain_user_with_the_debian_packages_there_gets_the_python_packages(machine: Machine) -> None:
    machine.plain_user()
    assert machine.run()[0] == 0
    [call] = machine.called()
    assert "install --require-hashes" in call
    assert "requirements/base.txt" in call and "requirements/serving.txt" in call and "dev.txt" not in call


def test_upstreams_name_for_alertmanager_will_do(machine: Machine) -> None:
    machine.without("prometheus-alertmanager")
    machine.program("alertmanager")
    assert machine.run()[0] == 0


def test_tests_need_a_browser_and_more_python_packages(machine: Machine) -> None:
    machine.plain_user()
    code, output = machine.run("--test")
    assert code == 1 and "chromium" in output
    machine.program("chromium")
    machine.program("initdb")
    assert machine.run("--test")[0] == 0
    assert "requirements/dev.txt" in machine.called()[-1]


def test_a_second_run_installs_nothing_and_takes_no_time(machine: Machine) -> None:
    machine.run()
    began = time.monotonic()
    assert machine.run() == (0, "")
    assert time.monotonic() - began < 3
    assert len(machine.called()) == 1


def test_changed_requirements_are_installed_again(machine: Machine) -> None:
    machine.run()
    with (machine.root / "requirements" / "serving.txt").open("a") as file:
        file.write("\n")
    machine.run()
    assert len(machine.called()) == 2


def test_a_copied_clone_does_not_trust_the_environment_that_was_copied_with_it(machine: Machine) -> None:
    machine.run()
    machine.root = machine.root.rename(machine.root.with_name("moved"))
    machine.run()
    [_, make, install] = machine.called()
    assert make == f"-m venv --clear {machine.root}/.venv"
    assert "pip" in install


def test_a_machine_without_a_virtual_environment_gets_one(machine: Machine) -> None:
    (machine.root / ".venv" / "bin" / "python").unlink()
    code, output = machine.run()
    assert machine.called() == [f"-m venv --clear {machine.root}/.venv"]
    # The stand-in made nothing, so there is no pip to call.
    assert code == 1 and "pip could not install" in output


def test_a_failed_pip_is_reported_and_tried_again_the_next_time(machine: Machine) -> None:
    code, output = machine.run(PIP_EXIT="1")
    assert code == 1
    assert "pip could not install the packages" in output
    assert machine.run()[0] == 0
    assert len(machine.called()) == 2


def test_root_installs_only_what_is_missing(machine: Machine) -> None:
    machine.without("redis-server")
    assert machine.run()[0] == 0
    [update, install, pip] = machine.called()
    assert update.endswith(" update")
    assert install.endswith("install -y --no-install-recommends redis-server")
    assert "pip" in pip


def test_services_are_kept_from_starting_during_the_installation_only(machine: Machine) -> None:
    machine.without("redis-server")
    machine.run()
    policy = machine.seen_policy
    policy.chmod(0o755)
    answers = {
        name: subprocess.run([policy, name, "start"], check=False).returncode for name in ("redis-server", "ssh")
    }
    assert answers == {"redis-server": 101, "ssh": 0}
    assert not machine.policy.exists()


@pytest.mark.parametrize("outcome", ["0", "100"])
def test_the_policy_that_was_there_is_back_afterwards(machine: Machine, outcome: str) -> None:
    machine.policy.write_text(FOREIGN_POLICY)
    machine.without("redis-server")
    code, output = machine.run(APT_EXIT=outcome)
    assert "plumbline" in machine.seen_policy.read_text()
    assert machine.policy.read_text() == FOREIGN_POLICY
    if outcome != "0":
        assert code == 1
        assert "the disk is full" in output and "apt-get could not install: redis-server" in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_policy_is_back_after_an_interrupted_installation(machine: Machine, number: signal.Signals) -> None:
    machine.policy.write_text(FOREIGN_POLICY)
    machine.without("redis-server")
    with machine.start(APT_SECONDS="30") as process:
        deadline = time.monotonic() + 10
        while not machine.seen_policy.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, number)
        process.communicate(timeout=10)
    assert process.returncode != 0
    if number == signal.SIGKILL:
        # Nobody can clean up after that but the next run.
        assert "plumbline" in machine.policy.read_text()
        machine.program("redis-server")
        machine.run()
    assert machine.policy.read_text() == FOREIGN_POLICY


def test_an_unknown_option_is_refused(machine: Machine) -> None:
    assert machine.run("--tests") == (2, "usage: script/setup [--test]\n")
