"""From a request's body to rows that a model can take, or a refusal that names the field and the remedy."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from serving.loaders.predictor import Row
from telemetry.snapshot import SnapshotFeature

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_BATCH_ROWS = 1024
MAX_CATEGORY_CHARACTERS = 1024  # rows wait in memory for the prediction log: their size has to be bounded
_NAN = math.nan
_SHOWN = 64  # characters of a refused value that are repeated to the sender


class InvalidInputError(Exception):
    """The request can't be answered as it is; `field` is the feature or part of the body that is wrong."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class _One(msgspec.Struct, forbid_unknown_fields=True):
    features: dict[str, Any]


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[dict[str, Any]]


@dataclass(slots=True)
class Inputs:
    """Checked rows in the registered order of features, and what was noticed about them, for the metrics."""

    rows: list[Row]
    defaulted: list[list[str]]  # per row: the features that were filled with their default
    missing: dict[str, int] = field(default_factory=dict)  # rows by feature
    out_of_range: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    convert: Callable[[Any], float | str | None]  # None: the value can't be taken
    outside: Callable[[Any], bool]
    wanted: str
    required: bool
    default: float | str | None
    missing: float | None  # what stands for no value: NaN or None


class Validator:
    """Checks requests against the features of one registered model."""

    def __init__(self, features: tuple[SnapshotFeature, ...]) -> None:
        self._rules = [_rule(feature) for feature in features]
        self._names = {feature.name for feature in features}
        self._one = msgspec.json.Decoder(_One)
        self._batch = msgspec.json.Decoder(_Batch)

    def one(self, body: bytes) -> Inputs:
        """The single row of a predict request; InvalidInputError."""
        inputs = Inputs([], [])
        self._add(_decode(self._one, body, '{"features": {...}}').features, inputs, "")
        return inputs

    def batch(self, body: bytes) -> Inputs:
        """The rows of a predict_batch request; one bad row refuses all. InvalidInputError."""
        rows = _decode(self._batch, body, '{"rows": [{...}, ...]}').rows
        if not 1 <= len(rows) <= MAX_BATCH_ROWS:
            raise InvalidInputError(f"rows has {len(rows)} entries: send 1 to {MAX_BATCH_ROWS}.", "rows")
        inputs = Inputs([], [])
        for index, row in enumerate(rows):
            self._add(row, inputs, f"rows[{index}]: ")
        return inputs

    def _add(self, features: dict[str, Any], inputs: Inputs, where: str) -> None:
        row: list[float | str | None] = []
        defaulted: list[str] = []
        present = 0
        for rule in self._rules:
            sent = features.get(rule.name)
            if sent is None:
                present += rule.name in features
                row.append(_fill(rule, inputs, defaulted, where))
                continue
            present += 1
            value = rule.convert(sent)
            if value is None:
                raise InvalidInputError(
                    f"{where}feature {rule.name!r} is {_shown(sent)}: send {rule.wanted}.", rule.name
                )
            if rule.outside(value):
                inputs.out_of_range[rule.name] = inputs.out_of_range.get(rule.name, 0) + 1
            row.append(value)
        if present != len(features):
            unknown = min(features.keys() - self._names)
            raise InvalidInputError(
                f"{where}feature {_shown(unknown)} is not registered for this model: leave it out, or register it.",
                unknown[:_SHOWN],
            )
        inputs.rows.append(row)
        inputs.defaulted.append(defaulted)


def _fill(rule: _Rule, inputs: Inputs, defaulted: list[str], where: str) -> float | str | None:
    if rule.required:
        raise InvalidInputError(f"{where}feature {rule.name!r} is required: send {rule.wanted}.", rule.name)
    if rule.default is not None:
        defaulted.append(rule.name)
        return rule.default
    inputs.missing[rule.name] = inputs.missing.get(rule.name, 0) + 1
    return rule.missing


def _decode(decoder: "msgspec.json.Decoder[Any]", body: bytes, form: str) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"The body is not JSON of the form {form}: {error}", "body") from error


def _rule(feature: SnapshotFeature) -> _Rule:
    default = feature.default
    if feature.kind == "numeric":
        low = -math.inf if feature.minimum is None else feature.minimum
        high = math.inf if feature.maximum is None else feature.maximum
        return _Rule(
            name=feature.name,
            convert=_number,
            outside=lambda value: not low <= value <= high,
            wanted="a finite JSON number",
            required=feature.required,
            default=None if default is None else float(default),
            missing=_NAN,
        )
    known = frozenset(feature.categories)
    return _Rule(
        name=feature.name,
        convert=lambda value: value if type(value) is str and len(value) <= MAX_CATEGORY_CHARACTERS else None,
        outside=(lambda value: value not in known) if known else (lambda value: False),
        wanted=f"a JSON string of at most {MAX_CATEGORY_CHARACTERS} characters",
        required=feature.required,
        default=default,
        missing=None,
    )


def _number(value: Any) -> float | None:
    """A finite float, or None. JSON has no NaN, but `1e999` and integers of a thousand digits are JSON."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return None
    return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
