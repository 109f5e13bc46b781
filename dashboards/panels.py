"""The kinds of panels that the dashboards are made of, on Grafana's own typed builders.

A panel comes back with its width and height; its place and id are given by the layout.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models.dashboard import (
    DashboardLink,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    GridPos,
    Panel,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

WIDTH = 24  # columns of Grafana's grid
THIRD, HALF = WIDTH // 3, WIDTH // 2
HEIGHT = 8

OK_COLOUR, LIMIT_COLOUR = "green", "red"
_LIMIT_STYLE = (
    DynamicConfigValue("color", {"mode": "fixed", "fixedColor": LIMIT_COLOUR}),
    DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 8]}),
    DynamicConfigValue("custom.fillOpacity", 0),
)
_DESIRED_STYLE = _LIMIT_STYLE[1:]


@dataclass(frozen=True, slots=True)
class Query:
    """One expression and how its series are called. A `limit` is drawn red and dashed, an `expected` one dashed."""

    expr: str
    legend: str = "__auto"
    limit: bool = False
    expected: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What any panel says of itself. `interval`: seconds between two samples of what it shows, so no finer steps."""

    title: str
    description: str
    unit: str
    source: DataSourceRef
    interval: int
    width: int = THIRD
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class Column:
    """One value of a table: its instant query, its heading and unit."""

    expr: str
    heading: str
    unit: str


def panel_id(title: str) -> int:
    """A panel's id, the same wherever it stands: links to single panels outlive a new neighbour."""
    return zlib.crc32(title.encode()) % 1_000_000 + 1


def lines(frame: Frame, queries: Sequence[Query], *, limit: float | None = None, stacked: bool = False) -> Panel:
    """Series over time, from zero; `limit` is a line across the panel."""
    builder = timeseries.Panel().fill_opacity(8).line_width(1).axis_soft_min(0).tooltip(_tooltip()).legend(_legend())
    builder.show_points(common_models.VisibilityMode.NEVER)
    for ref, query in zip(_refs(), queries, strict=False):
        builder.with_target(_target(query.expr, ref).legend_format(query.legend).range())
        if query.limit or query.expected:
            builder.override_by_query(ref, list(_LIMIT_STYLE if query.limit else _DESIRED_STYLE))
    if stacked:
        builder.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL)).fill_opacity(30)
    if limit is not None:
        builder.thresholds(_steps(limit))
        style = common.GraphThresholdsStyleConfig().mode(common_models.GraphTresholdsStyleMode.DASHED)
        builder.thresholds_style(style)
    return _framed(builder.build(), frame)


def bars(frame: Frame, query: Query, *, limit: float | None = None) -> Panel:
    """The present values of a few series, as horizontal bars."""
    builder = bargauge.Panel().orientation(common_models.VizOrientation.HORIZONTAL).min(0)
    builder.display_mode(common_models.BarGaugeDisplayMode.BASIC)
    builder.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    builder.with_target(_target(query.expr, "A").legend_format(query.legend).instant())
    if limit is not None:
        builder.thresholds(_steps(limit))
    return _framed(builder.build(), frame)


def heat(frame: Frame, expr: str) -> Panel:
    """A histogram over time; `expr` yields the increase of its buckets by `le`."""
    colours = heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Blues").steps(64)
    builder = heatmap.Panel().calculate(False).color(colours).show_tooltip().hide_legend()
    builder.y_axis(heatmap.YAxisConfig().unit("short").decimals(1))
    builder.with_target(_target(expr, "A").legend_format("{{le}}").format(PromQueryFormat.HEATMAP).range())
    return _framed(builder.build(), frame)


def timeline(frame: Frame, query: Query) -> Panel:
    """When which series was there: one bar for each."""
    builder = statetimeline.Panel().show_value(common_models.VisibilityMode.NEVER).legend(_legend())
    builder.with_target(_target(query.expr, "A").legend_format(query.legend).range())
    return _framed(builder.build(), frame)


def rows_of(frame: Frame, columns: Sequence[Column], labels: Mapping[str, str], link: DashboardLink | None) -> Panel:
    """A table: a row for each set of `labels` (label to heading), a column per query. `link`: of the first."""
    refs = _refs()
    builder = table.Panel().show_header(True)
    for ref, column in zip(refs, columns, strict=False):
        builder.with_target(_target(column.expr, ref).format(PromQueryFormat.TABLE).instant())
        builder.override_by_name(column.heading, [DynamicConfigValue("unit", column.unit)])
    # Grafana calls a value "Value" where it is the only one, and "Value #A" where there are several.
    values = ["Value"] if len(columns) == 1 else [f"Value #{ref}" for ref, _ in zip(refs, columns, strict=False)]
    headings = dict(zip(values, (column.heading for column in columns), strict=True))
    names = {**labels, **headings}
    builder.with_transformation(DataTransformerConfig("merge", options={}))
    order = {name: position for position, name in enumerate(names)}
    options = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}
    builder.with_transformation(DataTransformerConfig("organize", options=options))
    if link is not None:
        builder.override_by_name(next(iter(labels.values())), [DynamicConfigValue("links", [link])])
    return _framed(builder.build(), frame)


def _refs() -> list[str]:
    return [chr(ord("A") + n) for n in range(26)]


def _target(expr: str, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).ref_id(ref)


def _steps(limit: float) -> ThresholdsConfig:
    steps = [Threshold(value=None, color=OK_COLOUR), Threshold(value=limit, color=LIMIT_COLOUR)]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True).placement(common_models.LegendPlacement.BOTTOM)
    return legend.display_mode(common_models.LegendDisplayMode.LIST).calcs([])


def _tooltip() -> common.VizTooltipOptions:
    return (
        common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI).sort(common_models.SortOrder.DESCENDING)
    )


def _framed(panel: Panel, frame: Frame) -> Panel:
    """Every builder sets these alike, but no type that they share says so."""
    panel.id_val = panel_id(frame.title)
    panel.title, panel.description = frame.title, frame.description
    panel.datasource, panel.interval = frame.source, f"{frame.interval}s"
    panel.grid_pos = GridPos(h=frame.height, w=frame.width)
    config: Any = panel.field_config
    config.defaults.unit = frame.unit
    for target in panel.targets or []:
        setattr(target, "datasource", frame.source)  # noqa: B010
    return panel
