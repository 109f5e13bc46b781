"""Bad edits: what promtool refuses, and what only a running Prometheus can tell."""

from dataclasses import dataclass
from typing import Any

from controlplane.stack.job import MODEL, Job, StepFailed
from controlplane.stack.steps.drift import ALERT as DRIFT_ALERT
from controlplane.stack.steps.release import loaded_rules

OUTCOMES = ("refused", "rolled_back")
RUNBOOK = "## Meaning\nA test.\n\n## Impact\nNone.\n\n## Diagnosis\nLook.\n\n## Mitigation\nDelete it."


@dataclass(frozen=True, slots=True)
class BadAlert:
    """A custom alert that must not get through; `reason` is a part of what the release must say."""

    name: str
    expression: str
    fires_when: dict[str, str]
    silent_when: dict[str, str]
    reason: str

    def document(self) -> dict[str, Any]:
        """As the API takes it."""
        return {
            "model": MODEL,
            "name": self.name,
            "expression": self.expression,
            "for_seconds": 60,
            "description": "Made by script/up --check, to be refused.",
            "runbook": RUNBOOK,
            "fires_case": {"series": self.fires_when, "at": "10m"},
            "silent_case": {"series": self.silent_when, "at": "10m"},
        }


REQUESTS = f'ml_inference_requests_total{{model_name="{MODEL}",model_version="v1",route="predict",status="success"}}'
IN_FLIGHT = f'ml_inference_in_flight{{model_name="{MODEL}"}}'
# promtool: the case that should fire doesn't.
UNPROVEN = BadAlert(
    "DemoUnproven",
    f'sum by (model_name) (rate(ml_inference_requests_total{{model_name="{MODEL}"}}[5m])) > 1000000',
    {REQUESTS: "0+60x20"},
    {REQUESTS: "0x20"},
    "DemoUnproven",
)
# Right for one series on each side, as in its cases; with the two versions' series it is many-to-many.
MANY_TO_MANY = BadAlert(
    "DemoManyToMany",
    "ml_inference_requests_total * on (model_name) ml_inference_latency_seconds_count > 0",
    {REQUESTS: "1x20", f'ml_inference_latency_seconds_count{{model_name="{MODEL}"}}': "1x20"},
    {REQUESTS: "0x20", f'ml_inference_latency_seconds_count{{model_name="{MODEL}"}}': "1x20"},
    "many-to-many",
)


def bad_custom_alerts(job: Job) -> str:
    """Both are refused with their reason; the rules that ran run on, and what fired fires since the same moment."""
    rules = set(loaded_rules(job))
    firing = _active_since(job)
    if not firing:
        raise StepFailed("Nothing fires that a bad release could have reset.")
    said = [_refused(job, alert) for alert in (UNPROVEN, MANY_TO_MANY)]
    if set(loaded_rules(job)) != rules:
        raise StepFailed("The rules that Prometheus runs have changed.")
    after = _active_since(job)
    lost = {alert for alert in firing if after.get(alert) != firing[alert]}
    if lost:
        raise StepFailed(f"Alerts that fired were reset: {sorted(lost)}")
    return f"{'; '.join(said)}; {len(rules)} rules and {len(firing)} firing alerts untouched"


def _active_since(job: Job) -> dict[str, str]:
    """Each firing alert on the demo's drift, with the moment since when it is active."""
    return {str(sorted(a["labels"].items())): a["activeAt"] for a in job.firing(DRIFT_ALERT, model_name=MODEL)}


def _refused(job: Job, alert: BadAlert) -> str:
    newest = job.listed("releases/")[0]["id"]
    job.api("POST", "custom-alerts/", expect=201, **alert.document())
    release = job.until(f"the release with {alert.name} is refused", lambda: _outcome(job, newest), 60)
    job.api("DELETE", f"custom-alerts/{alert.name}/", expect=204)
    if alert.reason not in release["reason"]:
        raise StepFailed(f"The release with {alert.name} should say {alert.reason!r}, it says: {release['reason']}")
    job.until("a release is fine again", lambda: job.query("plumbline_release_failing == 0"), 60)
    return f"{alert.name} {release['outcome']}"


def _outcome(job: Job, newest: int) -> dict[str, Any] | None:
    later = [row for row in job.listed("releases/") if row["id"] > newest]
    bad = [row for row in later if row["outcome"] in OUTCOMES]
    if bad:
        row: dict[str, Any] = job.api("GET", f"releases/{bad[0]['id']}/")
        return row
    published = [row for row in later if row["outcome"] == "published"]
    if published:
        raise StepFailed(f"A release was published that should have been refused: {published[0]['hash'][:12]}")
    return None
