"""What is rendered runs: rules in Prometheus, routes in Alertmanager, recorded series with values."""

from typing import Any

import yaml

from controlplane.stack.job import MODEL, Job, StepFailed

GUIDE_RECORDING_RULES = (
    "job:ml_inference_rps:rate5m",
    "job:ml_inference_error_rate:ratio5m",
    "job:ml_inference_latency_p95_seconds:5m",
    "job:ml_prediction_score_p50:30m",
    "job:ml_drift_features_triggered:current",
)
Rule = tuple[str, str]  # group, rule


def rendered_rules(job: Job) -> set[Rule]:
    """(group, rule) of every rule file of the current release."""
    folder = job.system.home / "current" / "prometheus" / "rules"
    documents = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in folder.rglob("*.yml")]
    return {
        (group["name"], rule.get("alert") or rule["record"])
        for document in documents
        for group in document["groups"]
        for rule in group["rules"]
    }


def loaded_rules(job: Job) -> dict[Rule, dict[str, Any]]:
    """(group, rule) -> Prometheus' own account of it."""
    groups = job.prometheus("rules")["groups"]
    return {(group["name"], rule["name"]): rule for group in groups for rule in group["rules"]}


def published_and_evaluated(job: Job) -> str:
    """The newest release is published, and Prometheus has evaluated each of its rules without an error."""
    release = job.until("a release was published", lambda: _published(job), 60)
    job.until("every rendered rule is loaded and evaluated", lambda: not _pending(job), 30)
    return f"release {release['hash'][:12]}, {len(rendered_rules(job))} rules"


def _published(job: Job) -> dict[str, Any] | None:
    releases = job.listed("releases/")
    return releases[0] if releases and releases[0]["outcome"] == "published" else None


def _pending(job: Job) -> set[Rule]:
    loaded = loaded_rules(job)
    for rule, seen in loaded.items():
        if seen.get("lastError"):
            raise StepFailed(f"Rule {rule[1]} of group {rule[0]} fails: {seen['lastError']}")
    evaluated = {rule for rule, seen in loaded.items() if seen["health"] == "ok"}
    return rendered_rules(job) - evaluated


def routes_loaded(job: Job) -> str:
    """Alertmanager's own configuration has the rendered route tree and receivers."""
    file = job.system.home / "current" / "alertmanager" / "alertmanager.yml"
    rendered = yaml.safe_load(file.read_text(encoding="utf-8"))
    running = yaml.safe_load(job.alertmanager("status")["config"]["original"])
    wanted, got = _routes(rendered["route"]), _routes(running["route"])
    if wanted != got:
        raise StepFailed(f"Alertmanager runs other routes than rendered: {got} instead of {wanted}")
    receivers = {receiver["name"] for receiver in rendered["receivers"]}
    missing = receivers - {receiver["name"] for receiver in running["receivers"]}
    if missing:
        raise StepFailed(f"Alertmanager lacks the receivers {sorted(missing)}.")
    return f"{len(wanted)} routes, {len(receivers)} receivers"


def _routes(route: dict[str, Any]) -> list[tuple[str, tuple[str, ...], bool]]:
    """The tree, flattened in its order: receiver, matchers, continue. Alertmanager prints durations its own way."""
    own = (route.get("receiver", ""), tuple(sorted(route.get("matchers", []))), bool(route.get("continue", False)))
    return [own, *(inner for child in route.get("routes", []) for inner in _routes(child))]


def recorded_series(job: Job) -> str:
    """Each recording rule that the guide names has a value for the demo's model."""
    values = {name: _recorded(job, name) for name in GUIDE_RECORDING_RULES}
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


def _recorded(job: Job, name: str) -> float:
    series = job.until(f"{name} has a value", lambda: job.query(f'{name}{{model_name="{MODEL}"}}'), 60)
    return series[0][1]
