"""Dashboards as text: panels set into the grid row by row, JSON that is the same for the same input."""

import json
from collections.abc import Iterable
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import GridPos, Panel, RowPanel

from dashboards.panels import WIDTH, panel_id


def row(title: str, top: int) -> RowPanel:
    """The heading of a row, open, at line `top` of the grid."""
    return RowPanel(title=title, id_val=panel_id(title), collapsed=False, grid_pos=GridPos(h=1, w=WIDTH, x=0, y=top))


def flow(panels: Iterable[Panel], top: int) -> int:
    """Place `panels` from line `top` on, left to right, each line as high as its highest; the first free line."""
    left = height = 0
    for panel in panels:
        size = panel.grid_pos or GridPos()
        if left + size.w > WIDTH:
            left, top, height = 0, top + height, 0
        panel.grid_pos = GridPos(h=size.h, w=size.w, x=left, y=top)
        left, height = left + size.w, max(height, size.h)
    return top + height


def to_text(document: Any) -> str:
    """JSON with sorted keys, two spaces and a last newline: a diff shows what changed and nothing else."""
    return json.dumps(document, cls=JSONEncoder, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
