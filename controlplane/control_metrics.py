"""The control plane's /metrics: what is wanted, what was published and whom it reaches, read from the database.

A fixed number of queries, however many models there are. Nothing here is kept in memory, so each web process tells the
same, and what is unknown is left out rather than told as zero.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alerts.hourly_counts import budget_of
from alerts.models import Incident, Objective
from controlplane.http_metrics import http_registry
from controlplane.models import LoopState, Peer, Release
from controlplane.models.release import is_failing
from controlplane.reachability import queue_length
from dashboards.annotations import pending_count
from models_registry.fleet import load_fleet
from telemetry import names

PEER_REACHABLE = "plumbline_peer_reachable"
STEP_SECONDS = "plumbline_reconcile_step_seconds"
STEP_FAILED = "plumbline_reconcile_step_failed"
QUEUE_LENGTH = "plumbline_celery_queue_length"
MISSED_RUNS = 4


class ControlPlaneCollector(Collector):
    """Everything that the database says, at each scrape."""

    def collect(self) -> Iterator[Metric]:
        yield from _models()
        yield from _objectives()
        yield from _releases()
        yield from _loop()
        yield from _peers()
        yield from _waiting()

    def describe(self) -> list[Metric]:
        """Nothing: registering must not ask the database."""
        return []


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format. No sign-in: it is scraped inside the cluster, and holds no secret."""
    registry = CollectorRegistry()
    registry.register(ControlPlaneCollector())
    return HttpResponse(generate_latest(registry) + generate_latest(http_registry()), content_type=CONTENT_TYPE_LATEST)


_ROLES = ("live", "canary")


def _models() -> Iterator[Metric]:
    weights = GaugeMetricFamily(
        names.DESIRED_WEIGHT,
        "The share of the traffic that a version shall have, 0 to 1.",
        labels=[names.MODEL, names.VERSION, names.ROLE],
    )
    registered = GaugeMetricFamily(names.MODEL_REGISTERED, "1 for each registered model.", labels=[names.MODEL, "risk"])
    versions = GaugeMetricFamily(
        names.VERSION_REGISTERED, "1 for each registered version.", labels=[names.MODEL, names.VERSION]
    )
    starts = CounterMetricFamily(
        names.REPLICA_STARTS, "How often a process that serves the model has started.", labels=[names.MODEL]
    )
    for model in load_fleet().models:
        registered.add_metric([model.name, model.risk], 1)
        starts.add_metric([model.name], model.replica_starts)
        for each in model.versions:
            versions.add_metric([model.name, each.version], 1)
        # Nothing is said by silence: a withdrawn model's last word is 0, also for whoever outlives us.
        withdrawn = {} if model.split.live else {(v.version, role): 0.0 for v in model.versions for role in _ROLES}
        for (version, role), share in (withdrawn | model.weights()).items():
            weights.add_metric([model.name, version, role], share)
    yield from (weights, registered, versions, starts)


def _objectives() -> Iterator[Metric]:
    """What is left of the error budgets, as of the last full hour. Where counting has stopped, nothing is told."""
    labels = [names.MODEL, names.ROUTE, names.OBJECTIVE]
    target = GaugeMetricFamily(names.OBJECTIVE_TARGET, "The share of answers that has to be good.", labels=labels)
    left = GaugeMetricFamily(
        names.BUDGET_LEFT, "The share of the error budget that is left: 1 untouched, below 0 missed.", labels=labels
    )
    coverage = GaugeMetricFamily(
        names.OBJECTIVE_COVERAGE, "The share of the period's hours about which something is known.", labels=labels
    )
    limit = GaugeMetricFamily(names.OBJECTIVE_LATENCY_LIMIT, "In how many seconds an answer is good.", labels=labels)
    now = timezone.now()
    for objective in Objective.objects.select_related("model", "budget").order_by("model__name", "name"):
        values = [objective.model.name, objective.route, objective.name]
        target.add_metric(values, objective.target)
        if objective.latency_seconds is not None:
            limit.add_metric(values, objective.latency_seconds)
        budget = budget_of(objective)
        if budget is not None and not budget.is_stale(now):
            coverage.add_metric(values, budget.coverage)
            if budget.left is not None:
                left.add_metric(values, budget.left)
    yield from (target, limit, left, coverage)


def _releases() -> Iterator[Metric]:
    yield GaugeMetricFamily(
        names.RELEASE_FAILING, "1 where what the registry says is not what the servers run.", value=int(is_failing())
    )
    good = Release.objects.filter(outcome__in=Release.GOOD).order_by("-pk").values_list("hash", "finished_at").first()
    if good is None:
        return
    digest, finished_at = good
    info = GaugeMetricFamily(names.RELEASE_INFO, "The release that the servers run.", labels=["hash"])
    info.add_metric([digest], 1)
    yield info
    yield GaugeMetricFamily(
        names.RELEASE_LAST_SUCCESS,
        "When the newest good release was verified.",
        value=finished_at.timestamp() if finished_at else 0,
    )


def _loop() -> Iterator[Metric]:
    state = LoopState.objects.filter(finished_at__isnull=False).first()
    if state is not None and state.finished_at is not None:
        yield GaugeMetricFamily(
            names.RECONCILE_LAST_RUN, "When the loop last ended a run.", value=state.finished_at.timestamp()
        )
        seconds = GaugeMetricFamily(STEP_SECONDS, "How long each step of the last run took.", labels=["step"])
        failed = GaugeMetricFamily(STEP_FAILED, "1 where that step failed.", labels=["step"])
        for name, step in state.steps.items():
            seconds.add_metric([name], step["seconds"])
            failed.add_metric([name], int(not step["ok"]))
        yield from (seconds, failed)


def _peers() -> Iterator[Metric]:
    reachable = GaugeMetricFamily(PEER_REACHABLE, "Whether the peer answered when last tried.", labels=["peer"])
    # Who was tried long ago, since the loop stands still, is left out; Redis, without which it does, is tried now.
    recent = timezone.now() - timedelta(seconds=max(MISSED_RUNS * settings.RECONCILE_INTERVAL_SECONDS, 120))
    for name, answered in Peer.objects.filter(checked_at__gte=recent).values_list("name", "reachable"):
        if name != Peer.Name.REDIS:
            reachable.add_metric([name], int(answered))
    length = queue_length()
    reachable.add_metric([str(Peer.Name.REDIS)], int(length is not None))
    yield reachable
    if length is not None:
        yield GaugeMetricFamily(QUEUE_LENGTH, "Tasks that wait for a worker.", value=length)


def _waiting() -> Iterator[Metric]:
    pending = pending_count()
    if pending is not None:
        yield GaugeMetricFamily(names.ANNOTATIONS_PENDING, "Changes that are not in Grafana yet.", value=pending)
    opened = Incident.objects.filter(ends_at__isnull=True).count()
    yield GaugeMetricFamily(names.INCIDENTS_OPEN, "Incidents that have not ended.", value=opened)
