"""The catalogue's alerts by name, in its order."""

from alerts.kind import AlertKind
from alerts.kinds import (
    annotations_stuck,
    canary_worse,
    critical_drift,
    drift_check_stale,
    error_budget_burn,
    exporter_down,
    feature_missing,
    high_error_rate,
    high_latency,
    plumbline_down,
    prediction_shift,
    reconcile_stuck,
    release_failing,
    rule_evaluation_failing,
    serving_down,
    watchdog,
)

KINDS: dict[str, AlertKind] = {
    module.KIND.name: module.KIND
    for module in (
        high_latency,
        high_error_rate,
        error_budget_burn,
        serving_down,
        canary_worse,
        critical_drift,
        feature_missing,
        prediction_shift,
        drift_check_stale,
        release_failing,
        plumbline_down,
        reconcile_stuck,
        annotations_stuck,
        rule_evaluation_failing,
        exporter_down,
        watchdog,
    )
}
