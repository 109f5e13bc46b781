"""Grafana's provisioning files: where it finds the dashboards, and the servers that they read."""

from typing import Any

import yaml

from dashboards.options import DashboardOptions

PROVIDER, FOLDER = "ml-monitoring", "ML Monitoring"
# Grafana looks at the disk this often; a publish needs no call to it.
RESCAN_SECONDS = 30


def render_provisioning(options: DashboardOptions) -> dict[str, str]:
    """The YAML files by their path in the bundle."""
    return {
        "grafana/provisioning/dashboards/ml-monitoring.yml": _text(
            {"apiVersion": 1, "providers": [_provider(options)]}
        ),
        "grafana/provisioning/datasources/prometheus.yml": _text(
            {"apiVersion": 1, "datasources": [_prometheus(options)]}
        ),
        "grafana/provisioning/datasources/alertmanager.yml": _text(
            {"apiVersion": 1, "datasources": [_alertmanager(options)]}
        ),
    }


def _provider(options: DashboardOptions) -> dict[str, Any]:
    return {
        "name": PROVIDER,
        "folder": FOLDER,
        "type": "file",
        "disableDeletion": False,
        # What is edited in Grafana would be overwritten by the next publish: it may be tried out, not saved.
        "allowUiUpdates": False,
        "editable": True,
        "updateIntervalSeconds": RESCAN_SECONDS,
        "options": {"path": options.dashboards_path},
    }


def _prometheus(options: DashboardOptions) -> dict[str, Any]:
    return {
        "name": "Prometheus",
        "uid": "prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": options.prometheus_url,
        "isDefault": True,
        "editable": False,
        "jsonData": {
            "httpMethod": "POST",
            # $__rate_interval is never shorter than four of these.
            "timeInterval": f"{options.scrape_interval}s",
            "alertmanagerUid": "alertmanager",
        },
    }


def _alertmanager(options: DashboardOptions) -> dict[str, Any]:
    return {
        "name": "Alertmanager",
        "uid": "alertmanager",
        "type": "alertmanager",
        "access": "proxy",
        "url": options.alertmanager_url,
        "editable": False,
        "jsonData": {"implementation": "prometheus", "handleGrafanaManagedAlerts": False},
    }


def _text(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
