"""Scan speed against decoding the same columns: see README.md. Run from the repository's root."""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drift.engine.build import Recipe, build_profile
from drift.engine.duck import Limits, identifier, open_table
from drift.engine.profile import CATEGORICAL, NUMERIC, from_text
from drift.engine.scan import Bounds, Columns, Question, scan

NUMBERS, CATEGORIES, LEVELS = 40, 10, 20
COLUMNS = Columns("feature:", score="score", predicted_class="predicted_class", defaulted="defaulted")
KINDS = {f"n{i}": NUMERIC for i in range(NUMBERS)} | {f"c{i}": CATEGORICAL for i in range(CATEGORIES)}
BOUNDS = {f"n{i}": Bounds(-3.0, 3.0) for i in range(NUMBERS)} | {
    f"c{i}": Bounds(categories=tuple(f"level {level}" for level in range(LEVELS))) for i in range(CATEGORIES)
}


def make_rows(path: Path, rows: int) -> None:
    random = np.random.default_rng(0)
    levels = pa.array([f"level {level}" for level in range(LEVELS)])
    columns = {f"feature:n{i}": random.normal(size=rows) for i in range(NUMBERS)}
    for i in range(CATEGORIES):
        codes = pa.array(random.integers(0, LEVELS, size=rows), type=pa.int32())
        columns[f"feature:c{i}"] = pa.DictionaryArray.from_arrays(codes, levels).cast(pa.string())
    columns["score"] = random.uniform(size=rows)
    columns["predicted_class"] = pa.array(np.where(columns["score"] > 0.7, "yes", "no"))
    offsets = pa.array(np.concatenate([[0], np.cumsum(np.arange(rows) % 7 == 0)]), type=pa.int32())
    columns["defaulted"] = pa.ListArray.from_arrays(offsets, pa.array(["n1"] * offsets[-1].as_py()))
    pq.write_table(pa.table(columns), path, row_group_size=100_000)


def decode(data: Path, _baseline: Path, limits: Limits) -> None:
    with open_table([data], limits) as table:
        parts = [f"count_if({identifier('feature:' + name)} = 1.5)" for name, kind in KINDS.items() if kind == NUMERIC]
        parts += [f"histogram({identifier('feature:' + name)})" for name, kind in KINDS.items() if kind == CATEGORICAL]
        parts += ["count_if(score = 1.5)", "histogram(predicted_class)", "count_if(len(defaulted) > 9)"]
        table.rows(f"SELECT {', '.join(parts)} FROM {table.source}")  # noqa: S608


def profile(data: Path, baseline: Path, limits: Limits) -> None:
    baseline.write_text(build_profile([data], Recipe(KINDS, COLUMNS, BOUNDS), limits).text())


def check(data: Path, baseline: Path, limits: Limits) -> None:
    scan([data], Question(from_text(baseline.read_text()), COLUMNS, BOUNDS), limits)


STEPS = {"profile": profile, "decode": decode, "scan": check}


def measure(step: str, data: Path, baseline: Path, threads: int) -> None:
    """In a child process: the best of three, and the peak memory of this process."""
    best = float("inf")
    for _ in range(3 if step != "profile" else 1):
        began = time.perf_counter()
        STEPS[step](data, baseline, Limits(threads=threads))
        best = min(best, time.perf_counter() - began)
    print(best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", nargs=3, metavar=("STEP", "DATA", "BASELINE"), help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_rows(options.make, options.rows)
        return
    if options.child:
        step, data, baseline = options.child
        measure(step, Path(data), Path(baseline), options.threads)
        return
    with tempfile.TemporaryDirectory() as folder:
        data, baseline = Path(folder) / "rows.parquet", Path(folder) / "baseline.json"
        # In a process of its own: Linux hands the peak memory of a parent down to its children.
        subprocess.run([sys.executable, __file__, "--rows", str(options.rows), "--make", str(data)], check=True)
        print(
            f"{options.rows} rows, {len(KINDS)} features, {data.stat().st_size / 1e6:.0f} MB, {options.threads} threads"
        )
        seconds = {}
        for step in STEPS:
            command = [sys.executable, __file__, "--threads", str(options.threads), "--child", step, data, baseline]
            answer = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout
            seconds[step], memory = map(float, answer.split())
            print(f"{step:8} {seconds[step]:6.2f} s  {memory:5.0f} MB")
        print(f"scan / decode: {seconds['scan'] / seconds['decode']:.2f}")


if __name__ == "__main__":
    main()
