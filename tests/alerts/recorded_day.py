"""A day of a few made-up series, in a Prometheus store that nothing is scraped into: what a question finds is known.

`there` and `other_labels` have series all day, `late` for the last two hours, `gone` until ten hours ago; `hot` passes
1 twice: for half an hour, twenty hours ago, and in the last twenty minutes.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

STEP, HOUR = 60, 3600
DAY = 24 * HOUR
HOT = ((20 * HOUR, 19 * HOUR + 1800), (1200, 0))  # ages


def hot_at(age: int) -> int:
    return 2 if any(first >= age >= last for first, last in HOT) else 0


def samples(end: int) -> Iterator[str]:
    """The exposition up to `end`; in OpenMetrics all of a series stands together."""
    fraud = 'model_name="fraud"'
    spans = (
        (f'there{{{fraud},model_version="v1",route="predict",instance="a"}}', DAY, 0),
        (f'there{{{fraud},model_version="v2",route="batch",instance="a"}}', DAY, 0),
        (f"other_labels{{{fraud}}}", DAY, 0),
        (f'other_values{{{fraud},model_version="v9"}}', DAY, 0),
        (f"late{{{fraud}}}", 2 * HOUR, 0),
        (f"gone{{{fraud}}}", DAY, 10 * HOUR),
    )
    for series, first, last in spans:
        yield from (f"{series} 1 {end - age}" for age in range(first, last - 1, -STEP))
    yield from (f"hot{{{fraud}}} {hot_at(age)} {end - age}" for age in range(DAY, -1, -STEP))


def fill_store(folder: Path, end: int) -> None:
    """The day up to `end` as blocks of a Prometheus store in `folder`."""
    text = folder.with_suffix(".openmetrics")
    text.write_text("\n".join([*samples(end), "# EOF\n"]))
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, folder], check=True, capture_output=True
    )
