"""Deploy markers: what changed, drawn on every panel.

From Grafana's own annotations where our changes are delivered there; else from the weights that serving reports.
"""

from typing import Any

from grafana_foundation_sdk.models.dashboard import AnnotationQuery, AnnotationTarget, DataSourceRef

from dashboards.options import DashboardOptions
from telemetry import names, promql

GRAFANA = DataSourceRef(type_val="grafana", uid="-- Grafana --")
# Kind of change -> the colour of its marker. Kinds that are left out (edits of the registry) are not drawn.
KINDS = {
    "deploy": "blue",
    "rollback": "red",
    "traffic": "purple",
    "baseline": "green",
    "pipeline": "orange",
    "threshold": "yellow",
}
LIMIT = 200


def tags_of(one_model: bool) -> list[str]:
    """The tags that every change of the chosen model has; none where there are all models."""
    return ["model:$model"] if one_model else []


class PrometheusMarker(AnnotationQuery):
    """A marker from an expression. Grafana reads more of it than the typed builder of its older schema knows."""

    def __init__(self, *, step: int, title: str, text: str, **known: Any) -> None:
        super().__init__(**known)
        self.extra = {"step": f"{step}s", "titleFormat": title, "textFormat": text, "useValueForTime": False}

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), **self.extra}


def markers(options: DashboardOptions, source: DataSourceRef, one_model: bool) -> list[AnnotationQuery]:
    """The markers of a dashboard of one model (its variable `model`) or of all."""
    if not options.grafana_api:
        matchers = [promql.equals(names.MODEL, "$model")] if one_model else []
        return [traffic_marker(source, options.scrape_interval, *matchers)]
    return [_grafana_marker(kind, colour, one_model) for kind, colour in KINDS.items()]


def traffic_marker(source: DataSourceRef, scrape_interval: int, *matchers: str) -> AnnotationQuery:
    """Where a version's weight changed, or a version appeared, between two steps."""
    step = max(60, 4 * scrape_interval)
    window, by = promql.duration(step), f"by ({names.MODEL}, {names.VERSION}, {names.ROLE})"
    weight = promql.selector(names.TRAFFIC_WEIGHT, *matchers)
    expr = (
        f"max {by} (changes({weight}[{window}])) > 0"
        f" or (max {by} ({weight}) unless max {by} ({weight} offset {window}))"
    )
    return PrometheusMarker(
        name="Traffic changes",
        datasource=source,
        icon_color=KINDS["traffic"],
        expr=expr,
        step=step,
        title="{{model_name}} {{model_version}}",
        text="traffic of the {{role}} version changed",
    )


def _grafana_marker(kind: str, colour: str, one_model: bool) -> AnnotationQuery:
    tags = [kind, *tags_of(one_model)]
    return AnnotationQuery(
        name=f"Changes: {kind}",
        datasource=GRAFANA,
        icon_color=colour,
        target=AnnotationTarget(limit=LIMIT, match_any=False, tags=tags, type_val="tags"),
    )
