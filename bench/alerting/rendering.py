"""`python -m bench.alerting.rendering MODELS TEAMS HOME`: how long a render takes, its queries, its memory. JSON."""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.alerting.home import set_up

ROUNDS = 5


def measured(models: int, teams: int) -> dict[str, float]:
    """In processes of its own: one fills the database, one renders."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as home:
        for step in ("fill", "render"):
            command = [sys.executable, "-m", "bench.alerting.rendering", step, str(models), str(teams), home]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        result: dict[str, float] = json.loads(done.stdout)
        return result


def main(step: str, models: int, teams: int, home: Path) -> None:
    set_up(home)
    from django.core.management import call_command  # noqa: PLC0415  Django is set up first
    from django.db import connection, reset_queries  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from bench.alerting.fleet import in_database  # noqa: PLC0415
    from controlplane.rendering import render_bundle  # noqa: PLC0415

    if step == "fill":
        call_command("migrate", verbosity=0)
        in_database(models, teams)
        return
    seconds, cpu_seconds = [], []
    for _ in range(ROUNDS):
        started, cpu = time.monotonic(), time.process_time()
        render_bundle()
        seconds.append(time.monotonic() - started)
        cpu_seconds.append(time.process_time() - cpu)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    reset_queries()
    with CaptureQueriesContext(connection) as queries:
        bundle = render_bundle()
    print(
        json.dumps(
            {
                "seconds": statistics.median(seconds),
                "cpu_seconds": statistics.median(cpu_seconds),
                "queries": len(queries),
                "megabytes": memory,
                "bundle_kilobytes": sum(map(len, bundle.files.values())) / 1024,
                "files": len(bundle.files),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
