"""Is the service healthy? Rate, latency, errors, replicas, saturation, CPU and memory."""

from grafana_foundation_sdk.models.dashboard import DashboardLink, DashboardLinkType, Panel

from dashboards.board import Board
from dashboards.expressions import error_ratio
from dashboards.panels import HALF, WIDTH, Column, Query, lines, rows_of
from telemetry import names, promql

RPS = names.recorded(names.RPS, "5m")
P50, P95, P99 = (names.recorded(prefix, "5m") for prefix in (names.LATENCY_P50, names.LATENCY_P95, names.LATENCY_P99))
LATENCY_ALERT, ERROR_ALERT, SATURATION_ALERT = (
    "MLInferenceHighLatencyP95",
    "MLInferenceHighErrorRate",
    "MLInferenceSaturated",
)
_SERVING = promql.equals("job", names.JOB_INFERENCE)


def panels(board: Board) -> list[Panel]:
    """The row's panels, left to right."""
    first = [] if board.one_model else [_models(board)]
    return [
        *first,
        _rate(board),
        *_latency(board),
        _errors(board),
        _replicas(board),
        _saturation(board),
        _budget(board),
        _cpu(board),
        _memory(board),
    ]


def _models(board: Board) -> Panel:
    frame = board.health_frame(
        "Models",
        "Every model's present state; a click on its name opens its own dashboard. Latency is that of the slowest "
        "version and route; errors leave invalid input out.",
        "short",
        width=WIDTH,
        height=10,
    )
    columns = [
        Column(f"sum {board.by()} ({RPS})", "Requests", "reqps"),
        Column(f"max {board.by()} ({P95})", "Latency p95", "s"),
        Column(error_ratio(board, names.SERVER_ERROR_RATIO), "Errors", "percentunit"),
        Column(_replica_count(board), "Replicas up", "short"),
        Column(names.DRIFT_FEATURES_TRIGGERED, "Features in drift", "short"),
        Column(f'count {board.by()} (ALERTS{{alertstate="firing",{names.MODEL}!=""}})', "Alerts firing", "short"),
    ]
    link = DashboardLink(
        title="Open the model's dashboard",
        type_val=DashboardLinkType.LINK,
        url="/d/ml-model/ml-model?var-model=${__value.raw}&${__url_time_range}",
    )
    return rows_of(frame, columns, {names.MODEL: "Model"}, link)


def _rate(board: Board) -> Panel:
    frame = board.health_frame(
        "Request rate", "Prediction requests a second over 5 minutes, failed ones included.", "reqps"
    )
    return lines(
        frame,
        [Query(f"sum {board.by()} ({board.route(RPS)})", board.legend("" if not board.one_model else "requests"))],
    )


def _latency(board: Board) -> list[Panel]:
    """One panel with three lines for one model; a panel for each percentile where every model has a line."""
    told = "Seconds from request to answer over 5 minutes, of the slowest version and route"
    percentiles = (("p50", P50), ("p95", P95), ("p99", P99))
    queries = {
        name: Query(f"max {board.by()} ({board.route(series)})", board.legend(name if board.one_model else ""))
        for name, series in percentiles
    }
    if board.one_model:
        drawn = f"Red: the limit of p95 that {LATENCY_ALERT} enforces. Dashed: within what objectives want an answer."
        frame = board.health_frame("Latency", f"{told}. {drawn}", "s")
        wanted = Query(board.model(names.OBJECTIVE_LATENCY_LIMIT), f"{{{{{names.OBJECTIVE}}}}}", expected=True)
        return [lines(frame, [*queries.values(), *board.limit_queries(LATENCY_ALERT), wanted])]
    return [
        lines(
            board.health_frame(f"Latency {name}", f"{told}.", "s"),
            [query],
            limit=board.limit(LATENCY_ALERT) if name == "p95" else None,
        )
        for name, query in queries.items()
    ]


def _errors(board: Board) -> Panel:
    frame = board.health_frame(
        "Error ratio",
        f"Failed requests out of all, over 5 minutes. Red: the limit that {ERROR_ALERT} enforces, which leaves invalid "
        "input out.",
        "percentunit",
    )
    queries = [Query(error_ratio(board, names.SERVER_ERROR_RATIO), board.legend("errors" if board.one_model else ""))]
    if board.one_model:
        queries.append(Query(error_ratio(board, names.ERROR_RATIO), "with invalid input", expected=True))
    return lines(frame, [*queries, *board.limit_queries(ERROR_ALERT)], limit=board.limit(ERROR_ALERT))


def _replica_count(board: Board) -> str:
    return f"count {board.by()} (count {board.by('instance')} ({board.version(names.MODEL_INFO)}))"


def _replicas(board: Board) -> Panel:
    frame = board.health_frame(
        "Replicas up", "Serving replicas that answer Prometheus and have the model loaded.", "short"
    )
    return lines(frame, [Query(_replica_count(board), board.legend("replicas" if board.one_model else ""))])


def _saturation(board: Board) -> Panel:
    frame = board.health_frame(
        "Saturation",
        f"Requests in flight out of the most allowed, of the busiest replica. Red: the limit of {SATURATION_ALERT}.",
        "percentunit",
    )
    query = Query(board.model(names.SATURATION), board.legend("in flight" if board.one_model else ""))
    return lines(frame, [query, *board.limit_queries(SATURATION_ALERT)], limit=board.limit(SATURATION_ALERT))


def _budget(board: Board) -> Panel:
    frame = board.health_frame(
        "Error budget left",
        "Of each objective, the share of its error budget that is left over its period, as of the last full hour: 100 %"
        " is untouched, 0 is spent, below the objective is missed. No line: nothing is counted.",
        "percentunit",
    )
    legend = board.legend(f"{{{{{names.OBJECTIVE}}}}}")
    return lines(frame, [Query(board.model(names.BUDGET_LEFT), legend)])


def _on_replicas(board: Board, expr: str) -> str:
    """`expr`, narrowed to the replicas that have the chosen model loaded."""
    return f"{expr} and on (instance) {board.version(names.MODEL_INFO)}" if board.one_model else expr


def _cpu(board: Board) -> Panel:
    frame = board.health_frame(
        "CPU by replica", "CPU seconds a second that each serving process uses.", "short", width=HALF
    )
    used = f"sum by (instance) (rate({promql.selector('process_cpu_seconds_total', _SERVING)}[$__rate_interval]))"
    return lines(frame, [Query(_on_replicas(board, used), "{{instance}}")])


def _memory(board: Board) -> Panel:
    frame = board.health_frame("Memory by replica", "Resident memory of each serving process.", "bytes", width=HALF)
    used = f"max by (instance) ({promql.selector('process_resident_memory_bytes', _SERVING)})"
    return lines(frame, [Query(_on_replicas(board, used), "{{instance}}")])
