"""Parquet files as one DuckDB table, within limits of time, memory and threads; and quoting for DuckDB's SQL.

The only place where a value becomes part of SQL. Feature names are free UTF-8 and categories are what people sent.
"""

import math
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from drift.engine.errors import ScanError, ScanTimeout
from drift.engine.profile import CATEGORICAL, NUMERIC

FLOATS = frozenset({"DOUBLE", "FLOAT"})
_INTEGERS = frozenset({f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")})
_NUMBERS = FLOATS | _INTEGERS | {"INTEGER", "UINTEGER"}
_GLOB = re.compile(r"([*?\[])")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one scan may use. Beyond its memory it fails, beyond its time it is interrupted; it never spills to disk."""

    threads: int = 2
    memory_megabytes: int = 512
    timeout_seconds: float = 300.0


class Table:
    """Some Parquet files read as one table. `types` maps each column to DuckDB's name of its type."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, files: Sequence[Path], timeout_seconds: float) -> None:
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self._deadline = time.monotonic() + timeout_seconds
        paths = ", ".join(literal(_GLOB.sub(r"[\1]", str(file))) for file in files)
        # Folders named like model=x must not become columns, and files of one window may differ in their columns.
        self.source = f"read_parquet([{paths}], union_by_name=true, hive_partitioning=false)"
        self.types = {row[0]: row[1] for row in self.rows(f"DESCRIBE SELECT * FROM {self.source}")}  # noqa: S608

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The answer to `sql`; ScanTimeout past the deadline, ScanError with DuckDB's reason otherwise."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._timeout()
        alarm = threading.Timer(left, self._connection.interrupt)
        alarm.daemon = True
        alarm.start()
        try:
            return self._connection.execute(sql).fetchall()
        except duckdb.InterruptException as error:
            raise self._timeout() from error
        except duckdb.Error as error:
            raise ScanError(f"The data can't be read: {error}") from error
        finally:
            alarm.cancel()

    def _timeout(self) -> ScanTimeout:
        return ScanTimeout(
            f"The scan ran longer than its {self._timeout_seconds:g} s and was interrupted: "
            "shorten the window or raise the limit."
        )


@contextmanager
def open_table(files: Sequence[Path], limits: Limits) -> Iterator[Table]:
    """`files`, at least one, as a table; ScanError where they are no Parquet."""
    with tempfile.TemporaryDirectory(prefix="drift-") as scratch:
        connection = duckdb.connect(
            config={
                "threads": limits.threads,
                "memory_limit": f"{limits.memory_megabytes}MB",
                "temp_directory": scratch,
                "max_temp_directory_size": "0KB",
                # Nothing is fetched: a path that looks like a URL must not make DuckDB download an extension.
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        try:
            yield Table(connection, files, limits.timeout_seconds)
        finally:
            connection.close()


def column_kind(duckdb_type: str) -> str | None:
    """numeric or categorical, or None for what is neither (dates, lists, structs)."""
    if duckdb_type in _NUMBERS or duckdb_type.startswith("DECIMAL"):
        return NUMERIC
    if duckdb_type in ("VARCHAR", "BOOLEAN") or duckdb_type.startswith("ENUM"):
        return CATEGORICAL
    return None


def identifier(name: str) -> str:
    """`name` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a string literal. Backslashes mean themselves in DuckDB's strings."""
    return "'" + text.replace("'", "''") + "'"


def number(value: float) -> str:
    """`value` as a DOUBLE: a plain 0.1 would be a DECIMAL."""
    if not math.isfinite(value):
        raise ValueError(f"{value} can't be an edge or a bound: it is not finite.")
    return f"CAST('{value!r}' AS DOUBLE)"


def instant(at: datetime, duckdb_type: str) -> str:
    """`at` (timezone-aware) to compare with a column of `duckdb_type`; columns without a zone are taken as UTC."""
    utc = at.astimezone(UTC)
    if duckdb_type == "TIMESTAMP WITH TIME ZONE":
        return f"CAST('{utc.isoformat()}' AS TIMESTAMPTZ)"
    return f"CAST('{utc.replace(tzinfo=None).isoformat()}' AS TIMESTAMP)"
