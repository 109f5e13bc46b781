"""Processes: started, waited for, watched, and ended with everything that they started."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane.stack.process import PortLostError, Process, ProcessError

# A server that starts a child in its own group and another one in a session of its own, and reports the pids of all.
FAMILY = """
    import os, pathlib, signal, subprocess, sys, time
    STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    near = subprocess.Popen([sys.executable, "-c", STUBBORN])
    far = subprocess.Popen([sys.executable, "-c", STUBBORN], start_new_session=True)
    pathlib.Path("pids.part").write_text(f"{os.getpid()} {near.pid} {far.pid}")
    pathlib.Path("pids.part").rename("pids")
    time.sleep(600)
"""


def python(code: str, folder: Path, **options: object) -> Process:
    return Process("sample", [sys.executable, "-c", textwrap.dedent(code)], log=folder / "log", cwd=folder, **options)


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so within {seconds} seconds"
        time.sleep(0.02)


def running(pid: int) -> bool:
    """True for a live process; a zombie that nobody has reaped yet counts as ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def family(folder: Path) -> list[int]:
    wait_until((folder / "pids").exists)
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def test_it_runs_in_its_folder_with_the_environment_it_was_given_and_logs_both_streams(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd(), os.environ['COLOUR'], flush=True); print('oops', file=sys.stderr)"
    process = python(code, tmp_path, env={"COLOUR": "green"}).start()
    assert process.wait(10) == 0
    assert process.log_text().splitlines() == [f"{tmp_path} green", "oops"]


def test_wait_ready_returns_once_the_probe_says_yes(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with python("import pathlib, time; pathlib.Path('ready').touch(); time.sleep(600)", tmp_path) as process:
        assert process.wait_ready(ready.exists, timeout=10).alive


def test_a_process_that_dies_at_start_fails_at_once_with_its_logs_tail(tmp_path: Path) -> None:
    process = python("print('line one', flush=True); raise SystemExit('the disk is full')", tmp_path).start()
    began = time.monotonic()
    with pytest.raises(ProcessError, match=r"(?s)sample ended with exit code 1.*line one.*the disk is full"):
        process.wait_ready(lambda: False, timeout=60)
    assert time.monotonic() - began < 10


def test_a_stranger_that_answers_the_probe_does_not_hide_that_the_process_died(tmp_path: Path) -> None:
    process = python("raise SystemExit('Address already in use')", tmp_path).start()
    process.wait(10)
    with pytest.raises(PortLostError):
        process.wait_ready(lambda: True, timeout=60)


def test_a_process_that_never_gets_ready_fails_after_its_time_with_its_logs_tail(tmp_path: Path) -> None:
    with (
        python("import time; print('still loading', flush=True); time.sleep(600)", tmp_path) as process,
        pytest.raises(ProcessError, match=r"(?s)not ready within 0\.5 seconds.*still loading"),
    ):
        wait_until(lambda: "still" in process.log_text())
        process.wait_ready(lambda: False, timeout=0.5)


def test_a_failure_shows_the_last_start_only(tmp_path: Path) -> None:
    process = python("import os; raise SystemExit(f'Address already in use: {os.environ[\"ATTEMPT\"]}')", tmp_path)
    process.env["ATTEMPT"] = "first"
    process.start().wait(10)
    process.env["ATTEMPT"] = "second"
    process.start().wait(10)
    assert "second" in str(process.failure())
    assert "first" not in str(process.failure())


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    process = Process("sample", ["/no/such/server"], log=tmp_path / "log").start()
    with pytest.raises(ProcessError, match=r"exit code 127.*\n.*/no/such/server can't be run: .*No such file"):
        process.wait_ready(lambda: False)


def test_a_second_start_while_it_runs_is_refused(tmp_path: Path) -> None:
    with python("import time; time.sleep(600)", tmp_path) as process, pytest.raises(ProcessError, match="runs already"):
        process.start()


def test_stop_lets_the_server_end_in_its_own_way(tmp_path: Path) -> None:
    code = """
        import pathlib, signal, sys, time
        def end(*_):
            pathlib.Path("saved").touch()
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        pathlib.Path("ready").touch()
        time.sleep(600)
    """
    process = python(code, tmp_path).start().wait_ready((tmp_path / "ready").exists)
    process.stop()
    assert (tmp_path / "saved").exists()
    assert process.returncode == 0


def test_stop_kills_what_ignores_the_term_signal_after_the_grace(tmp_path: Path) -> None:
    code = """
        import pathlib, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path("ready").touch()
        time.sleep(600)
    """
    process = python(code, tmp_path, grace=0.3).start().wait_ready((tmp_path / "ready").exists)
    began = time.monotonic()
    process.stop()
    assert process.returncode == 128 + signal.SIGKILL
    assert 0.3 <= time.monotonic() - began < 5


@pytest.mark.parametrize("end", [Process.stop, Process.kill])
def test_no_grandchild_outlives_its_server_not_even_in_a_session_of_its_own(
    tmp_path: Path, end: Callable[[Process], None]
) -> None:
    process = python(FAMILY, tmp_path, grace=1.0).start()
    pids = family(tmp_path)
    assert [running(pid) for pid in pids] == [True, True, True]
    end(process)
    assert [running(pid) for pid in pids] == [False, False, False]


def test_grandchildren_die_with_a_server_that_ends_by_itself(tmp_path: Path) -> None:
    process = python(FAMILY, tmp_path).start()
    server, *children = family(tmp_path)
    os.kill(server, signal.SIGKILL)
    assert process.wait(10) == 128 + signal.SIGKILL
    assert [running(pid) for pid in children] == [False, False]


STARTER = """
    import sys, textwrap, time
    from pathlib import Path
    from controlplane.stack.process import Process
    folder = Path(sys.argv[1])
    argv = [sys.executable, "-c", textwrap.dedent(sys.argv[2])]
    process = Process("sample", argv, log=folder / "log", cwd=folder, grace=1)
    process.start()
    (folder / "guard").write_text(str(process._guard.pid))
    time.sleep(600)
"""


def test_killing_the_starter_with_9_leaves_no_orphan(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", textwrap.dedent(STARTER), str(tmp_path), FAMILY]
    with subprocess.Popen(command, cwd=root) as starter:
        pids = [*family(tmp_path), int((tmp_path / "guard").read_text())]
        assert all(running(pid) for pid in pids)
        starter.kill()
    wait_until(lambda: not any(running(pid) for pid in pids))


def test_the_server_dies_when_its_guard_is_killed_with_9(tmp_path: Path) -> None:
    process = python("import time; time.sleep(600)", tmp_path).start()
    assert process.pid is not None and running(process.pid)
    assert process._guard is not None
    process._guard.kill()
    wait_until(lambda: not running(process.pid))
    assert not process.alive


def test_an_ended_process_can_be_started_again(tmp_path: Path) -> None:
    process = python("import time; time.sleep(600)", tmp_path).start()
    first = process.pid
    process.kill()
    assert not process.alive
    with process:
        assert process.alive and process.pid != first


def test_stopping_twice_and_before_the_start_changes_nothing(tmp_path: Path) -> None:
    process = python("import time; time.sleep(600)", tmp_path)
    process.stop()
    process.start().stop()
    process.stop()
    assert process.returncode == 128 + signal.SIGTERM
