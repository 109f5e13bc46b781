"""prometheus.yml and the scrape targets. Pure.

Targets are no part of a release: prometheus.yml names files, and each file is replaced on its own when replicas come
and go. Paths are relative to prometheus.yml, which Prometheus reads through the `current` link.
"""

import json
from typing import Any
from urllib.parse import urlsplit

from alerts.options import LONGEST_DRIFT_SCRAPE_INTERVAL, RenderOptions
from alerts.yaml_text import dump
from models_registry.fleet import Fleet
from models_registry.heartbeats import is_lost
from telemetry import names
from telemetry.promql import duration

RULE_FOLDERS = ("health", "quality", "custom")
# Job -> the `service` label of its targets.
SERVICES = {
    names.JOB_INFERENCE: "model-api",
    names.JOB_DRIFT: "drift-exporter",
    names.JOB_PLUMBLINE: "plumbline",
    names.JOB_PROMETHEUS: "prometheus",
    names.JOB_ALERTMANAGER: "alertmanager",
    names.JOB_NODE: "node-exporter",
}


def render_prometheus(options: RenderOptions) -> str:
    """prometheus.yml: jobs of both planes, rule files, and where alerts go."""
    jobs = [job for job in SERVICES if job != names.JOB_NODE or options.node_exporter_targets]
    return dump(
        {
            "global": {
                "scrape_interval": duration(options.scrape_interval),
                "evaluation_interval": duration(options.evaluation_interval),
            },
            # Prometheus takes a star in the last part of a path only.
            "rule_files": ["rules/*.yml", *(f"rules/{folder}/*.yml" for folder in RULE_FOLDERS)],
            "alerting": {"alertmanagers": [_alertmanagers(options)]},
            "scrape_configs": [_job(job, options) for job in jobs],
        }
    )


def render_targets(fleet: Fleet, options: RenderOptions) -> dict[str, str]:
    """File name -> file_sd JSON, one for each job. A replica that is lost is no longer scraped."""
    newest = max((r.last_seen_at for r in fleet.replicas), default=None)
    replicas = sorted({r.address for r in fleet.replicas if newest is not None and not is_lost(r.last_seen_at, newest)})
    addresses = {names.JOB_INFERENCE: replicas} | fixed_targets(options)
    return {
        f"{job}.json": json.dumps(target_groups(job, found, options), indent=2, ensure_ascii=False) + "\n"
        for job, found in addresses.items()
    }


def fixed_targets(options: RenderOptions) -> dict[str, list[str]]:
    """Job -> host:port of what doesn't come and go: everything but the replicas."""
    return {
        names.JOB_DRIFT: [options.drift_exporter_target],
        names.JOB_PLUMBLINE: [options.plumbline_target],
        names.JOB_PROMETHEUS: _hosts(options.prometheus_url, *options.further_prometheus_urls),
        names.JOB_ALERTMANAGER: _hosts(options.alertmanager_url, *options.further_alertmanager_urls),
        names.JOB_NODE: list(options.node_exporter_targets),
    }


def target_groups(job: str, addresses: list[str], options: RenderOptions) -> list[dict[str, Any]]:
    """The addresses with the labels of their job, as Prometheus' discovery reads them."""
    labels = {"service": SERVICES[job], "environment": options.environment}
    return [{"targets": addresses, "labels": labels}] if addresses else []


def _job(job: str, options: RenderOptions) -> dict[str, Any]:
    scraped: dict[str, Any] = {"job_name": job, "metrics_path": "/metrics"}
    if job == names.JOB_DRIFT:
        interval = min(options.drift_scrape_interval, LONGEST_DRIFT_SCRAPE_INTERVAL)
        scraped["scrape_interval"] = duration(interval)
    if job == names.JOB_PLUMBLINE:
        # Another address than the public one is reached inside the cluster, without TLS.
        public = urlsplit(options.plumbline_url)
        scraped["scheme"] = public.scheme if options.plumbline_target == public.netloc else "http"
    elif job in (names.JOB_PROMETHEUS, names.JOB_ALERTMANAGER):
        scraped |= _beside(options.prometheus_url if job == names.JOB_PROMETHEUS else options.alertmanager_url)
    return scraped | {"file_sd_configs": [{"files": [f"targets/{job}.json"]}]}


def _beside(url: str) -> dict[str, str]:
    """Scheme and metrics path of a server that may live under a path of its own."""
    parts = urlsplit(url)
    return {"metrics_path": f"{parts.path.rstrip('/')}/metrics", "scheme": parts.scheme}


def _hosts(*urls: str) -> list[str]:
    return [urlsplit(url).netloc for url in urls]


def _alertmanagers(options: RenderOptions) -> dict[str, Any]:
    """All of them: each Prometheus tells each Alertmanager, and they agree on who notifies."""
    parts = urlsplit(options.alertmanager_url)
    configured: dict[str, Any] = {"scheme": parts.scheme}
    if parts.path.strip("/"):
        configured["path_prefix"] = parts.path.rstrip("/")
    return configured | {
        "static_configs": [{"targets": _hosts(options.alertmanager_url, *options.further_alertmanager_urls)}]
    }
