"""The four questions of the guide, one row each, in the order in which an operator asks them."""

from collections.abc import Callable

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.board import Board
from dashboards.rows import changes, health, inputs, versions

Row = Callable[[Board], list[Panel]]

ROWS: tuple[tuple[str, Row], ...] = (
    ("Is the service healthy?", health.panels),
    ("Which model or version is responsible?", versions.panels),
    ("Is the input data changing?", inputs.panels),
    ("What changed recently?", changes.panels),
)
