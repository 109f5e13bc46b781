"""A copy of the project's scripts on a machine of stand-ins: every program that they look for is a small file of ours.

The scripts run for real; nothing is installed and no file of the machine changes.
"""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    *("bash", "cat", "chmod", "dirname", "env", "flock", "grep", "head", "mktemp", "mv", "rm"),
    *("sed", "sha256sum", "sleep", "tail", "tee"),
)
SERVERS = ("redis-server", "prometheus", "promtool", "prometheus-alertmanager", "amtool")
# A Python for .venv that writes down how it is called, and can be told to fail.
PYTHON = """#!/bin/sh
case "$*" in
    "-m pip --version" | "-c ") exit 0 ;;
    "-m pip"*) echo "$*" >>"$CALLS"; exit "${PIP_EXIT:-0}" ;;
    *with_postgres*) echo "$* in $PWD" >>"$CALLS"; echo "=== 4 passed in 1s ==="; exit "${POSTGRES_EXIT:-0}" ;;
    *"${BROKEN_TOOL:-nothing}"*) echo "$*" >>"$CALLS"; exit 1 ;;
    *) echo "$* in $PWD, home $PLUMBLINE_HOME" >>"$CALLS"; echo "=== 30 passed in 9s ==="; exit "${PYTEST_EXIT:-0}" ;;
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
        for name in ("test", "up"):
            shutil.copy(ROOT / "script" / name, self.root / "script" / name)
        (self.root / ".ci").mkdir()
        shutil.copy(ROOT / ".ci" / "run", self.root / ".ci" / "run")
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

    def start(self, *arguments: str, script: str = "script/setup", **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.bin / "bash", self.root / script, *arguments],
            env=self.environment | environment, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments: str, script: str = "script/setup", **environment: str) -> tuple[int, str]:
        with self.start(*arguments, script=script, **environment) as process:
            output = process.communicate(timeout=30)[0]
        return process.returncode, output

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []
