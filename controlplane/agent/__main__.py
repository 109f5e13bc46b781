"""`python -m controlplane.agent`: keep this host's servers on the release that the control plane has published."""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from controlplane.agent.agent import GOOD, Agent, Applied, Outcome
from controlplane.agent.source import Source
from controlplane.agent.textfile import write_metrics
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.publishing.servers import Servers

LOG = logging.getLogger(__name__)
NOT_APPLIED, UNREACHABLE = 1, 2


def main(arguments: Sequence[str]) -> int:
    """0: the servers run what is published; 1: they stay on the last good release; 2: somebody can't be reached."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    home = given.home.resolve()
    agent = Agent(
        Source(given.url, given.token_file),
        ReleaseFiles(home / "releases", home / "current", home / "targets"),
        Servers.at(given.prometheus, given.alertmanager),
        say=_print,
    )
    told = None
    while True:
        started = time.monotonic()
        applied = agent.run()
        if applied != told:  # what goes on for hours is said once
            _print(_line(applied))
            told = applied
        if given.metrics_file is not None:
            _write_metrics(given.metrics_file, applied)
        if given.once:
            return _exit_code(applied)
        time.sleep(max(0.0, given.interval - (time.monotonic() - started)))


def _write_metrics(path: Path, applied: Applied) -> None:
    """A full disk must not end the agent: the file's age tells of it."""
    try:
        write_metrics(path, applied)
    except OSError as error:
        LOG.warning("%s can't be written: %s", path, error)


def _line(applied: Applied) -> str:
    return f"{applied.outcome}: {applied.release[:12] or 'nothing'} is current. {applied.reason}".strip()


def _exit_code(applied: Applied) -> int:
    if applied.outcome in GOOD:
        return 0
    return UNREACHABLE if applied.outcome == Outcome.UNREACHABLE else NOT_APPLIED


def _print(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m controlplane.agent", description=__doc__)
    parser.add_argument("--url", required=True, help="the control plane's address")
    parser.add_argument(
        "--token-file", required=True, type=Path, help="a copy of the control plane's BUNDLE_TOKEN_FILE"
    )
    parser.add_argument("--home", required=True, type=Path, help="where releases/, current and targets/ are kept")
    parser.add_argument(
        "--prometheus", required=True, action="append", metavar="URL", help="repeat it for each of several"
    )
    parser.add_argument("--alertmanager", default=[], action="append", metavar="URL", help="none: only Prometheus")
    parser.add_argument("--metrics-file", type=Path, metavar="FILE", help="for node_exporter's textfile collector")
    how_often = parser.add_mutually_exclusive_group()
    how_often.add_argument("--once", action="store_true", help="one run; the exit code tells how it ended")
    how_often.add_argument("--interval", type=float, default=15.0, metavar="SECONDS", help="between runs (default 15)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
