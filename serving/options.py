"""The command line of `python -m serving`, each option with its environment variable."""

import argparse
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.prediction_log import REPLICA
from serving.snapshot_source import Token


@dataclass(frozen=True)
class Options:
    """How this replica runs."""

    snapshot: str  # path or http(s) URL
    port: int  # 0: any free one
    host: str
    cache: Path
    predictions: Path
    token: Token
    replica: str  # empty: made from host name and port
    advertise: str  # empty: made from host and port
    poll_seconds: float


def is_url(snapshot: str) -> bool:
    """Whether the snapshot is asked for over HTTP."""
    return snapshot.startswith(("http://", "https://"))


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Options:
    """The options; exits with status 2 and a message that names the option when one is wrong or missing."""
    parser = _parser(environment)
    found = parser.parse_args(arguments)
    if not found.snapshot:
        parser.error("--snapshot is missing: give a file or a URL, or set SERVING_SNAPSHOT or PLUMBLINE_URL.")
    if "://" in found.snapshot and not is_url(found.snapshot):
        parser.error(f"--snapshot {found.snapshot!r} is neither a file nor an http(s) URL.")
    if not 0 <= found.port <= 65535:
        parser.error(f"--port {found.port} is not between 0 and 65535.")
    if not 0.05 <= found.poll_seconds <= 3600:
        parser.error(f"--poll-seconds {found.poll_seconds} is not between 0.05 and 3600.")
    if found.replica and not REPLICA.fullmatch(found.replica):
        parser.error(f"--replica {found.replica!r}: use letters, digits, dots, underscores and hyphens, at most 100.")
    if found.advertise and not re.fullmatch(r"\S+:\d+", found.advertise):
        parser.error(f"--advertise {found.advertise!r} is not of the form HOST:PORT.")
    return Options(
        snapshot=found.snapshot,
        port=found.port,
        host=found.host,
        cache=found.cache,
        predictions=found.predictions,
        token=Token(found.token_file, environment.get("SERVING_TOKEN", "")),
        replica=found.replica,
        advertise=found.advertise,
        poll_seconds=found.poll_seconds,
    )


def default_replica(port: int) -> str:
    """The replica's name when none is given: unique on a machine, the same after a restart."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()).strip("-.") or "replica"
    return f"{host[:90]}-{port}"


def default_address(host: str, port: int) -> str:
    """Where Prometheus is told to scrape when nothing is advertised; a wildcard is no address, the host name may be."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared with, not bound to
        return f"{socket.gethostname()}:{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    home = Path(environment.get("PLUMBLINE_HOME") or "var")
    url = environment.get("PLUMBLINE_URL", "").rstrip("/")
    parser = argparse.ArgumentParser(
        prog="python -m serving",
        description="Serves the models of a serving snapshot over HTTP: POST /models/<name>/predict and "
        "/models/<name>/predict_batch; GET /metrics, /healthz, /readyz. Needs neither the control plane's database nor "
        "Redis, and goes on with the last good snapshot when the control plane is away.",
        epilog="One process uses about one core: run a replica per core. Each option can be given as the environment "
        "variable in brackets. The token may also be given in SERVING_TOKEN.",
    )

    def add(flag: str, variable: str, default: str, help_text: str, kind: type = str, metavar: str = "") -> None:
        value = environment.get(variable) or default
        text = f"{help_text} [{variable}; now: {value or 'none'}]".replace("%", "%%")
        parser.add_argument(flag, default=value, type=kind, help=text, metavar=metavar)

    add("--snapshot", "SERVING_SNAPSHOT", f"{url}/api/serving/snapshot" if url else "",
        "file or http(s) URL of the serving snapshot; by default PLUMBLINE_URL's", metavar="FILE_OR_URL")  # fmt: skip
    add("--port", "SERVING_PORT", "8100", "TCP port; 0 takes a free one", int, "N")
    add("--host", "SERVING_HOST", "127.0.0.1", "address to listen on", metavar="HOST")
    add("--cache", "SERVING_CACHE", str(home / "serving-cache"),
        "folder for the last good snapshot and the artifacts", Path, "DIR")  # fmt: skip
    add("--predictions", "PREDICTIONS_DIR", str(home / "predictions"),
        "folder of the prediction log", Path, "DIR")  # fmt: skip
    parser.add_argument(
        "--token-file",
        type=Path,
        default=Path(environment["SERVING_TOKEN_FILE"]) if environment.get("SERVING_TOKEN_FILE") else None,
        help="file with the bearer token for snapshot and heartbeats; read anew at each use [SERVING_TOKEN_FILE]",
        metavar="FILE",
    )
    add("--replica", "SERVING_REPLICA", "", "this replica's name; by default host name and port", metavar="NAME")
    add("--advertise", "SERVING_ADVERTISE", "",
        "where Prometheus reaches this replica; by default --host and --port", metavar="HOST:PORT")  # fmt: skip
    add("--poll-seconds", "SERVING_POLL_SECONDS", "1", "seconds between two looks at the snapshot", float, "S")
    return parser
