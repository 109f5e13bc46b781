"""A profile: what a set of rows looks like, as counts. The baseline is one; so is the window it is compared with.

A window is counted on its baseline's bins and categories, so the two differ in their counts only. Counts, never
ratios: profiles of parts (hours, files, machines) add up to the profile of the whole, in any order (`merge`).

Documents are canonical JSON (sorted keys, no spaces), so equal profiles have equal hashes wherever they are made.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, TypeVar

SCHEMA = 1
NUMERIC = "numeric"
CATEGORICAL = "categorical"
KINDS = (NUMERIC, CATEGORICAL)


class ProfileError(ValueError):
    """A document that is no profile of this schema, or two profiles that can't be added."""


@dataclass(frozen=True, slots=True)
class NumericCounts:
    """Rows per bin: (-inf, e0], (e0, e1], ..., (elast, +inf); infinities fall into the outer bins, NaN is missing.

    `minimum` and `maximum` are None where nothing was seen or the extreme is infinite. `defaulted` and
    `out_of_range` are None where the source didn't tell, or no range was given.
    """

    kind: ClassVar[str] = NUMERIC
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int = 0
    defaulted: int | None = None
    out_of_range: int | None = None
    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.edges) + 1:
            raise ProfileError(f"{len(self.edges)} edges make {len(self.edges) + 1} bins, got {len(self.counts)}.")
        if any(not math.isfinite(edge) for edge in self.edges) or list(self.edges) != sorted(set(self.edges)):
            raise ProfileError(f"Edges must be finite and ascending, got {self.edges}.")
        _check_counts(self.counts, self.missing)

    @property
    def bins(self) -> tuple[int, ...]:
        """Rows per bin, what PSI compares."""
        return self.counts

    @property
    def present(self) -> int:
        """Rows that have a value."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class CategoricalCounts:
    """Rows per known category; `other` holds those of rarer and of unseen ones."""

    kind: ClassVar[str] = CATEGORICAL
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    other: int = 0
    missing: int = 0
    defaulted: int | None = None
    out_of_range: int | None = None

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.categories):
            raise ProfileError(f"{len(self.categories)} categories need as many counts, got {len(self.counts)}.")
        if len(set(self.categories)) != len(self.categories):
            raise ProfileError("A category is listed twice.")
        _check_counts((*self.counts, self.other), self.missing)

    @property
    def bins(self) -> tuple[int, ...]:
        """Rows per category, `other` last, what PSI compares."""
        return (*self.counts, self.other)

    @property
    def present(self) -> int:
        """Rows that have a value."""
        return sum(self.counts) + self.other


FeatureCounts = NumericCounts | CategoricalCounts
Counts = TypeVar("Counts", NumericCounts, CategoricalCounts, FeatureCounts)


@dataclass(frozen=True, slots=True)
class Profile:
    """The counts of `rows` rows. `score` and `classes` are None where the rows hold no predictions.

    `score_median` is known where the profile was built from rows; it can't be added, so `merge` drops it.
    """

    rows: int
    features: Mapping[str, FeatureCounts] = field(default_factory=dict)
    score: NumericCounts | None = None
    score_median: float | None = None
    classes: CategoricalCounts | None = None

    def document(self) -> dict[str, Any]:
        """The JSON-able form, what `from_document` reads."""
        return {
            "schema": SCHEMA,
            "rows": self.rows,
            "features": {name: _counts_document(counts) for name, counts in self.features.items()},
            "score": _counts_document(self.score) if self.score else None,
            "score_median": _positive_zero(self.score_median),
            "classes": _counts_document(self.classes) if self.classes else None,
        }

    def text(self) -> str:
        """Canonical JSON."""
        return canonical(self.document())

    def content_hash(self) -> str:
        """SHA-256 of `text`, 64 hexadecimal digits."""
        return document_hash(self.document())

    def kinds(self) -> dict[str, str]:
        """Feature name -> numeric or categorical."""
        return {name: counts.kind for name, counts in self.features.items()}


def canonical(document: Any) -> str:
    """JSON with sorted keys and no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def document_hash(document: Any) -> str:
    """SHA-256 of the canonical JSON of a document as it is, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def from_document(document: Any) -> Profile:
    """The profile in `document`; ProfileError says what is wrong. Numbers come back as floats even where a
    database stored 1e16 as an integer, so the hash survives storage."""
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, Mapping) else type(document).__name__
        raise ProfileError(f"The profile's schema is {found!r}, this version reads {SCHEMA}: build the profile anew.")
    try:
        return Profile(
            rows=int(document["rows"]),
            features={str(name): _counts(counts) for name, counts in document["features"].items()},
            score=_numeric(document["score"]) if document.get("score") else None,
            score_median=_number(document.get("score_median")),
            classes=_categorical(document["classes"]) if document.get("classes") else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ProfileError(f"The profile lacks or misspells a field: {error}") from error


def from_text(text: str | bytes) -> Profile:
    """The profile in JSON `text`; ProfileError says what is wrong."""
    try:
        return from_document(json.loads(text))
    except json.JSONDecodeError as error:
        raise ProfileError(f"The profile is not JSON: {error}") from error


def merge(one: Profile, two: Profile) -> Profile:
    """The profile of the rows of both; ProfileError where they were not counted on the same bins."""
    if one.features.keys() != two.features.keys():
        odd = sorted(one.features.keys() ^ two.features.keys())
        raise ProfileError(f"Only one of the two profiles has {', '.join(odd)}.")
    return Profile(
        rows=one.rows + two.rows,
        features={name: _merge(name, counts, two.features[name]) for name, counts in one.features.items()},
        score=_merge("score", one.score, two.score) if one.score and two.score else None,
        classes=_merge("predicted class", one.classes, two.classes) if one.classes and two.classes else None,
    )


def _merge(name: str, one: Counts, two: FeatureCounts) -> Counts:
    if isinstance(one, NumericCounts) and isinstance(two, NumericCounts) and one.edges == two.edges:
        return replace(
            one,
            **_added(one, two),
            minimum=_extreme(min, one.minimum, two.minimum),
            maximum=_extreme(max, one.maximum, two.maximum),
        )
    if isinstance(one, CategoricalCounts) and isinstance(two, CategoricalCounts) and one.categories == two.categories:
        return replace(one, **_added(one, two), other=one.other + two.other)
    raise ProfileError(f"{name} was not counted on the same bins in the two profiles.")


def _added(one: FeatureCounts, two: FeatureCounts) -> dict[str, Any]:
    return {
        "counts": tuple(a + b for a, b in zip(one.counts, two.counts, strict=True)),
        "missing": one.missing + two.missing,
        "defaulted": _sum(one.defaulted, two.defaulted),
        "out_of_range": _sum(one.out_of_range, two.out_of_range),
    }


def _sum(one: int | None, two: int | None) -> int | None:
    return None if one is None or two is None else one + two


def _extreme(choose: Callable[[float, float], float], one: float | None, two: float | None) -> float | None:
    if one is None or two is None:
        return two if one is None else one
    return choose(one, two)


def _check_counts(counts: tuple[int, ...], missing: int) -> None:
    if min((*counts, missing)) < 0:
        raise ProfileError(f"A count can't be negative, got {counts} and {missing} missing.")


def _counts_document(counts: FeatureCounts) -> dict[str, Any]:
    document = {"kind": counts.kind, **asdict(counts)}
    if isinstance(counts, NumericCounts):
        document["edges"] = [_positive_zero(edge) for edge in counts.edges]
        document["minimum"], document["maximum"] = _positive_zero(counts.minimum), _positive_zero(counts.maximum)
    return document


def _positive_zero(value: float | None) -> float | None:
    """-0.0 as 0.0: they compare alike and databases drop the sign, so the hash must not tell them apart."""
    return None if value is None else value + 0.0


def _counts(document: Mapping[str, Any]) -> FeatureCounts:
    if document["kind"] == NUMERIC:
        return _numeric(document)
    if document["kind"] == CATEGORICAL:
        return _categorical(document)
    raise ProfileError(f"The kind {document['kind']!r} is none of {', '.join(KINDS)}.")


def _numeric(document: Mapping[str, Any]) -> NumericCounts:
    return NumericCounts(
        edges=tuple(float(edge) for edge in document["edges"]),
        minimum=_number(document["minimum"]),
        maximum=_number(document["maximum"]),
        **_shared(document),
    )


def _categorical(document: Mapping[str, Any]) -> CategoricalCounts:
    categories = tuple(str(category) for category in document["categories"])
    return CategoricalCounts(categories=categories, other=int(document["other"]), **_shared(document))


def _shared(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "counts": tuple(int(count) for count in document["counts"]),
        "missing": int(document["missing"]),
        "defaulted": _whole(document["defaulted"]),
        "out_of_range": _whole(document["out_of_range"]),
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
