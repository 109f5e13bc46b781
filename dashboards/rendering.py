"""Grafana's part of the bundle: the dashboards `ML fleet` and `ML model`, and their provisioning. Pure."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models.dashboard import (
    AnnotationContainer,
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    Panel,
    RowPanel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.board import SOURCE, Board
from dashboards.layout import flow, row, to_text
from dashboards.markers import markers
from dashboards.options import DashboardOptions, Thresholds
from dashboards.provisioning import render_provisioning
from dashboards.rows import ROWS
from models_registry.fleet import Fleet
from telemetry import names

FLEET_UID, MODEL_UID = "ml-fleet", "ml-model"
TAG = "ml-monitoring"
# What Grafana's refresh picker offers, in seconds.
REFRESH = ((5, "5s"), (10, "10s"), (30, "30s"), (60, "1m"), (300, "5m"), (900, "15m"))
ALL = VariableOption(selected=True, text=["All"], value=["$__all"])


def render_dashboards(fleet: Fleet, options: DashboardOptions, thresholds: Thresholds) -> dict[str, str]:
    """{path in the bundle: text}. Equal input gives equal text; no number of models makes the files longer.

    `thresholds`: the limits to draw, by the name of the alert that enforces them.
    """
    one, all_models = Board(options, thresholds, one_model=True), Board(options, thresholds, one_model=False)
    return {
        f"grafana/dashboards/{FLEET_UID}.json": to_text(_fleet_dashboard(all_models)),
        f"grafana/dashboards/{MODEL_UID}.json": to_text(_model_dashboard(one, fleet)),
        **render_provisioning(options),
    }


def refresh_of(seconds: int) -> str:
    """The shortest refresh of Grafana's picker that is no shorter than `seconds`: a faster one shows nothing new."""
    return next((text for offered, text in REFRESH if offered >= seconds), REFRESH[-1][1])


def _fleet_dashboard(board: Board) -> Dashboard:
    builder = builders.Dashboard("ML fleet").uid(FLEET_UID)
    builder.description("All models: which one needs a look, and why.")
    builder.link(_link("Plumbline", f"{board.options.plumbline_url}/"))
    return _finished(builder, board)


def _model_dashboard(board: Board, fleet: Fleet) -> Dashboard:
    builder = builders.Dashboard("ML model").uid(MODEL_UID)
    builder.description("One model: is it healthy, which version is responsible, do its inputs change, what changed?")
    builder.link(_link("Model in Plumbline", f"{board.options.plumbline_url}/models/${{model}}/"))
    builder.link(_link("ML fleet", f"/d/{FLEET_UID}/ml-fleet", keep_time=True))
    for variable in _variables(fleet):
        builder.with_variable(variable)
    return _finished(builder, board)


def _variables(fleet: Fleet) -> list[builders.QueryVariable]:
    # Either source alone fills the list: one that is down must not empty it.
    models = f'label_values({{__name__=~"{names.MODEL_REGISTERED}|{names.MODEL_INFO}"}}, {names.MODEL})'
    chosen = f'{names.MODEL}="$model"'
    model = _variable("model", "Model", models).multi(False).include_all(False)
    if fleet.models:
        first = fleet.models[0].name
        model.current(VariableOption(selected=True, text=first, value=first))
    version = _variable("version", "Version", f"label_values({names.REQUESTS}{{{chosen}}}, {names.VERSION})")
    route = _variable("route", "Route", f"label_values({names.REQUESTS}{{{chosen}}}, {names.ROUTE})")
    several = [v.multi(True).include_all(True).all_value(".+").current(ALL) for v in (version, route)]
    return [model, *several]


def _variable(name: str, label: str, query: str) -> builders.QueryVariable:
    variable = builders.QueryVariable(name).label(label).datasource(SOURCE)
    variable.query({"query": query, "refId": f"variable-{name}"})
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)


def _finished(builder: builders.Dashboard, board: Board) -> Dashboard:
    builder.tags([TAG]).timezone("browser").time("now-6h", "now").tooltip(DashboardCursorSync.CROSSHAIR)
    builder.refresh(refresh_of(max(board.options.scrape_interval, board.options.evaluation_interval)))
    dashboard = builder.build()
    source = builders.DatasourceVariable("datasource").label("Datasource").type("prometheus").build()
    dashboard.templating.list_val = [source, *(dashboard.templating.list_val or [])]
    dashboard.annotations = AnnotationContainer(list_val=markers(board.options, SOURCE, board.one_model))
    dashboard.panels = _placed(board)
    return dashboard


def _placed(board: Board) -> list[Panel | RowPanel]:
    placed: list[Panel | RowPanel] = []
    top = 0
    for title, make in ROWS:
        panels = make(board)
        placed.append(row(title, top))
        top = flow(panels, top + 1)
        placed.extend(panels)
    return placed


def _link(title: str, url: str, keep_time: bool = False) -> builders.DashboardLink:
    link = builders.DashboardLink(title).type(DashboardLinkType.LINK).icon("external link")
    return link.url(url).keep_time(keep_time)
