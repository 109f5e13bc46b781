"""`python -m controlplane.stack.up [--check]`: the whole system with its demo, until Ctrl-C or the end of the check."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from controlplane.stack.app import ROOT, CommandError
from controlplane.stack.binaries import MissingBinaryError
from controlplane.stack.check import walk
from controlplane.stack.process import ProcessError
from controlplane.stack.system import HomeInUseError, System, started

FAILURES = (ProcessError, CommandError, MissingBinaryError, HomeInUseError)


def main(argv: list[str] | None = None) -> int:
    """0 after Ctrl-C, SIGTERM or a check without findings; 1 when something failed, which is printed."""
    parser = argparse.ArgumentParser(
        prog="script/up", description="Runs the whole system on this machine, with a demo."
    )
    parser.add_argument("--check", action="store_true", help="walk the main job end to end, then stop everything")
    check = parser.parse_args(argv).check
    # SIGINT too: a shell starts its background jobs with it ignored, and Python leaves that so.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    given = os.environ.get("PLUMBLINE_HOME")
    if given:
        return _run(Path(given).resolve(), check)
    (ROOT / "var").mkdir(exist_ok=True)
    if not check:
        return _run(ROOT / "var", check)
    # A check starts from nothing. After a failure its folder stays, for its logs.
    home = Path(tempfile.mkdtemp(prefix="check-", dir=ROOT / "var"))
    code = _run(home, check)
    if code == 0:
        shutil.rmtree(home)
    return code


def _run(home: Path, check: bool) -> int:
    system = None
    try:
        system = started(home, _say)
        if check:
            return walk(system)
        system.traffic.play()
        _introduce(system)
        system.watch()
        return 0
    except KeyboardInterrupt:
        _say("Stopping.")
        return 130 if check else 0
    except FAILURES as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    finally:
        if system is not None:
            # From here on it takes seconds; a second Ctrl-C would only leave the work half done.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            system.stop()


def _introduce(system: System) -> None:
    addresses, sign_in = system.addresses, system.sign_in
    rows = {
        "web UI": f"{addresses.web}/",
        "sign in as": f"{sign_in.user}, password {sign_in.password}",
        "API": f"{addresses.web}/api/docs/",
        "Prometheus": f"{addresses.prometheus}/alerts",
        "Alertmanager": f"{addresses.alertmanager}/",
        "serving": f"{addresses.serving}/",
        "quality exporter": f"{addresses.exporter}/metrics",
        "teams' receivers": f"{addresses.receiver}/",
        "logs": f"{system.logs}/",
    }
    _say("\nPlumbline runs, with the demo's traffic:\n")
    for name, value in rows.items():
        _say(f"  {name:<18}{value}")
    _say("\nCtrl-C stops all of it.")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
