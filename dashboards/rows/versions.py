"""Which model or version is responsible? Traffic, latency and errors by version; the busiest routes."""

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.board import Board
from dashboards.expressions import error_ratio
from dashboards.panels import HALF, Query, bars, lines
from dashboards.rows.health import ERROR_ALERT, LATENCY_ALERT, P95, RPS
from telemetry import names

TOP_ROUTES = 10
_VERSION = "{{model_version}}"


def panels(board: Board) -> list[Panel]:
    """The row's panels, left to right."""
    return [_traffic(board), _latency(board), _errors(board), _shares(board), _routes(board)]


def _traffic(board: Board) -> Panel:
    frame = board.health_frame(
        "Traffic by version", "Requests a second over 5 minutes that each version answers.", "reqps"
    )
    query = Query(f"sum {board.by(names.VERSION)} ({board.route(RPS)})", board.legend(_VERSION))
    return lines(frame, [query], stacked=True)


def _latency(board: Board) -> Panel:
    frame = board.health_frame(
        "Latency p95 by version",
        f"95 of 100 requests are answered faster; of the slowest route. Red: the limit that {LATENCY_ALERT} enforces.",
        "s",
    )
    query = Query(f"max {board.by(names.VERSION)} ({board.route(P95)})", board.legend(_VERSION))
    return lines(frame, [query, *board.limit_queries(LATENCY_ALERT)], limit=board.limit(LATENCY_ALERT))


def _errors(board: Board) -> Panel:
    frame = board.health_frame(
        "Error ratio by version",
        f"Failed requests out of all that a version got, invalid input left out. Red: the limit that {ERROR_ALERT} "
        "enforces.",
        "percentunit",
    )
    query = Query(error_ratio(board, names.SERVER_ERROR_RATIO, names.VERSION), board.legend(_VERSION))
    return lines(frame, [query, *board.limit_queries(ERROR_ALERT)], limit=board.limit(ERROR_ALERT))


def _shares(board: Board) -> Panel:
    frame = board.health_frame(
        "Traffic share by version",
        "The share of requests that each version answers. Dashed: the share that is desired.",
        "percentunit",
        width=HALF,
    )
    by_role = f"max {board.by(names.VERSION, names.ROLE)} ({board.version(names.DESIRED_WEIGHT)})"
    desired = f"sum {board.by(names.VERSION)} ({by_role})"
    return lines(
        frame,
        [
            Query(board.version(names.recorded(names.TRAFFIC_SHARE, "5m")), board.legend(_VERSION)),
            Query(desired, board.legend(f"{_VERSION} desired"), expected=True),
        ],
    )


def _routes(board: Board) -> Panel:
    frame = board.health_frame(
        "Top routes", f"The {TOP_ROUTES} busiest routes, by requests a second.", "reqps", width=HALF
    )
    labels = (names.VERSION, names.ROUTE) if board.one_model else (names.ROUTE,)
    legend = board.legend("{{route}} {{model_version}}" if board.one_model else "{{route}}")
    return bars(frame, Query(f"topk({TOP_ROUTES}, sum {board.by(*labels)} ({board.route(RPS)}))", legend))
