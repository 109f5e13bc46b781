"""A bad rollout: deployed, noticed, routed, looked at, undone."""

import html
import re
import time
from typing import Any

from controlplane.stack.job import MODEL, Job, StepFailed
from controlplane.stack.steps.start import AFTER_DRIFT, RATE

ALERT = "MLCanaryWorse"
ON_CALL = "flight-ops"
CANARY = "v2"
DEPLOY_PERCENT = 20
# Rolling back must reach a running replica within this many seconds.
SHIFT_SECONDS = 3.0
# The page asks Prometheus between two looks of this walk. While traffic moves its window is seconds long, so that a
# scrape in between can still take the number elsewhere: then both look again.
PAGE_TOLERANCE = 0.05
PAGE_LOOKS = 3


def deploy(job: Job) -> str:
    """One call deploys; repeating it changes nothing; the Change ends as an annotation, or waits for a Grafana."""
    body: dict[str, Any] = {"version": CANARY, "percent": DEPLOY_PERCENT, "reason": "script/up --check"}
    first = job.api("POST", f"models/{MODEL}/deploy/", **body)
    again = job.api("POST", f"models/{MODEL}/deploy/", **body)
    if not first["changed"] or again["changed"]:
        raise StepFailed(f"A deploy changes something once, and only once: {first}, then {again}.")
    change = next(c for c in job.listed(f"changes/?model_name={MODEL}") if c["uuid"] == first["change"])
    delivery = job.until("the deploy's annotation", lambda: _annotation(job, change["uuid"]), 30)
    return f"change {change['uuid'][:8]} ({change['summary']}), annotation {delivery['state']}"


def _annotation(job: Job, change: str) -> dict[str, Any] | None:
    rows = job.listed(f"annotations/?change={change}")
    return rows[0] if rows and rows[0]["state"] in ("waiting", "delivered") else None


def canary_alert(job: Job) -> str:
    """The canary's alert fires, reaches the on-call team's receiver, and is kept as an incident."""
    fired = job.until(f"{ALERT} fires", lambda: job.firing(ALERT, model_name=MODEL, model_version=CANARY), 120)[0]
    if (fired["labels"]["team"], fired["labels"]["severity"]) != (ON_CALL, "page"):
        raise StepFailed(f"{ALERT} should page {ON_CALL}, its labels are {fired['labels']}.")
    told = job.until("Alertmanager sends it to a receiver", lambda: _routed(job), 60)
    path = f"/{ON_CALL}/page"
    job.until(f"the receiver at {path} got it", lambda: _received(job, path), 60)
    incident = job.until("the incident exists", lambda: _incident(job), 30)
    job.notes["alert"] = fired
    return f"receivers {', '.join(told)}; incident {incident['id']} since {incident['starts_at']}"


def _routed(job: Job) -> list[str] | None:
    for alert in job.alertmanager("alerts"):
        if alert["labels"]["alertname"] == ALERT and alert["labels"]["model_name"] == MODEL:
            receivers = [receiver["name"] for receiver in alert["receivers"]]
            return receivers if any(ON_CALL in name for name in receivers) else None
    return None


def _received(job: Job, path: str) -> bool:
    receiver = job.system.receiver
    return receiver is not None and any(
        alert["labels"]["alertname"] == ALERT for delivery in receiver.received(path) for alert in delivery.alerts
    )


def _incident(job: Job) -> dict[str, Any] | None:
    rows = job.listed(f"incidents/?alert={ALERT}&model_name={MODEL}")
    return rows[0] if rows else None


def runbook_page(job: Job) -> str:
    """The alert's runbook_url opens a page with that model's and version's numbers of now."""
    job.sign_in()
    url = job.notes["alert"]["annotations"]["runbook_url"]
    page = job.page(url)
    job.notes["runbook"] = page
    for expected in (MODEL, CANARY, ALERT):
        if expected not in page:
            raise StepFailed(f"The runbook page {url} doesn't name {expected}.")
    for _ in range(PAGE_LOOKS):
        window = page_window(page)
        before, page, after = _error_ratio(job, window), job.page(url), _error_ratio(job, window)
        shown = _shown_error_ratio(page)
        if min(before, after) - PAGE_TOLERANCE <= shown <= max(before, after) + PAGE_TOLERANCE:
            return f"{CANARY} fails {shown:.0%} of its requests, Prometheus says {before:.1%}, over {window}"
    raise StepFailed(
        f"The page shows an error ratio of {shown:.1%}; over {window}, Prometheus had {before:.1%} before it and "
        f"{after:.1%} after it."
    )


