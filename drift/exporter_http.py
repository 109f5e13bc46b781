"""The exporter's HTTP side: /metrics for Prometheus, /healthz for the supervisor. A scrape that fails says so."""

import logging
from collections.abc import Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from django.db import connections
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, ThreadingWSGIServer, generate_latest

from drift.exporter import QualityCollector

log = logging.getLogger(__name__)
PLAIN = "text/plain; charset=utf-8"


class Application:
    """The WSGI application."""

    def __init__(self, collector: QualityCollector) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(collector)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        status, kind, body = self._answer(environ.get("PATH_INFO", ""))
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    def _answer(self, path: str) -> tuple[str, str, bytes]:
        if path == "/healthz":
            return "200 OK", PLAIN, b"ok\n"
        if path != "/metrics":
            return "404 Not Found", PLAIN, b"Try /metrics.\n"
        try:
            return "200 OK", CONTENT_TYPE_LATEST, generate_latest(self._registry)
        # Whatever went wrong, Prometheus has to see this target as down rather than the numbers of before.
        except Exception:
            log.exception("The drift checks can't be read: this scrape fails")
            return "503 Service Unavailable", PLAIN, b"The drift checks can't be read: see the exporter's log.\n"
        finally:
            # Each request has a thread, each thread its own connection.
            connections.close_all()


class _Handler(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """No line for each scrape."""


def serve(host: str, port: int, collector: QualityCollector | None = None) -> ThreadingWSGIServer:
    """A bound server: call its `serve_forever`. OSError where the port is taken; port 0 takes a free one."""
    application = Application(collector or QualityCollector())
    server: Any = make_server(host, port, application, ThreadingWSGIServer, handler_class=_Handler)
    return server
