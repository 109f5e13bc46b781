"""What the renderers need to know beside the fleet: addresses, intervals, files. The composition fills it in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# A quality alert outlives the check that stopped confirming it by this much (seconds).
KEEP_FIRING_MARGIN = 300
# Prometheus forgets a series five minutes after its last sample: two scrapes and a failed one must fit.
LONGEST_DRIFT_SCRAPE_INTERVAL = 120


@dataclass(frozen=True)
class RenderOptions:
    """Intervals are whole seconds. The webhook's token is named by its file: no secret is rendered."""

    plumbline_url: str
    alertmanager_url: str
    prometheus_url: str
    environment: str
    plumbline_target: str
    drift_exporter_target: str
    webhook_token_file: str
    platform_team: str = "platform"
    scrape_interval: int = 15
    drift_scrape_interval: int = 60
    evaluation_interval: int = 30
    reconcile_interval: int = 15
    smtp_smarthost: str = ""
    smtp_from: str = ""
    smtp_username: str = ""
    smtp_password_file: str = ""
    group_wait: int = 30
    group_interval: int = 300
    repeat_interval: int = 14400
    node_exporter_targets: tuple[str, ...] = ()
    # The other servers of an HA pair, with the scheme and path of the first.
    further_prometheus_urls: tuple[str, ...] = ()
    further_alertmanager_urls: tuple[str, ...] = ()
    # Seconds between two drift checks of a model, by its name; `check_interval` for a model not named.
    check_intervals: Mapping[str, int] = field(default_factory=dict)
    check_interval: int = 900

    @property
    def quality_interval(self) -> int:
        """Seconds between two evaluations of a quality alert. Oftener than the exporter is scraped shows nothing."""
        return max(self.evaluation_interval, self.drift_scrape_interval)

    def check_interval_of(self, model_name: str) -> int:
        """Seconds between two drift checks of the model."""
        return self.check_intervals.get(model_name, self.check_interval)
