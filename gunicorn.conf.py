"""Gunicorn reads this by itself when started from here: one set of HTTP metrics for all workers of the web server.

Each worker counts in files of its own, and whichever is scraped adds them up (controlplane/http_metrics.py). A start of
the server begins with none: counts of workers long gone would only slow the scrape down.
"""

import os
import shutil
import tempfile

_counts = tempfile.mkdtemp(prefix="plumbline-http-metrics-")
# Read by prometheus_client when a worker imports it.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _counts


def on_exit(server: object) -> None:
    """The whole server ends."""
    shutil.rmtree(_counts, ignore_errors=True)
