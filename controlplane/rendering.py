"""From the database to a bundle: every renderer called with the fleet, the policies and the settings."""

from dataclasses import replace

from django.conf import settings

from alerts.catalogue import KINDS
from alerts.http import without_password
from alerts.kubernetes.objects import render_kubernetes
from alerts.options import RenderOptions
from alerts.policies import Policies, load_policies
from alerts.routing import render_alertmanager
from alerts.rules import render_rules
from alerts.scraping import render_prometheus
from controlplane.bundle import ALERTMANAGER_CONFIG, PROMETHEUS_CONFIG, Bundle
from dashboards.options import DashboardOptions, ThresholdLine
from dashboards.rendering import render_dashboards
from drift.models import DriftCheck
from models_registry.fleet import Fleet, load_fleet


def render_bundle() -> Bundle:
    """The bundle for the present database: a fixed number of queries, however many models there are."""
    fleet, policies, options = load_fleet(), load_policies(), render_options()
    rules, prometheus = render_rules(fleet, policies, options), render_prometheus(options)
    namespace = settings.KUBERNETES_NAMESPACE
    return Bundle(
        rules
        | {PROMETHEUS_CONFIG: prometheus, ALERTMANAGER_CONFIG: render_alertmanager(fleet, options, policies)}
        | render_dashboards(fleet, _dashboard_options(), limits_to_draw(fleet, policies))
        | (render_kubernetes(namespace, rules, prometheus, fleet, options, policies) if namespace else {})
    )


def render_options() -> RenderOptions:
    """What the alerts' renderers need to know beside the fleet: the settings, and how often drift is checked."""
    return RenderOptions(
        plumbline_url=settings.PLUMBLINE_URL,
        # We may need a password to ask them; a bundle holds none.
        alertmanager_url=without_password(settings.ALERTMANAGER_URL),
        prometheus_url=without_password(settings.PROMETHEUS_URL),
        further_alertmanager_urls=tuple(map(without_password, settings.FURTHER_ALERTMANAGER_URLS)),
        further_prometheus_urls=tuple(map(without_password, settings.FURTHER_PROMETHEUS_URLS)),
        environment=settings.ENVIRONMENT_LABEL,
        plumbline_target=settings.PLUMBLINE_TARGET,
        drift_exporter_target=settings.DRIFT_EXPORTER_TARGET,
        node_exporter_targets=tuple(settings.NODE_EXPORTER_TARGETS),
        webhook_token_file=str(settings.WEBHOOK_TOKEN_FILE),
        platform_team=settings.PLATFORM_TEAM,
        smtp_smarthost=settings.SMTP_SMARTHOST,
        smtp_from=settings.SMTP_FROM,
        smtp_username=settings.SMTP_USERNAME,
        smtp_password_file=settings.SMTP_PASSWORD_FILE,
        scrape_interval=settings.SCRAPE_INTERVAL_SECONDS,
        drift_scrape_interval=settings.DRIFT_SCRAPE_INTERVAL_SECONDS,
        evaluation_interval=settings.EVALUATION_INTERVAL_SECONDS,
        reconcile_interval=settings.RECONCILE_INTERVAL_SECONDS,
        group_wait=settings.ROUTE_GROUP_WAIT_SECONDS,
        group_interval=settings.ROUTE_GROUP_INTERVAL_SECONDS,
        repeat_interval=settings.ROUTE_REPEAT_INTERVAL_SECONDS,
        check_intervals=dict(DriftCheck.objects.values_list("model__name", "interval_seconds")),
    )


def _dashboard_options() -> DashboardOptions:
    options = DashboardOptions.from_settings(settings)
    return replace(
        options,
        prometheus_url=without_password(options.prometheus_url),
        alertmanager_url=without_password(options.alertmanager_url),
    )


def limits_to_draw(fleet: Fleet, policies: Policies) -> dict[str, ThresholdLine]:
    """For the dashboards: of each alert about models its first limit, the one that it is named after."""
    lines = {}
    for kind in KINDS.values():
        if kind.on_models and kind.parameters:
            name = kind.parameters[0].name
            own = {m.name: policies.limits(kind, m).thresholds[name] for m in fleet.models if kind.concerns(m)}
            lines[kind.name] = ThresholdLine(policies.limits(kind).thresholds[name], own)
    return lines
