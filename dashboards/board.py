"""What a row needs to know of the dashboard it stands on: whose series it shows, and how they are grouped."""

from collections import defaultdict
from dataclasses import dataclass

from grafana_foundation_sdk.models.dashboard import DataSourceRef

from dashboards.options import DashboardOptions, Thresholds
from dashboards.panels import HEIGHT, THIRD, Frame, Query
from telemetry import names, promql

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
# Grafana's variables. Models are one at a time; versions and routes several, interpolated as a regular expression.
_MODEL = promql.equals(names.MODEL, "$model")
_VERSION = f'{names.VERSION}=~"$version"'
_ROUTE = f'{names.ROUTE}=~"$route"'


@dataclass(frozen=True)
class Board:
    """A dashboard of all models, or, with `one_model`, of the one that its variables choose."""

    options: DashboardOptions
    thresholds: Thresholds
    one_model: bool

    def model(self, metric: str, *matchers: str) -> str:
        """Series that have a model."""
        return promql.selector(metric, *((_MODEL,) if self.one_model else ()), *matchers)

    def version(self, metric: str, *matchers: str) -> str:
        """Series that have a model and a version."""
        return self.model(metric, *((_VERSION,) if self.one_model else ()), *matchers)

    def route(self, metric: str, *matchers: str) -> str:
        """Series that have a model, a version and a route."""
        return self.version(metric, *((_ROUTE,) if self.one_model else ()), *matchers)

    def by(self, *labels: str) -> str:
        """`by (model_name, ...)`: on a dashboard of all models each keeps its own series."""
        return f"by ({', '.join((names.MODEL, *labels))})"

    def legend(self, text: str) -> str:
        """`text`, after the model's name where there are several."""
        return text if self.one_model else f"{{{{{names.MODEL}}}}} {text}".strip()

    def health_frame(
        self, title: str, description: str, unit: str, *, width: int = THIRD, height: int = HEIGHT
    ) -> Frame:
        """Of a panel that shows what serving reports, or what is recorded from it."""
        interval = max(self.options.scrape_interval, self.options.evaluation_interval)
        return Frame(title, description, unit, SOURCE, interval, width, height)

    def quality_frame(
        self, title: str, description: str, unit: str, *, width: int = THIRD, height: int = HEIGHT
    ) -> Frame:
        """Of a panel that shows what the quality exporter reports."""
        return Frame(title, description, unit, SOURCE, self.options.drift_scrape_interval, width, height)

    def limit(self, alert: str) -> float | None:
        """The line across a panel of all models: the limit that `alert` has for those without one of their own."""
        line = self.thresholds.get(alert)
        return None if line is None or self.one_model else line.default

    def limit_queries(self, alert: str) -> list[Query]:
        """The chosen model's own limit of `alert`, as a series: a line across the panel can't follow a variable."""
        line = self.thresholds.get(alert)
        if line is None or not self.one_model:
            return []
        by_value: dict[float, list[str]] = defaultdict(list)
        for model, value in line.models.items():
            if value != line.default:
                by_value[value].append(model)
        parts = [self._registered(value, models) for value, models in sorted(by_value.items())]
        return [Query(" or ".join([*parts, self._registered(line.default, [])]), "limit", limit=True)]

    def _registered(self, value: float, models: list[str]) -> str:
        matchers = [promql.one_of(names.MODEL, models)] if models else []
        return f"max {self.by()} ({self.model(names.MODEL_REGISTERED, *matchers)}) * {value!r}"
