"""promtool and amtool, run on files."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from controlplane.stack import binaries
from telemetry import promql
from telemetry.receiver_versions import Version, version_of

PROMTOOL = binaries.find("prometheus", "promtool")
AMTOOL = binaries.find("prometheus-alertmanager", "amtool")


@dataclass(frozen=True)
class Outcome:
    """What a tool said."""

    accepted: bool
    text: str


def run(*arguments: str | Path, folder: Path) -> Outcome:
    done = subprocess.run(
        [str(a) for a in arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    return Outcome(done.returncode == 0, done.stdout + done.stderr)


def check_rules(folder: Path) -> Outcome:
    return run(PROMTOOL, "check", "rules", *sorted((folder / "prometheus/rules").rglob("*.yml")), folder=folder)


def check_config(folder: Path) -> Outcome:
    return run(PROMTOOL, "check", "config", "prometheus/prometheus.yml", folder=folder)


def run_proofs(folder: Path, pattern: str = "*.yml") -> Outcome:
    return run(PROMTOOL, "test", "rules", *sorted((folder / "prometheus/tests").glob(pattern)), folder=folder)


def check_routes(folder: Path) -> Outcome:
    return run(AMTOOL, "check-config", "alertmanager/alertmanager.yml", folder=folder)


def alertmanager_version() -> Version:
    """Of the one that is installed."""
    outcome = run(AMTOOL, "--version", folder=Path.cwd())
    found = re.search(r"version (\S+)", outcome.text)
    assert found, outcome.text
    return version_of(found[1])


def receivers_of(folder: Path, **labels: str) -> list[str]:
    """Who is told of an alert with `labels`, in order."""
    outcome = run(
        AMTOOL,
        "config",
        "routes",
        "test",
        "--config.file=alertmanager/alertmanager.yml",
        *(f"{name}={promql.quote(value)}" for name, value in labels.items()),
        folder=folder,
    )
    assert outcome.accepted, outcome.text
    # A warning about the machine's own amtool.yml may follow.
    return outcome.text.splitlines()[0].split(",")
