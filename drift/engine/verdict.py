"""What a check found: a state with its reason, and, where it ran to its end, scores, ratios and their limits."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

OK = "ok"
DRIFTED = "drifted"
INSUFFICIENT_DATA = "insufficient_data"
BASELINE_STALE = "baseline_stale"
BASELINE_MISMATCH = "baseline_mismatch"
SOURCE_FAILED = "source_failed"
STATES = (OK, DRIFTED, INSUFFICIENT_DATA, BASELINE_STALE, BASELINE_MISMATCH, SOURCE_FAILED)
WITH_SCORES = frozenset({OK, DRIFTED})


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share of the window's rows and the most it may be, both 0 to 1."""

    value: float
    limit: float

    @property
    def exceeded(self) -> bool:
        """Whether the share is above its limit."""
        return self.value > self.limit


@dataclass(frozen=True, slots=True)
class Drift:
    """A score and the threshold in force for the sizes of both samples."""

    method: str
    score: float
    threshold: float

    @property
    def drifted(self) -> bool:
        """Whether the score is above the threshold."""
        return self.score > self.threshold


@dataclass(frozen=True, slots=True)
class FeatureVerdict:
    """One feature in the window. `drift` is None where no row has a value; a ratio is None where nobody counted."""

    name: str
    kind: str
    drift: Drift | None
    missing: Ratio | None
    defaulted: Ratio | None
    out_of_range: Ratio | None

    def exceeded(self) -> list[str]:
        """Which of its ratios are above their limits."""
        ratios = {"missing": self.missing, "defaulted": self.defaulted, "out of range": self.out_of_range}
        return [name for name, ratio in ratios.items() if ratio is not None and ratio.exceeded]


@dataclass(frozen=True, slots=True)
class ClassShare:
    """The share of one predicted class among the predictions of the window and of the baseline."""

    name: str
    ratio: float
    baseline: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check. Features, prediction and classes are empty unless the state is ok or drifted."""

    state: str
    reason: str
    rows: int = 0
    features: tuple[FeatureVerdict, ...] = ()
    prediction: Drift | None = None
    score_baseline_median: float | None = None
    classes: tuple[ClassShare, ...] = ()

    def drifted_features(self) -> list[str]:
        """Names of the features that drifted."""
        return [feature.name for feature in self.features if feature.drift and feature.drift.drifted]

    def document(self) -> dict[str, Any]:
        """The JSON-able form, with the flags that readers of the JSON would have to compute."""
        document = asdict(self)
        for feature, plain in zip(self.features, document["features"], strict=True):
            plain["drifted"] = bool(feature.drift and feature.drift.drifted)
            plain["over_limit"] = feature.exceeded()
        return document


def from_document(document: Mapping[str, Any]) -> Verdict:
    """The verdict that `Verdict.document` wrote."""
    return Verdict(
        state=document["state"],
        reason=document["reason"],
        rows=document["rows"],
        features=tuple(_feature(feature) for feature in document["features"]),
        prediction=_drift(document["prediction"]),
        score_baseline_median=document["score_baseline_median"],
        classes=tuple(ClassShare(**share) for share in document["classes"]),
    )


def _feature(document: Mapping[str, Any]) -> FeatureVerdict:
    return FeatureVerdict(
        name=document["name"],
        kind=document["kind"],
        drift=_drift(document["drift"]),
        missing=_ratio(document["missing"]),
        defaulted=_ratio(document["defaulted"]),
        out_of_range=_ratio(document["out_of_range"]),
    )


def _drift(document: Mapping[str, Any] | None) -> Drift | None:
    return Drift(**document) if document else None


def _ratio(document: Mapping[str, Any] | None) -> Ratio | None:
    return Ratio(**document) if document else None
