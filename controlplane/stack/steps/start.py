"""The system comes up: services, the demo's registry, traffic."""

from datetime import date
from functools import partial

import requests

from controlplane.stack.job import HTTP_SECONDS, MODEL, Job, StepFailed

# June's flights, over and over: what the baseline is of.
BEFORE_DRIFT = (date(2015, 6, 1), date(2015, 7, 1))
AFTER_DRIFT = (date(2015, 7, 1), date(2016, 1, 1))
RATE = 60.0  # requests a second
SHARE_REQUESTS = 2_000
SHARE_TOLERANCE = 0.03


def services_healthy(job: Job) -> str:
    """Every server answers, and the loop has run through the worker."""
    job.system.traffic.play(*BEFORE_DRIFT, rate=RATE, loop=True)
    at = job.system.addresses
    ready = {
        "web": f"{at.web}/healthz",
        "Prometheus": f"{at.prometheus}/-/ready",
        "Alertmanager": f"{at.alertmanager}/-/ready",
        "quality exporter": f"{at.exporter}/metrics",
        "serving": f"{at.serving}/readyz",
    }
    for name, url in ready.items():
        job.until(f"{name} at {url} is ready", partial(_answers, url), 30)
    job.until("the loop ran", lambda: job.query("plumbline_reconcile_last_run_timestamp_seconds > 0"), 40)
    job.until("every target is up", lambda: _all_up(job), 30)
    return f"{', '.join(ready)}, Redis, worker and beat"


def _answers(url: str) -> bool:
    return requests.get(url, timeout=HTTP_SECONDS).ok


def _all_up(job: Job) -> bool:
    targets = job.prometheus("targets", state="active")["activeTargets"]
    jobs = {target["labels"]["job"] for target in targets if target["health"] == "up"}
    return {"model-inference", "drift-exporter", "plumbline", "prometheus", "alertmanager"} <= jobs and all(
        target["health"] == "up" for target in targets
    )


def first_drift_check(job: Job) -> str:
    """The registry holds the demo, and a check of the live version ran to its end."""
    model = job.api("GET", f"models/{MODEL}/")
    states = {v["version"]: v["state"] for v in job.listed(f"models/{MODEL}/versions/")}
    if states != {"v1": "live", "v2": "canary"}:
        raise StepFailed(f"{MODEL} should have v1 live and v2 canary, it has {states}.")
    state = job.until("the drift check of v1 ran to its end", lambda: _state(job, ("ok", "drifted")), 120)
    if state != "ok":
        raise StepFailed(f"The first drift check, on June's flights, should be ok; it is {state}.")
    return f"{model['name']} with {len(states)} versions, check state {state}"


def _state(job: Job, states: tuple[str, ...]) -> str | None:
    series = job.query(f'ml_drift_check_state{{model_name="{MODEL}",model_version="v1"}} == 1')
    found = {labels["state"] for labels, _ in series} & set(states)
    return found.pop() if found else None


def registered_share(job: Job) -> str:
    """The canary's share of 2,000 requests is what the registry says, within three points."""
    traffic = job.api("GET", f"models/{MODEL}/")["traffic"]
    wanted = traffic["canary_percent"] / 100
    before = job.serving_counts()

    def counted() -> dict[str, float] | None:
        now = job.serving_counts()
        answered = {version: now[version] - before.get(version, 0.0) for version in now}
        return answered if sum(answered.values()) >= SHARE_REQUESTS else None

    answered = job.until(f"{SHARE_REQUESTS} requests answered", counted, 90)
    total = sum(answered.values())
    share = answered.get("v2", 0.0) / total
    if abs(share - wanted) > SHARE_TOLERANCE:
        raise StepFailed(f"The canary got {share:.1%} of {total:.0f} requests, registered are {wanted:.0%}.")
    return f"canary {share:.1%} of {total:.0f}, registered {wanted:.0%}"
