"""What Prometheus answered, joined with what is registered: a row per version, route and feature. Pure."""

from dataclasses import dataclass

from alerts.live.asking import Answers
from models_registry.fleet import FleetModel


@dataclass(frozen=True, slots=True)
class Limits:
    """Above which a number is marked; ratios 0 to 1, seconds. The alert's own policy decides what fires."""

    errors: float = 0.03
    p95: float = 0.35
    invalid: float = 0.05
    score_shift: float = 0.20
    window: int = 300  # seconds that a rate looks back


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version with traffic, desired or real. None: not known."""

    version: str
    role: str
    desired: float | None
    applied: float | None
    observed: float | None
    rps: float | None
    errors: float | None
    p95: float | None
    score: float | None
    replicas: float | None
    replicas_disagree: bool
    registered: bool
    errors_over: bool
    p95_over: bool

    @property
    def over(self) -> bool:
        return self.errors_over or self.p95_over

    @property
    def as_desired(self) -> bool:
        """Whether all replicas apply what is desired; one that has no series of an empty version does."""
        if self.replicas_disagree:
            return False
        if self.applied is None:
            return not self.desired and self.role != "live"
        return self.desired is not None and abs(self.applied - self.desired) < 0.005

    @property
    def serves(self) -> bool:
        """Whether it answered requests in the window."""
        return bool(self.rps)


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route of a version that got requests."""

    version: str
    route: str
    rps: float
    errors: float | None
    p95: float | None
    over: bool


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """A feature that the last check saw, with its limits."""

    version: str
    feature: str
    team: str
    critical: bool
    score: float | None
    threshold: float | None
    drifted: bool
    missing: float | None
    missing_limit: float | None
    missing_before: float | None

    @property
    def missing_over(self) -> bool:
        return self.missing is not None and self.missing_limit is not None and self.missing > self.missing_limit

    @property
    def gone_missing(self) -> bool:
        """Whether it has gone missing within the last hour: over its limit, or five points more than then."""
        rise = None if self.missing is None or self.missing_before is None else self.missing - self.missing_before
        return self.missing_over or (rise is not None and rise > 0.05)


def version_rows(answers: Answers, model: FleetModel, limits: Limits, also: str = "") -> list[VersionRow]:
    """Every version with a role, a request or an applied weight, and `also`; by role: live, canary, shadow, none."""
    weights = {version: (role, share) for (version, role), share in model.weights().items()}
    applied = _applied(answers, "applied")
    rps = answers.by("rps_by_version", "model_version") or {}
    named = set(weights) | {v for v, number in rps.items() if number > 0} | {v for v, share in applied.items() if share}
    if model.version(also) is not None:
        named.add(also)
    rows = [_version_row(answers, model, limits, version, weights) for version in named]
    order = {"live": 0, "canary": 1, "shadow": 2}
    return sorted(rows, key=lambda row: (order.get(row.role, 3), row.version))


def _applied(answers: Answers, question: str) -> dict[str, float]:
    """Shares that replicas applied; a shadow's is no share of the answers."""
    found = answers.by(question, "model_version", "role") or {}
    shares: dict[str, float] = {}
    for (version, role), share in found.items():
        if role != "shadow":
            shares[version] = max(shares.get(version, 0.0), share)
    return shares


def _version_row(
    answers: Answers, model: FleetModel, limits: Limits, version: str, weights: dict[str, tuple[str, float]]
) -> VersionRow:
    def number(question: str) -> float | None:
        return (answers.by(question, "model_version") or {}).get(version)

    rps = answers.by("rps_by_version", "model_version")
    total = sum(rps.values()) if rps else 0.0
    role, desired = weights.get(version, ("", 0.0))
    most, least = (_applied(answers, question).get(version) for question in ("applied", "applied_least"))
    errors, p95 = number("errors_by_version"), number("p95_by_version")
    return VersionRow(
        version=version,
        role=role,
        desired=desired,
        applied=most,
        observed=rps.get(version, 0.0) / total if rps and total else None,
        rps=rps.get(version, 0.0) if rps is not None else None,
        errors=errors,
        p95=p95,
        score=number("score"),
        replicas=number("replicas"),
        replicas_disagree=most is not None and least is not None and most != least,
        registered=model.version(version) is not None,
        errors_over=errors is not None and errors > limits.errors,
        p95_over=p95 is not None and p95 > limits.p95,
    )


def route_rows(answers: Answers, limits: Limits, version: str = "") -> list[RouteRow]:
    """Every route with requests, of one version or of all."""
    keys = ("model_version", "route")
    errors, p95 = answers.by("errors_by_route", *keys) or {}, answers.by("p95_by_route", *keys) or {}
    rows = []
    for (of_version, route), rps in sorted((answers.by("rps_by_route", *keys) or {}).items()):
        if rps > 0 and version in ("", of_version):
            key = (of_version, route)
            over = (errors.get(key) or 0) > limits.errors or (p95.get(key) or 0) > limits.p95
            rows.append(RouteRow(of_version, route, rps, errors.get(key), p95.get(key), over))
    return rows


def feature_rows(answers: Answers, model: FleetModel, version: str = "") -> list[FeatureRow]:
    """Every feature that a check exported, of one version or of all; drifting and missing ones first."""
    keys = ("model_version", "feature_name")
    scores = _over_methods(answers, "drift_score")
    thresholds = _over_methods(answers, "drift_threshold")
    drifted, missing = answers.by("drifted", *keys) or {}, answers.by("missing", *keys) or {}
    limits, before = answers.by("missing_limit", *keys) or {}, answers.by("missing_before", *keys) or {}
    registered = {feature.name: feature for feature in model.features}
    rows = []
    for key in set(scores) | set(missing) | set(drifted):
        of_version, name = key
        if version not in ("", of_version):
            continue
        feature = registered.get(name)
        rows.append(
            FeatureRow(
                version=of_version,
                feature=name,
                team=feature.team if feature else "",
                critical=bool(feature and feature.critical),
                score=scores.get(key),
                threshold=thresholds.get(key),
                drifted=key in drifted,
                missing=missing.get(key),
                missing_limit=limits.get(key),
                missing_before=before.get(key),
            )
        )
    return sorted(rows, key=lambda r: (not r.drifted, not r.gone_missing, -(r.score or 0), r.feature, r.version))


def _over_methods(answers: Answers, question: str) -> dict[tuple[str, str], float]:
    """The first method's number, by (version, feature): checks use one method per feature."""
    found = answers.by(question, "model_version", "feature_name", "method") or {}
    numbers: dict[tuple[str, str], float] = {}
    for (version, feature, _method), number in sorted(found.items()):
        numbers.setdefault((version, feature), number)
    return numbers
