"""Expressions that more than one row needs, made of recorded series."""

from dashboards.board import Board
from telemetry import names

WINDOW = "5m"


def error_ratio(board: Board, ratio: str, *labels: str) -> str:
    """The error ratio by model and `labels`: the recorded ratios weighted by their traffic, so counts over counts."""
    rate = board.route(names.recorded(names.RPS, WINDOW))
    failed = f"{board.route(names.recorded(ratio, WINDOW))} * {rate}"
    return f"sum {board.by(*labels)} ({failed}) / (sum {board.by(*labels)} ({rate}) > 0)"
