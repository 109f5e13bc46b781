"""What may stand in a registry file: shapes that check plain data and say what is wrong with each value. Pure.

Only names and types are looked at here; what a value may be is the rows' own business, checked when they are written.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controlplane.registry_yaml import FileRead, Path
from telemetry import promql

Parse = Callable[[Any], Any]
# What `check` returns for a value of which nothing can be used.
LEFT_OUT = object()


@dataclass(frozen=True)
class Scalar:
    """One value; `parse` returns it as it is used, or raises ValueError with the remedy."""

    parse: Parse


@dataclass(frozen=True)
class Documents:
    """A list of documents; the fields of `key` together name each of them."""

    of: "Document"
    key: tuple[str, ...]


@dataclass(frozen=True)
class Named:
    """A mapping from names to values of one shape."""

    of: "Shape"


@dataclass(frozen=True)
class Document:
    """A mapping with known fields. It is left out where it lacks one of `needed` (without it: of `required`).

    Where one of `decides` is wrong it is left out, too: what else may stand there hangs on it.
    """

    fields: Mapping[str, "Shape"]
    required: frozenset[str] = field(default_factory=frozenset)
    needed: frozenset[str] | None = None
    decides: frozenset[str] = field(default_factory=frozenset)


Shape = Scalar | Documents | Named | Document


def check(shape: Shape, value: Any, file: FileRead, path: Path = ()) -> Any:
    """`value` with its scalars parsed; what is wrong is noted in `file`, and left out of the result.

    An item of a list that is left out is None there, so that the others keep their places.
    """
    if isinstance(shape, Scalar):
        try:
            return shape.parse(value)
        except ValueError as error:
            file.problem(path, str(error))
            return LEFT_OUT
    if isinstance(shape, Documents):
        return _documents(shape, value, file, path)
    if not isinstance(value, dict):
        file.problem(path, f"{_shown(value)} stands where fields are expected: write `name: value` lines.")
        return LEFT_OUT
    if isinstance(shape, Named):
        return _used({name: check(shape.of, inner, file, (*path, name)) for name, inner in value.items()})
    return _document(shape, value, file, path)


def _used(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not LEFT_OUT}


def _documents(shape: Documents, value: Any, file: FileRead, path: Path) -> Any:
    if not isinstance(value, list):
        file.problem(path, f"{_shown(value)} stands where a list is expected: begin each item with `- `.")
        return LEFT_OUT
    first: dict[tuple[str, ...], int] = {}
    checked: list[Any] = []
    for n, item in enumerate(value):
        found = check(shape.of, item, file, (*path, n))
        name = key_of(shape, item)
        if name in first:
            file.problem((*path, n), f"This is listed twice, first on line {first[name]}: leave one out.")
            found = LEFT_OUT
        elif any(name):
            first[name] = file.lines.get((*path, n), 0)
        checked.append(None if found is LEFT_OUT else found)
    return checked


def key_of(shape: Documents, item: Any) -> tuple[str, ...]:
    """What names `item` among its like."""
    return tuple(str(item.get(name, "")) for name in shape.key) if isinstance(item, dict) else ()


def _document(shape: Document, value: dict[str, Any], file: FileRead, path: Path) -> Any:
    for name in value.keys() - shape.fields.keys():
        file.problem((*path, name), f"Unknown field; known here: {', '.join(sorted(shape.fields))}.")
    # A field without a value is one that was left out.
    known = {name: inner for name, inner in value.items() if name in shape.fields and inner is not None}
    for name in sorted(shape.required - known.keys()):
        file.problem(path, f"{name} is missing.")
    checked = _used({name: check(shape.fields[name], inner, file, (*path, name)) for name, inner in known.items()})
    needed = shape.required if shape.needed is None else shape.needed
    wrong = known.keys() - checked.keys()
    return LEFT_OUT if needed - checked.keys() or shape.decides & wrong else checked


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | datetime.date):
        raise ValueError(f"{_shown(value)} is no text to YAML: put it in quotes.")
    raise ValueError(f"{_shown(value)} is no text.")


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{_shown(value)} is no whole number.")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{_shown(value)} is no number.")
    return float(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{_shown(value)} is neither true nor false.")
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"{_shown(value)} is no list of texts: write for example [late, on-time].")
    return [_text(item) for item in value]


def _clock(value: Any) -> datetime.time:
    # YAML reads 09:00 as text, and 9:30 as 570, a number to the base 60.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        return datetime.time(value // 60, value % 60)
    try:
        return datetime.time.fromisoformat(_text(value))
    except ValueError as error:
        raise ValueError(f"{_shown(value)} is no time of day: write it like 09:00.") from error


def _moment(value: Any) -> datetime.datetime:
    try:
        moment = value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(_text(value))
    except ValueError as error:
        raise ValueError(f"{_shown(value)} is no time: write it like 2026-04-01T12:00:00+00:00.") from error
    if moment.tzinfo is None:
        raise ValueError(f"{_shown(value)} lacks its time zone: write it like 2026-04-01T12:00:00+00:00.")
    return moment


def _date(value: Any) -> datetime.date:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    try:
        return datetime.date.fromisoformat(_text(value))
    except ValueError as error:
        raise ValueError(f"{_shown(value)} is no date: write it like 2026-04-01.") from error


def _seconds(value: Any) -> int:
    return promql.seconds(_text(value))


def _anything(value: Any) -> Any:
    return value


def one_of(*choices: str) -> Scalar:
    """One of `choices`."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{_shown(value)} is unknown here: use {', '.join(choices)}.")
        return str(value)

    return Scalar(parse)


TEXT = Scalar(_text)
WHOLE = Scalar(_whole)
NUMBER = Scalar(_number)
TRUTH = Scalar(_truth)
TEXTS = Scalar(_texts)
CLOCK = Scalar(_clock)
MOMENT = Scalar(_moment)
DATE = Scalar(_date)
DURATION = Scalar(_seconds)
ANYTHING = Scalar(_anything)
