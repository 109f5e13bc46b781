"""Backtests of a registered model, for the page and the API alike: the same limits, the same bounds."""

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
TIMEOUT = 5.0


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
    """The edited limits and those in force. Unreachable, Refused (alerts.http), NotComparable (alerts.backtests)."""
    present = in_force(kind, model)
    return backtest(
        Prometheus(settings.PROMETHEUS_URL, timeout=TIMEOUT),
        kind,
        model,
        present,
        edit(present, thresholds, for_),
        render_options(),
        days=days,
        now=time.time(),
        with_chart=with_chart,
    )
