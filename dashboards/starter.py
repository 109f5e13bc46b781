"""The starter dashboard: importable into any Grafana by itself. Pure.

It reads the serving app's and the exporter's own metrics rather than recorded series, so it needs none of our rules.
"""

from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models.dashboard import AnnotationContainer, DashboardCursorSync, DataSourceRef, Panel

from dashboards.layout import flow, to_text
from dashboards.markers import traffic_marker
from dashboards.options import DashboardOptions
from dashboards.panels import HALF, Frame, Query, lines
from dashboards.rendering import TAG, refresh_of
from telemetry import names, promql

INPUT = "DS_PROMETHEUS"
SOURCE = DataSourceRef(type_val="prometheus", uid=f"${{{INPUT}}}")
_INPUTS = [
    {
        "name": INPUT,
        "label": "Prometheus",
        "description": "The Prometheus that scrapes the serving app and the quality exporter.",
        "type": "datasource",
        "pluginId": "prometheus",
        "pluginName": "Prometheus",
    }
]
_REQUIRES = [
    {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "9.0.0"},
    {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
    {"type": "panel", "id": "timeseries", "name": "Time series", "version": ""},
]
_VERSION = f"by ({names.MODEL}, {names.VERSION})"
_ROUTE = f"by ({names.MODEL}, {names.VERSION}, {names.ROUTE})"
_FEATURE = f"by ({names.MODEL}, {names.VERSION}, {names.FEATURE})"
_FEATURE_LEGEND = "{{model_name}} {{model_version}} {{feature_name}}"


def render_starter(options: DashboardOptions) -> str:
    """The JSON that Grafana's import page takes; it asks for the datasource."""
    builder = builders.Dashboard("ML starter").uid("ml-starter").tags([TAG]).timezone("browser").time("now-6h", "now")
    builder.description("Six panels to start with: rate, latency, errors, traffic by version, drift, missing features.")
    builder.refresh(refresh_of(options.scrape_interval)).tooltip(DashboardCursorSync.CROSSHAIR)
    dashboard = builder.build()
    panels = _panels(options)
    flow(panels, 0)
    dashboard.panels = list(panels)
    dashboard.annotations = AnnotationContainer(list_val=[traffic_marker(SOURCE, options.scrape_interval)])
    document: dict[str, Any] = {"__inputs": _INPUTS, "__requires": _REQUIRES, "__elements": {}, **dashboard.to_json()}
    return to_text(document)


def _panels(options: DashboardOptions) -> list[Panel]:
    rate = f"sum {_ROUTE} (rate({names.REQUESTS}[5m]))"
    failed = promql.selector(names.REQUESTS, promql.equals(names.STATUS, "error"))
    buckets = f"sum by (le, {names.MODEL}, {names.VERSION}, {names.ROUTE}) (rate({names.LATENCY}_bucket[5m]))"
    served, checked = options.scrape_interval, options.drift_scrape_interval
    route_legend = "{{model_name}} {{model_version}} {{route}}"
    return [
        _panel("Request rate", "Requests a second over 5 minutes.", "reqps", served, Query(rate, route_legend)),
        _panel(
            "Latency p95",
            "95 of 100 requests are answered faster, over 5 minutes.",
            "s",
            served,
            Query(f"histogram_quantile(0.95, {buckets})", route_legend),
        ),
        _panel(
            "Error ratio",
            "Failed requests out of all, over 5 minutes.",
            "percentunit",
            served,
            Query(f"sum {_ROUTE} (rate({failed}[5m])) / ({rate} > 0)", route_legend),
        ),
        _panel(
            "Traffic by version",
            "Requests a second that each version answers.",
            "reqps",
            served,
            Query(f"sum {_VERSION} (rate({names.REQUESTS}[5m]))", "{{model_name}} {{model_version}}"),
        ),
        _panel(
            "Drift score by feature",
            "How far each feature has moved from the baseline. Red: the threshold in force.",
            "short",
            checked,
            Query(f"max {_FEATURE} ({names.DRIFT_SCORE})", _FEATURE_LEGEND),
            Query(f"max {_FEATURE} ({names.DRIFT_THRESHOLD})", f"{_FEATURE_LEGEND} threshold", limit=True),
        ),
        _panel(
            "Missing-feature ratio",
            "Values that were not given, out of all. Red: the limit.",
            "percentunit",
            checked,
            Query(f"max {_FEATURE} ({names.MISSING_RATIO})", _FEATURE_LEGEND),
            Query(f"max {_FEATURE} ({names.MISSING_RATIO_LIMIT})", f"{_FEATURE_LEGEND} limit", limit=True),
        ),
    ]


def _panel(title: str, description: str, unit: str, interval: int, *queries: Query) -> Panel:
    return lines(Frame(title, description, unit, SOURCE, interval, width=HALF), queries)
