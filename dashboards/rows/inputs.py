"""Is the input data changing? Drift, missing, defaulted and out-of-range values, scores and classes."""

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.board import Board
from dashboards.panels import HALF, WIDTH, Query, bars, heat, lines, timeline
from telemetry import names

TOP_FEATURES = 10
MANY_ALERT, SHIFT_ALERT, CLASS_ALERT = (
    "MLDriftManyFeatures",
    "MLPredictionDistributionShift",
    "MLPredictionClassShift",
)
_FEATURE = "{{model_version}} {{feature_name}}"
_LABELS = (names.VERSION, names.FEATURE)


def panels(board: Board) -> list[Panel]:
    """The row's panels, left to right."""
    return [
        _drift(board),
        _triggered(board),
        *_ratios(board),
        _scores(board),
        _median(board),
        _classes(board),
        _check_state(board),
    ]


def _drift(board: Board) -> Panel:
    if not board.one_model:
        frame = board.quality_frame(
            "Drift against its threshold",
            f"Drift score out of the threshold in force, of the {TOP_FEATURES} features that have moved most. "
            "Above 100 % a feature drifts.",
            "percentunit",
            width=HALF,
        )
        ratio = f"{names.DRIFT_SCORE} / ({names.DRIFT_THRESHOLD} > 0)"
        query = Query(
            f"topk({TOP_FEATURES}, max {board.by(names.FEATURE)} ({ratio}))", "{{model_name}} {{feature_name}}"
        )
        return bars(frame, query, limit=1)
    frame = board.quality_frame(
        "Drift score by feature",
        "How far each feature has moved from the baseline. Red: the threshold for that window and sample size.",
        "short",
        width=HALF,
    )
    return lines(
        frame,
        [
            Query(
                f"max {board.by(*_LABELS, names.METHOD)} ({board.version(names.DRIFT_SCORE)})",
                f"{_FEATURE} {{{{method}}}}",
            ),
            Query(
                f"max {board.by(*_LABELS, names.METHOD)} ({board.version(names.DRIFT_THRESHOLD)})",
                f"{_FEATURE} threshold",
                limit=True,
            ),
        ],
    )


def _triggered(board: Board) -> Panel:
    frame = board.quality_frame(
        "Features in drift",
        "How many features drift at present; one that drifts in two versions counts once.",
        "short",
        width=HALF,
    )
    query = Query(board.model(names.DRIFT_FEATURES_TRIGGERED), board.legend("features" if board.one_model else ""))
    return lines(frame, [query, *board.limit_queries(MANY_ALERT)], limit=board.limit(MANY_ALERT))


def _ratios(board: Board) -> list[Panel]:
    return [
        _ratio(board, "Missing", "Values that were not given", names.MISSING_RATIO, names.MISSING_RATIO_LIMIT),
        _ratio(
            board, "Defaulted", "Values that a default replaced", names.DEFAULTED_RATIO, names.DEFAULTED_RATIO_LIMIT
        ),
        _ratio(
            board,
            "Out-of-range",
            "Values outside the range or the categories that are registered",
            names.OUT_OF_RANGE_RATIO,
            names.OUT_OF_RANGE_RATIO_LIMIT,
        ),
    ]


def _ratio(board: Board, what: str, told: str, ratio: str, limit: str) -> Panel:
    if not board.one_model:
        frame = board.quality_frame(
            f"{what} ratio", f"{told}, out of all; of each model's worst feature.", "percentunit"
        )
        return lines(frame, [Query(f"max {board.by()} ({ratio})", board.legend(""))])
    frame = board.quality_frame(
        f"{what} ratio", f"{told}, out of all, by feature. Red: each feature's limit.", "percentunit"
    )
    return lines(
        frame,
        [
            Query(f"max {board.by(*_LABELS)} ({board.version(ratio)})", _FEATURE),
            Query(f"max {board.by(*_LABELS)} ({board.version(limit)})", f"{_FEATURE} limit", limit=True),
        ],
    )


def _scores(board: Board) -> Panel:
    frame = board.health_frame(
        "Score distribution", "How many predictions had which score. The darker, the more of them.", "short"
    )
    return heat(frame, f"sum by (le) (increase({board.version(names.SCORE + '_bucket')}[$__rate_interval]))")


def _median(board: Board) -> Panel:
    frame = board.health_frame(
        "Median score",
        f"The scores' median over 30 minutes; dashed, the baseline's. {SHIFT_ALERT} compares it with the day before.",
        "short",
    )
    median = names.recorded(names.SCORE_P50, "30m")
    baseline = f"max {board.by(names.VERSION)} ({board.version(names.PREDICTION_BASELINE_MEDIAN)})"
    return lines(
        frame,
        [
            Query(board.version(median), board.legend("{{model_version}}")),
            Query(baseline, board.legend("{{model_version}} baseline"), expected=True),
        ],
    )


def _classes(board: Board) -> Panel:
    if not board.one_model:
        frame = board.quality_frame(
            "Class balance",
            f"How far a class's share is from the baseline's, of each model's class that moved most; {CLASS_ALERT} "
            "watches it.",
            "percentunit",
        )
        moved = f"abs({names.CLASS_RATIO} - {names.CLASS_RATIO_BASELINE})"
        return lines(frame, [Query(f"max {board.by()} ({moved})", board.legend(""))], limit=board.limit(CLASS_ALERT))
    frame = board.health_frame(
        "Class balance", "Each predicted class's share over 5 minutes; dashed, the baseline's.", "percentunit"
    )
    labels = (names.VERSION, names.CLASS)
    return lines(
        frame,
        [
            Query(board.version(names.recorded(names.CLASS_SHARE, "5m")), "{{model_version}} {{predicted_class}}"),
            Query(
                f"max {board.by(*labels)} ({board.version(names.CLASS_RATIO_BASELINE)})",
                "{{model_version}} {{predicted_class}} baseline",
                expected=True,
            ),
        ],
    )


def _check_state(board: Board) -> Panel:
    frame = board.quality_frame(
        "State of the drift check",
        "Which answer the last check gave. Scores of a check that did not run to its end are withdrawn, so an empty "
        "panel above is explained here.",
        "short",
        width=WIDTH,
        height=6,
    )
    state = f"max {board.by(names.VERSION, names.STATE)} ({board.version(names.CHECK_STATE)}) == 1"
    return timeline(frame, Query(state, board.legend("{{model_version}} {{state}}")))
