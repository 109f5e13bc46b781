"""Rows as Parquet files, the only input that the engine has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

REPOSITORY = Path(__file__).resolve().parents[3]
FLIGHTS = REPOSITORY / "controlplane/demo/data/flights_2015.parquet"
EMPLOYMENT = REPOSITORY / "tests/data/employment_ma_2015_2018.parquet"


def write_rows(path: Path, columns: Mapping[str, Any]) -> Path:
    """`columns` (name -> values or a pyarrow array) written to `path`."""
    pq.write_table(pa.table(dict(columns)), path)
    return path
