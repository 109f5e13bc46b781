"""script/setup: what it does and says when something is missing, tried on a machine of stand-ins."""

import os
import signal
import subprocess
import time

import pytest

from tests.stack.machine import Machine

FOREIGN_POLICY = "#!/bin/sh\nexit 0\n"


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
    machine.program("curl")
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
