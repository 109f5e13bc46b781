"""Business proxies as other code sees them: frozen values, read with a fixed number of queries, judged without any.

What can't be told as fresh isn't told at all, and the reason is: an old number must not look like today's.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drift.engine.verdict import Verdict
from drift.models import BusinessProxy
from models_registry.models import MLModel
from telemetry import promql


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was pushed last of one version."""

    value: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Proxy:
    """A model's proxy. `pushed` maps a version to its newest value; without a `predicted_class` that is its value."""

    name: str
    predicted_class: str
    lower: float | None
    upper: float | None
    max_age_seconds: int
    pushed: Mapping[str, Pushed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProxyReading:
    """A proxy of one version, as of one moment. Without a `value`, `unknown` says why."""

    name: str
    predicted_class: str
    lower: float | None
    upper: float | None
    value: float | None
    unknown: str = ""
    at: datetime | None = None  # when a pushed value was true

    @property
    def outside(self) -> bool:
        """Whether it is out of its band, as MLBusinessProxyOutOfBand sees it."""
        if self.value is None:
            return False
        above = self.upper is not None and self.value > self.upper
        return above or (self.lower is not None and self.value < self.lower)

    @property
    def band(self) -> str:
        """The band in words."""
        return band_text(self.lower, self.upper)


def band_text(lower: float | None, upper: float | None) -> str:
    """`0.6 to 0.8`; a band with one side is `0.6 and more` or `up to 0.8`."""
    if lower is None or upper is None:
        return f"up to {upper:.10g}" if upper is not None else f"{lower:.10g} and more"
    return f"{lower:.10g} to {upper:.10g}"


def load_proxies(model: MLModel | None = None) -> dict[str, tuple[Proxy, ...]]:
    """The proxies by model, of all models or of one, sorted by name; three queries."""
    rows = BusinessProxy.objects.select_related("model").prefetch_related("pushed_values__version")
    found = defaultdict(list)
    for row in rows if model is None else rows.filter(model=model):
        found[row.model.name].append(_as_proxy(row))
    return {name: tuple(sorted(proxies, key=lambda proxy: proxy.name)) for name, proxies in found.items()}


def read_proxy(
    proxy: Proxy, version: str, verdict: Verdict | None, classes: tuple[str, ...], now: datetime
) -> ProxyReading:
    """The proxy of one version. `verdict` is None where the drift check has no scores to tell; `classes` are those
    that the model has now."""
    pushed = None if proxy.predicted_class else proxy.pushed.get(version)
    told = _share(proxy, verdict, classes) if proxy.predicted_class else _pushed(proxy, pushed, now)
    value, unknown = (None, told) if isinstance(told, str) else (told, "")
    return ProxyReading(
        proxy.name, proxy.predicted_class, proxy.lower, proxy.upper, value, unknown, pushed.at if pushed else None
    )


def _pushed(proxy: Proxy, newest: Pushed | None, now: datetime) -> float | str:
    """The value, or why there is none."""
    if newest is None:
        return "Nothing was pushed for this version yet."
    if now > newest.at + timedelta(seconds=proxy.max_age_seconds):
        return f"What was pushed last is older than {promql.duration(proxy.max_age_seconds)}."
    return newest.value


def _share(proxy: Proxy, verdict: Verdict | None, classes: tuple[str, ...]) -> float | str:
    """The value, or why there is none. The check counts the classes that the version's baseline knows."""
    if proxy.predicted_class not in classes:
        return f"{proxy.predicted_class!r} is no class of the model any more."
    if verdict is None:
        return "The drift check has no scores to tell."
    counted = {share.name: share.ratio for share in verdict.classes}
    if proxy.predicted_class not in counted:
        return f"The version's baseline has no predictions of {proxy.predicted_class!r}, so nobody counts them."
    return counted[proxy.predicted_class]


def _as_proxy(row: BusinessProxy) -> Proxy:
    pushed = {each.version.version: Pushed(each.value, each.at) for each in row.pushed_values.all()}
    return Proxy(row.name, row.predicted_class, row.lower, row.upper, row.max_age_seconds, pushed)
