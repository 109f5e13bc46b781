"""What changed recently? Baselines and their age, pipeline releases, the list of changes."""

from grafana_foundation_sdk.builders import annotationslist
from grafana_foundation_sdk.models.dashboard import GridPos, Panel

from dashboards.board import Board
from dashboards.markers import GRAFANA, KINDS, tags_of
from dashboards.panels import HALF, Column, Query, lines, panel_id, rows_of, timeline
from telemetry import names

LISTED = 30
_MODEL, _VERSION = (names.MODEL, "Model"), (names.VERSION, "Version")


def panels(board: Board) -> list[Panel]:
    """The row's panels, left to right."""
    return [_baselines(board), _baseline_age(board), _pipeline(board), _changes(board)]


def _baselines(board: Board) -> Panel:
    frame = board.quality_frame(
        "Baselines", "What each version's inputs are compared with, and how old that is.", "short", width=HALF
    )
    # The info series lends its labels to the age; two exporters must not make that ambiguous.
    labels = (names.VERSION, "baseline", "population")
    info = f"max {board.by(*labels)} ({board.version(names.BASELINE_INFO)})"
    age = f"max {board.by(names.VERSION)} ({board.version(names.BASELINE_AGE)})"
    joined = f"{info} * on ({names.MODEL}, {names.VERSION}) group_left () {age}"
    headings = dict([_MODEL, _VERSION, ("baseline", "Baseline"), ("population", "Population")])
    return rows_of(frame, [Column(joined, "Age", "s")], headings, None)


def _baseline_age(board: Board) -> Panel:
    frame = board.quality_frame(
        "Baseline age", "How old each version's baseline is. Red: the age from which it is stale.", "s", width=HALF
    )
    by = board.by(names.VERSION)
    return lines(
        frame,
        [
            Query(f"max {by} ({board.version(names.BASELINE_AGE)})", board.legend("{{model_version}}")),
            Query(
                f"max {by} ({board.version(names.BASELINE_MAX_AGE)})",
                board.legend("{{model_version}} limit"),
                limit=True,
            ),
        ],
    )


def _pipeline(board: Board) -> Panel:
    frame = board.quality_frame(
        "Feature pipeline release", "Which release of the feature pipeline was in force when.", "short", width=HALF
    )
    release = f"max {board.by('release')} ({board.model(names.PIPELINE_INFO)})"
    return timeline(frame, Query(release, board.legend("{{release}}")))


def _changes(board: Board) -> Panel:
    """From the annotations where they arrive in Grafana, else from the weights that serving reports."""
    return _annotations(board) if board.options.grafana_api else _weight_changes(board)


def _annotations(board: Board) -> Panel:
    tags = tags_of(board.one_model)
    builder = annotationslist.Panel().only_in_time_range(True).only_from_this_dashboard(False).limit(LISTED)
    builder.show_tags(True).show_time(True).show_user(False).tags(tags)
    panel = builder.title("Changes").description(f"The last {LISTED} changes in this time range.").unit("short").build()
    panel.id_val, panel.datasource = panel_id("Changes"), GRAFANA
    panel.grid_pos = GridPos(h=8, w=HALF)
    return panel


def _weight_changes(board: Board) -> Panel:
    frame = board.health_frame(
        "Changes",
        "How often each version's traffic changed in this time range. Once Plumbline has a Grafana token, every change "
        f"is listed here: {', '.join(KINDS)}.",
        "short",
        width=HALF,
    )
    labels = board.by(names.VERSION, names.ROLE)
    count = f"max {labels} (changes({board.version(names.TRAFFIC_WEIGHT)}[$__range])) > 0"
    headings = dict([_MODEL, _VERSION, (names.ROLE, "Role")])
    return rows_of(frame, [Column(count, "Changes", "short")], headings, None)
