"""Scrape targets: one file a job, no part of a release. Prometheus sees a replaced file within seconds, by itself."""

from django.conf import settings

from alerts.scraping import render_targets
from controlplane.rendering import render_options
from controlplane.target_files import write_targets
from models_registry.fleet import load_fleet


def sync_targets() -> int:
    """Bring the target files up to the heartbeats; how many were written or deleted."""
    return write_targets(settings.TARGETS_DIR, render_targets(load_fleet(), render_options()))
