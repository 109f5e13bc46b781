"""One replica: its parts put together, started and stopped in order."""

import logging
import signal
import sys
from pathlib import Path
from typing import Protocol

import uvicorn

from serving.app import App
from serving.artifacts import ArtifactStore
from serving.heartbeat import Heartbeat, heartbeat_url
from serving.metrics import Metrics
from serving.options import Options, default_address, default_replica, is_url
from serving.prediction_log import PredictionLog
from serving.request_log import RequestLog
from serving.rollout import Rollout
from serving.snapshot_source import FileSource, SnapshotPoller, UrlSource

log = logging.getLogger(__name__)

GRACE_SECONDS = 10  # for requests in flight, once told to end
# CPython lets a busy thread keep the interpreter for 5 ms before the event loop gets a turn: that would be the latency
# of every request that meets the log's writer or a scrape. Half a millisecond costs no measurable throughput.
SWITCH_SECONDS = 0.0005


class _Part(Protocol):
    """Something with a thread of its own."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End within seconds, whatever a disk or a network does."""


def run(options: Options) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status."""
    sys.setswitchinterval(SWITCH_SECONDS)
    metrics = Metrics()
    requests = RequestLog(sys.stdout.buffer)
    config = _server(options)
    listener = config.bind_socket()
    listener.listen(config.backlog)  # from here on a caller waits instead of being refused
    port = listener.getsockname()[1]
    replica = options.replica or default_replica(port)
    predictions = PredictionLog(options.predictions, replica)
    rollout = Rollout(ArtifactStore(options.cache), metrics)
    source = (
        UrlSource(options.snapshot, options.token) if is_url(options.snapshot) else FileSource(Path(options.snapshot))
    )
    poller = SnapshotPoller(source, options.cache, options.poll_seconds, rollout.follow)
    metrics.snapshot_age.set_function(poller.age_seconds)
    beats = []
    if is_url(options.snapshot):
        address = options.advertise or default_address(options.host, port)
        beat = Heartbeat(heartbeat_url(options.snapshot), options.token, replica, address, lambda: rollout.state)
        rollout.on_change = beat.wake
        beats.append(beat)
    config.app = App(rollout, metrics, requests, predictions)
    # Uvicorn raises the signal that ended it once more when it is done; by default that would kill the process before
    # the logs are flushed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    parts: tuple[_Part, ...] = (requests, predictions, rollout, poller, *beats)
    for part in parts:
        part.start()
    log.info("Replica %s listens on %s:%d", replica, options.host, port)
    uvicorn.Server(config).run(sockets=[listener])
    for part in reversed(parts):  # the logs last: they take what the others leave
        part.stop()
    return 0


def _server(options: Options) -> uvicorn.Config:
    """Uvicorn's configuration; the app is put in later, since the port must be known first."""
    return uvicorn.Config(
        app=lambda *_: None,
        host=options.host,
        port=options.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
