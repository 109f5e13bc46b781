"""The world changes: an airline is merged away in July."""

import requests

from controlplane.stack.job import HTTP_SECONDS, MODEL, Job

ALERT = "MLDriftCriticalFeatureDetected"
FEATURE = "airline"
TEAM = "applied-ml"


def airline_drifts(job: Job) -> str:
    """The check flags airline, the exporter shows it, the alert fires and reaches the applied-ML team."""
    labels = f'model_name="{MODEL}",model_version="v1",feature_name="{FEATURE}"'
    job.until("the check flags airline", lambda: job.query(f"ml_data_drift_detected{{{labels}}} == 1"), 200)
    score = job.query(f"ml_data_drift_score{{{labels}}}")[0][1]
    exported = requests.get(f"{job.system.addresses.exporter}/metrics", timeout=HTTP_SECONDS).text
    shown = [line for line in exported.splitlines() if line.startswith("ml_data_drift_detected") and FEATURE in line]
    fired = job.until(f"{ALERT} fires", lambda: job.firing(ALERT, model_name=MODEL, feature_name=FEATURE), 60)[0]
    receivers = job.until(f"{ALERT} is routed to {TEAM}", lambda: _routed(job), 60)
    return (
        f"PSI {score:.2f}, {len(shown)} series at the exporter, team {fired['labels']['team']}, {', '.join(receivers)}"
    )


def _routed(job: Job) -> list[str] | None:
    for alert in job.alertmanager("alerts"):
        if alert["labels"]["alertname"] == ALERT and alert["labels"].get("feature_name") == FEATURE:
            receivers = [receiver["name"] for receiver in alert["receivers"]]
            return receivers if any(TEAM in name for name in receivers) else None
    return None
