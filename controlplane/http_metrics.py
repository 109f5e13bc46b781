"""How the control plane's own pages and API answer: counted and timed by view, never by path."""

import os
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
OTHER = "other"

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "plumbline_http_requests",
    "Requests that the control plane has answered.",
    ["view", "method", "status"],
    registry=REGISTRY,
)
SECONDS = Histogram("plumbline_http_request_seconds", "How long that took.", ["view"], registry=REGISTRY)


class HttpMetricsMiddleware:
    """Observes every request. The labels are names from the code: no request can make a new one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        view = (match.view_name or match.func.__name__) if match is not None else OTHER
        method = request.method if request.method in METHODS else OTHER
        REQUESTS.labels(view, method, str(response.status_code)).inc()
        SECONDS.labels(view).observe(time.perf_counter() - started)
        return response


def http_registry() -> CollectorRegistry:
    """The metrics of this process, or, with PROMETHEUS_MULTIPROC_DIR, of all workers of the web server together."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry
