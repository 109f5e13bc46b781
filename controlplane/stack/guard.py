"""A small parent around one server, run as a script: `guard.py GRACE USER PID_FD ARGV...`.

Its standard input is a pipe whose other end only the starter holds. When that end closes, because the starter says stop
or because it was killed with -9, the guard ends the server and all that the server started: SIGTERM to its process
group, SIGKILL after GRACE seconds. A byte on the pipe instead means SIGKILL at once. Nothing outlives the guard: it
is a subreaper, so even a grandchild in a session of its own ends up as its child. The server dies when the guard dies.
The guard exits with the server's exit code, 128 + n for a server ended by signal n, 127 for one that can't be run.

Imports only the standard library and nothing of ours: it starts in hundredths of a second (`python -I -S`).
"""

import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CANNOT_RUN = 127
LIBC = ctypes.CDLL(None, use_errno=True)


def main(grace: float, user: str, pid_fd: int, argv: list[str]) -> int:
    """Runs `argv` to its end, as `user` where one is given."""
    wake_reader, wake_writer = socket.socketpair()
    wake_writer.setblocking(False)
    signal.set_wakeup_fd(wake_writer.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    stop_signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in stop_signals:
        signal.signal(number, lambda *_: None)
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        server = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            user=user or None,
            group=user or None,
            extra_groups=[] if user else None,
            preexec_fn=_die_with_parent,
        )
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{argv[0]} can't be run: {error}\n")
        return CANNOT_RUN
    os.write(pid_fd, f"{server.pid}\n".encode())
    os.close(pid_fd)
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(wake_reader, selectors.EVENT_READ)
        kill_at = None
        while not _ended(server.pid):
            ready = selector.select(None if kill_at is None else max(0.0, kill_at - time.monotonic()))
            files = {key.fileobj for key, _ in ready}
            woken = wake_reader.recv(64) if wake_reader in files else b""
            order = os.read(0, 1) if 0 in files else None
            if order or (kill_at is not None and time.monotonic() >= kill_at):
                os.killpg(server.pid, signal.SIGKILL)
                kill_at = time.monotonic() + grace
            elif kill_at is None and (order == b"" or any(number in woken for number in stop_signals)):
                os.killpg(server.pid, signal.SIGTERM)
                kill_at = time.monotonic() + grace
            if order == b"":
                selector.unregister(0)
    code = server.wait()
    _end_orphans()
    return code if code >= 0 else 128 - code


def _die_with_parent() -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _ended(pid: int) -> bool:
    # Left a zombie, so that its group's number can't pass to anybody else before the last signal is sent.
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_orphans() -> None:
    """Kills what the server left behind in other sessions; each death may hand its own children to this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while orphans := children.read_text().split():
        for pid in orphans:
            os.kill(int(pid), signal.SIGKILL)
            os.waitpid(int(pid), 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
