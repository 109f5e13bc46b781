"""What the dashboards need to know that is not in the registry: addresses, intervals, limits to draw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

# Where Grafana may find the bundle: the `current` link, so that a publish reaches it by itself.
DASHBOARDS_FOLDER = Path("grafana", "dashboards")


@dataclass(frozen=True, slots=True)
class ThresholdLine:
    """The limit of one alert: `default` for every model, and what other models have instead."""

    default: float
    models: Mapping[str, float] = field(default_factory=dict)


# Limits by the name of the alert that enforces them; what is missing is not drawn.
Thresholds = Mapping[str, ThresholdLine]


@dataclass(frozen=True, slots=True)
class DashboardOptions:
    """Intervals are in seconds. `grafana_api`: whether deploys arrive in Grafana as annotations."""

    plumbline_url: str
    prometheus_url: str
    alertmanager_url: str
    dashboards_path: str
    grafana_api: bool = False
    scrape_interval: int = 15
    drift_scrape_interval: int = 60
    evaluation_interval: int = 30

    @classmethod
    def from_settings(cls, settings: Any) -> Self:
        """From Django's settings."""
        return cls(
            plumbline_url=settings.PLUMBLINE_URL,
            prometheus_url=settings.PROMETHEUS_URL,
            alertmanager_url=settings.ALERTMANAGER_URL,
            dashboards_path=str(settings.CURRENT_LINK / DASHBOARDS_FOLDER),
            grafana_api=bool(settings.GRAFANA_URL and settings.GRAFANA_TOKEN),
            scrape_interval=settings.SCRAPE_INTERVAL_SECONDS,
            drift_scrape_interval=settings.DRIFT_SCRAPE_INTERVAL_SECONDS,
            evaluation_interval=settings.EVALUATION_INTERVAL_SECONDS,
        )
