"""`script/up --check`: walks the main job end to end on the running system, and times each step."""

import time
from collections.abc import Callable

import requests

from controlplane.stack.app import CommandError
from controlplane.stack.job import Job, StepFailed
from controlplane.stack.process import ProcessError
from controlplane.stack.steps import drift, incident, refusal, release, start
from controlplane.stack.system import System

# In the order of the job; each says what it saw.
STEPS: tuple[tuple[str, Callable[[Job], str]], ...] = (
    ("services healthy", start.services_healthy),
    ("demo registry applied, first drift check done", start.first_drift_check),
    ("release published, every rule evaluated", release.published_and_evaluated),
    ("Alertmanager runs the rendered routes", release.routes_loaded),
    ("both versions answer in their registered share", start.registered_share),
    ("each recording rule of the guide has a value", release.recorded_series),
    ("a deploy through the API makes a Change and an annotation", incident.deploy),
    ("the bad canary wakes the on-call team", incident.canary_alert),
    ("the runbook page shows live numbers", incident.runbook_page),
    ("rolling back from the page ends it", incident.roll_back),
    ("after July airline drifts, and applied ML is told", drift.airline_drifts),
    ("a bad custom alert is refused, the old rules stay", refusal.bad_custom_alerts),
)


def walk(system: System) -> int:
    """0 when every step held; 1 with the first one that didn't, and why."""
    began = time.monotonic()
    job = Job(system, token=system.manage("create_token", system.sign_in.user, "check").split()[-1])
    print(f"\nThe main job, in {len(STEPS)} steps:\n", flush=True)
    for number, (title, step) in enumerate(STEPS, 1):
        started = time.monotonic()
        try:
            seen = step(job)
        except (StepFailed, ProcessError, CommandError, requests.RequestException) as error:
            print(f"({number:>2}) FAILED after {time.monotonic() - started:.1f} s  {title}\n\n{error}", flush=True)
            print(f"\nThe logs are in {system.logs}.", flush=True)
            return 1
        print(f"({number:>2}) {time.monotonic() - started:6.1f} s  {title}: {seen}", flush=True)
    print(f"\n{len(STEPS)} steps passed in {time.monotonic() - began:.0f} s.", flush=True)
    return 0
