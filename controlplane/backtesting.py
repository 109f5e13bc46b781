"""Backtests of a registered model, for the page and the API alike: the same limits, the same bounds."""

import threading
import time
from collections.abc import Mapping

from django.conf import settings

from alerts.backtests import Backtest, backtest, edit
from alerts.catalogue import KINDS
from alerts.kind import AlertKind
from alerts.policies import Limits, load_policies
from alerts.policy_fields import check_policy
from alerts.prometheus import Prometheus
from controlplane.rendering import render_options
from models_registry.fleet import FleetModel

# Seconds for one query; all of them together have alerts.recorded_past.DEADLINE.
TIMEOUT = 4.0
# At once, in this process: a slow Prometheus must not hold every thread of the web server, nor be asked by all of them.
AT_ONCE = 2
PATIENCE = 3.0  # seconds
_slots = threading.BoundedSemaphore(AT_ONCE)


class Busy(RuntimeError):
    """Others are looking back; it is worth trying again."""


def candidates(model: FleetModel) -> list[AlertKind]:
    """The alerts about `model` that can be backtested."""
    return [kind for kind in KINDS.values() if kind.comparison is not None and kind.concerns(model)]


def in_force(kind: AlertKind, model: FleetModel) -> Limits:
    """What holds for the model now."""
    return load_policies().limits(kind, model)


def errors_in(kind: AlertKind, thresholds: Mapping[str, float], for_: int | None) -> dict[str, str]:
    """What a policy with these limits would be refused for: field -> error."""
    return check_policy(kind.name, scoped=True, thresholds=thresholds, window_seconds=None, for_seconds=for_)


def run(
    kind: AlertKind,
    model: FleetModel,
    thresholds: Mapping[str, float],
    for_: int | None,
    *,
    days: int,
    with_chart: bool = False,
) -> Backtest:
    """The edited limits and those in force. Busy; Unreachable, Refused (alerts.http); NotComparable."""
    present, options = in_force(kind, model), render_options()
    if not _slots.acquire(timeout=PATIENCE):
        raise Busy(f"{AT_ONCE} backtests are running already: try again in some seconds.")
    try:
        return backtest(
            Prometheus(settings.PROMETHEUS_URL, timeout=TIMEOUT),
            kind,
            model,
            present,
            edit(present, thresholds, for_),
            options,
            days=days,
            now=time.time(),
            with_chart=with_chart,
        )
    finally:
        _slots.release()