def _shown_error_ratio(page: str) -> float:
    row = version_rows(page).get(CANARY, {})
    if not row.get("Errors", "").endswith("%"):
        raise StepFailed(f"The page's table of versions shows no error ratio of {CANARY}: {row}")
    return float(row["Errors"].removesuffix("%").strip()) / 100


def page_window(page: str) -> str:
    """Over how long the page's numbers are, as PromQL writes it: it is shorter while traffic moves."""
    told = re.search(r"Numbers over (\d+) (s|min|h)\b", page)
    if told is None:
        raise StepFailed("The page doesn't say over how long its numbers are.")
    return f"{told[1]}{told[2][0]}"


def version_rows(page: str) -> dict[str, dict[str, str]]:
    """version -> {column: text} of the page's table of versions, as a person reads it."""
    table = page.partition('aria-label="Versions"')[2].partition("</table>")[0]
    head = [_text(cell) for cell in re.findall(r"<th[^>]*>(.*?)</th>", table, re.DOTALL)]
    rows = [
        [_text(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
        for row in table.partition("<tbody>")[2].split("</tr>")
    ]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows if row and len(row) == len(head)}


def _text(cell: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", cell)).strip()


def _error_ratio(job: Job, window: str) -> float:
    """The canary's, by Prometheus."""
    of = f'model_name="{MODEL}",model_version="{CANARY}"'
    errors = f'sum(rate(ml_inference_requests_total{{{of},status="error"}}[{window}]))'
    return job.query(f"{errors} / sum(rate(ml_inference_requests_total{{{of}}}[{window}]))")[0][1]


def roll_back(job: Job) -> str:
    """The page's button, confirmed, empties the canary within seconds; its errors stop and the alert resolves."""
    page = job.notes["runbook"]
    link = re.search(r'href="([^"]*/roll-back/[^"]*)"', page)
    if not link:
        raise StepFailed("The runbook page has no way to roll back.")
    confirm = job.system.addresses.web + html.unescape(link[1])
    hidden = re.findall(r'<input type="hidden" name="(next)" value="([^"]*)"', job.page(confirm))
    fields = {name: html.unescape(value) for name, value in hidden}
    job.submit(confirm, confirm, reason="script/up --check", **fields)
    pressed = time.monotonic()
    job.until("the replica has emptied the canary", lambda: _canary_idle(job), 10)
    seconds = time.monotonic() - pressed
    if seconds > SHIFT_SECONDS:
        raise StepFailed(f"The running replica took {seconds:.1f} s to shift its traffic, over {SHIFT_SECONDS} s.")
    # July begins while the alert resolves: the drift check's window is minutes long.
    job.system.traffic.play(*AFTER_DRIFT, rate=RATE, loop=True)
    job.until("the error ratio falls", lambda: _errors_gone(job), 90)
    job.until(f"{ALERT} resolves", lambda: not job.firing(ALERT, model_name=MODEL), 60)
    job.until("the incident is closed", lambda: (_incident(job) or {}).get("ends_at"), 60)
    return f"traffic shifted in {seconds:.1f} s, alert resolved after {time.monotonic() - pressed:.0f} s"


def _canary_idle(job: Job) -> bool:
    before = job.serving_counts()
    time.sleep(0.5)
    after = job.serving_counts()
    return after.get("v1", 0) > before.get("v1", 0) and after.get(CANARY, 0) == before.get(CANARY, 0)


def _errors_gone(job: Job) -> bool:
    errors = f'sum(rate(ml_inference_requests_total{{model_name="{MODEL}",status="error"}}[15s]))'
    total = f'sum(rate(ml_inference_requests_total{{model_name="{MODEL}"}}[15s]))'
    series = job.query(f"{errors} / {total}")
    return bool(series) and series[0][1] < 0.01
