"""How an agent fares, as a file for node_exporter's textfile collector: its host's Prometheus can alert on it."""

import time
from pathlib import Path

from controlplane.agent.agent import GOOD, Applied
from controlplane.bundle import write_whole

LAST_RUN = "plumbline_agent_last_run_timestamp_seconds"
FAILING = "plumbline_agent_failing"
RELEASE_INFO = "plumbline_agent_release_info"


def write_metrics(path: Path, applied: Applied) -> None:
    """Replace `path` by how the last run ended; OSError where that can't be written."""
    lines = [
        f"# HELP {LAST_RUN} When the agent last ended a run.",
        f"# TYPE {LAST_RUN} gauge",
        f"{LAST_RUN} {time.time():.3f}",
        f"# HELP {FAILING} 1 where the servers of this host don't run what is published, or it can't be told.",
        f"# TYPE {FAILING} gauge",
        f"{FAILING} {int(applied.outcome not in GOOD)}",
        f"# HELP {RELEASE_INFO} The release that is current on this host.",
        f"# TYPE {RELEASE_INFO} gauge",
    ]
    if applied.release:
        lines.append(f'{RELEASE_INFO}{{hash="{applied.release}"}} 1')
    write_whole(path, "\n".join(lines) + "\n")
    path.chmod(0o644)  # node_exporter is another user
