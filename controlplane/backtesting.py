"""Backtests of a registered model, for the page and the API alike: the same limits, the same bounds."""

import threading
import time
from collections.abc import Mapping, Sequence

from django.conf import settings

from alerts.annotations import readable
from alerts.backtest.terms import Edits, Terms, edit, why_not
from alerts.backtest.trial import Backtest, backtest
from alerts.catalogue import KINDS
from alerts.kind import AlertKind
from alerts.objectives import TARGET, ObjectiveRow
from alerts.policies import Policies
from alerts.policy_fields import check_policy
from alerts.prometheus import Prometheus
from controlplane.rendering import render_options
from models_registry.fleet import FleetModel

# Seconds for one query; all of them together have alerts.backtest.recorded_past.DEADLINE.
TIMEOUT = 4.0
# At once, in this process: a slow Prometheus must not hold every thread of the web server, nor be asked by all of them.
AT_ONCE = 2
PATIENCE = 3.0  # seconds
_slots = threading.BoundedSemaphore(AT_ONCE)


class Busy(RuntimeError):
    """Others are looking back; it is worth trying again."""


def candidates(model: FleetModel, objectives: Sequence[ObjectiveRow]) -> list[AlertKind]:
    """The alerts about `model` that can be backtested."""
    return [kind for kind in KINDS.values() if not why_not(kind, model, objectives)]


def in_force(kind: AlertKind, model: FleetModel, policies: Policies) -> Terms:
    """What holds for the model now."""
    own = tuple(objective for objective in policies.objectives if objective.model == model.name)
    return Terms(policies.limits(kind, model), own if kind.variants is not None else ())


def errors_in(kind: AlertKind, model: FleetModel, present: Terms, edits: Edits) -> dict[str, str]:
    """What would be refused if it was saved: field -> error."""
    found = check_policy(
        kind.name,
        scoped=True,
        thresholds=edits.thresholds,
        window_seconds=edits.window,
        for_seconds=edits.for_,
        scrape_interval=settings.SCRAPE_INTERVAL_SECONDS,
    )
    found |= {
        "targets": _targets_error(present, edits.targets),
        "feature_limits": _features_error(kind, model, edits.feature_limits),
    }
    return {field: error for field, error in found.items() if error}


def _targets_error(present: Terms, targets: Mapping[str, float]) -> str:
    known = [objective.name for objective in present.objectives]
    for name, target in targets.items():
        if name not in known:
            return f"There is no objective {name!r} here. Those that there are: {', '.join(known) or 'none'}."
        if not TARGET[0] <= target <= TARGET[1]:
            return f"The target of {name} is from {TARGET[0]} to {TARGET[1]}, not {target:g}: 99.9 % is 0.999."
    return ""


def _features_error(kind: AlertKind, model: FleetModel, limits: Mapping[str, float]) -> str:
    own = kind.feature_limit
    if limits and own is None:
        return f"{kind.name} has no limits of single features."
    for name, value in limits.items():
        if all(feature.name != name for feature in model.features):
            return f"{model.name} has no feature {name!r}."
        if own is not None and not own.minimum <= value <= (own.maximum or value):
            highest = readable(own.maximum or 0, own.unit)
            return f"The {own.name} of {name} is from {own.minimum:g} to {highest}, not {value:g}."
    return ""


def run(
    kind: AlertKind, model: FleetModel, present: Terms, edits: Edits, *, days: int, with_chart: bool = False
) -> Backtest:
    """The edited terms and those in force. Busy; Unreachable, Refused (alerts.http); NotComparable."""
    options = render_options()
    if not _slots.acquire(timeout=PATIENCE):
        raise Busy(f"{AT_ONCE} backtests are running already: try again in some seconds.")
    try:
        return backtest(
            Prometheus(settings.PROMETHEUS_URL, timeout=TIMEOUT),
            kind,
            model,
            present,
            edit(present, edits),
            options,
            days=days,
            now=time.time(),
            with_chart=with_chart,
        )
    finally:
        _slots.release()
