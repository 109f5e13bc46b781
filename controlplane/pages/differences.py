"""Differences as lines with their kind, for a template to colour. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

CONTEXT_LINES = 3
MOST_LINES = 4_000


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a unified diff; `kind` is added, removed, hunk, file or same."""

    kind: str
    text: str


def coloured(diff: str) -> tuple[list[DiffLine], int]:
    """The lines of a unified diff, and how many were left out."""
    lines = diff.splitlines()
    return [DiffLine(_kind(line), line) for line in lines[:MOST_LINES]], max(0, len(lines) - MOST_LINES)


def between(before: Any, after: Any) -> list[DiffLine]:
    """What differs between two export documents; either may be None."""
    diff: Iterable[str] = unified_diff(_lines(before), _lines(after), lineterm="", n=CONTEXT_LINES)
    # The first two lines name files, and here are none.
    return [DiffLine(_kind(line), line) for line in list(diff)[2:]]


def _lines(document: Any) -> list[str]:
    return [] if document is None else _written(document, "").splitlines()


def _written(value: Any, indent: str) -> str:
    """Indented `name: value` lines; texts of several lines keep them."""
    if isinstance(value, dict):
        return "".join(f"{indent}{name}:{_nested(part, indent)}" for name, part in value.items())
    if isinstance(value, list):
        return "".join(f"{indent}-{_nested(part, indent)}" for part in value)
    return f"{indent}{_scalar(value)}\n"


def _nested(value: Any, indent: str) -> str:
    if isinstance(value, dict | list) and value:
        return "\n" + _written(value, indent + "  ")
    if isinstance(value, str) and "\n" in value:
        return "\n" + "".join(f"{indent}  {line}\n" for line in value.splitlines())
    return f" {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kind(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "file"
    if line.startswith("@@"):
        return "hunk"
    return {"+": "added", "-": "removed"}.get(line[:1], "same")
