"""A verdict as a table for a terminal."""

from drift.engine.verdict import FeatureVerdict, Ratio, Verdict

HEADINGS = ("feature", "kind", "PSI", "threshold", "drifted", "missing", "defaulted", "out of range")
ABSENT = "-"


def table(verdict: Verdict) -> str:
    """The state with its reason, a line per feature with the worst first, and the predictions."""
    lines = [f"{verdict.state}: {verdict.reason}", f"{verdict.rows} rows"]
    if verdict.features:
        worst_first = sorted(verdict.features, key=lambda feature: -(feature.drift.score if feature.drift else 0.0))
        lines += ["", *_aligned([HEADINGS, *(_row(feature) for feature in worst_first)])]
    if verdict.prediction:
        drift = verdict.prediction
        lines += ["", f"predictions: PSI {drift.score:.4f}, threshold {drift.threshold:.4f}"]
    for share in verdict.classes:
        lines.append(f"class {_printable(share.name)}: {share.ratio:.1%}, in the baseline {share.baseline:.1%}")
    return "\n".join(lines)


def _row(feature: FeatureVerdict) -> tuple[str, ...]:
    drift = feature.drift
    return (
        _printable(feature.name),
        feature.kind,
        f"{drift.score:.4f}" if drift else ABSENT,
        f"{drift.threshold:.4f}" if drift else ABSENT,
        "yes" if drift and drift.drifted else "no",
        _percent(feature.missing),
        _percent(feature.defaulted),
        _percent(feature.out_of_range),
    )


def _percent(ratio: Ratio | None) -> str:
    if ratio is None:
        return ABSENT
    return f"{ratio.value:.1%} above {ratio.limit:.1%}" if ratio.exceeded else f"{ratio.value:.1%}"


def _printable(name: str) -> str:
    """A name that can't move the cursor or colour the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
