"""Who silences whom: asked of a running Alertmanager with the rendered configuration."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from alerts.catalogue import KINDS
from alerts.kind import PAGE, TICKET
from alerts.policies import Policies
from alerts.routing import render_alertmanager
from controlplane.stack.alertmanager import Alertmanager
from models_registry.fleet import Fleet
from tests.alerts.fleets import OPTIONS, written

Labels = dict[str, str]


def alert(name: str, severity: str = "", **labels: str) -> Labels:
    """As its rule makes it: with its plane, and the severity of its policy, else the catalogue's."""
    kind = KINDS.get(name)
    plane = str(kind.plane) if kind else "quality"  # a custom alert
    return {"alertname": name, "plane": plane, "severity": severity or (kind.severity if kind else TICKET), **labels}


DOWN, ABSENT, MANY = "MLServingDown", "MLMonitoringAbsent", "MLDriftManyFeatures"
DRIFT, ERRORS, BURN = "MLDriftCriticalFeatureDetected", "MLInferenceHighErrorRate", "MLErrorBudgetBurn"
V1, V2 = {"model_version": "v1"}, {"model_version": "v2"}
FAST, SLOW = {"objective": "fast", "tier": "page-1"}, {"objective": "fast", "tier": "ticket-1"}
# What fires, what else fires on the same model, and whether that is silenced.
PAIRS = {
    "a model that is down: its pages": (alert(DOWN), alert(ERRORS), True),
    "a model that is down: its tickets": (alert(DOWN), alert(ABSENT), True),
    "a model that is down: its custom alerts": (alert(DOWN), alert("LateFlightsTooMany", PAGE), True),
    "a model that is down for a ticket: its tickets": (alert(DOWN, TICKET), alert(DRIFT, **V1), True),
    "a model that is down for a ticket: its pages": (alert(DOWN, TICKET), alert(ERRORS), False),
    "what is not counted: quality": (alert(ABSENT), alert("MLDriftCheckStale", **V1), True),
    "what is not counted: custom quality": (alert(ABSENT), alert("LateFlightsTooMany"), True),
    "what is not counted: health": (alert(ABSENT), alert("MLVersionMismatch", **V1), False),
    "what is not counted: pages of quality": (alert(ABSENT), alert(DRIFT, PAGE, **V1), False),
    "many features: one critical of the same version": (alert(MANY, **V1), alert(DRIFT, **V1), True),
    "many features: one critical of another version": (alert(MANY, **V1), alert(DRIFT, **V2), False),
    "many features: the page of one critical": (alert(MANY, **V1), alert(DRIFT, PAGE, **V1), False),
    "many features: a missing one": (alert(MANY, **V1), alert("MLFeatureMissingRatioHigh", **V1), False),
    "a fast burn: the slow one of the same objective": (alert(BURN, PAGE, **FAST), alert(BURN, TICKET, **SLOW), True),
    "a fast burn: the slow one of another objective": (
        alert(BURN, PAGE, **FAST), alert(BURN, TICKET, **{**SLOW, "objective": "available"}), False,
    ),
    "errors: latency": (alert(ERRORS), alert("MLInferenceHighLatencyP95"), False),
}  # fmt: skip
OUTSIDE = {
    "another model": ({**alert(DOWN), "model_name": "one"}, {**alert(ERRORS), "model_name": "other"}),
    "Plumbline's own": ({**alert(DOWN), "model_name": "one"}, alert("PlumblineReleaseFailing")),
    "without a model on either side": (alert(DOWN), alert("Watchdog")),
}


class Running:
    """Alertmanager with alerts that fire."""

    def __init__(self, url: str) -> None:
        self.url = url

    def fire(self, alerts: list[Labels]) -> None:
        now = datetime.now(UTC)
        body = [
            {"labels": labels, "startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
            for labels in alerts
        ]
        requests.post(f"{self.url}/api/v2/alerts", json=body, timeout=5).raise_for_status()

    def asked(self, *filters: str) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.url}/api/v2/alerts", params={"filter": filters}, timeout=5)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def all_of(self, models: str) -> list[dict[str, Any]]:
        return self.asked(f'model_name=~"{models}"')

    def silenced(self, labels: Labels) -> bool:
        asked = {"model_name": "", "model_version": "", "objective": "", **labels}
        (found,) = self.asked(*(f'{name}="{value}"' for name, value in asked.items()))
        return bool(found["status"]["inhibitedBy"])


@pytest.fixture(scope="module")
def running(
    alertmanager_server: Callable[..., Alertmanager], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    # Nobody is told: there are no teams, and no one listens where Plumbline is said to be.
    text = render_alertmanager(
        Fleet(teams=(), models=()), replace(OPTIONS, plumbline_url="http://127.0.0.1:9"), Policies()
    )
    folder = written({"alertmanager.yml": text}, tmp_path_factory.mktemp("inhibitions"))
    server = Running(alertmanager_server(folder / "alertmanager.yml").url)
    # Each pair on a model of its own; what is silenced comes first, so that the order can't be what silences it.
    server.fire([{**other, "model_name": name} for name, (_, other, _) in PAIRS.items()])
    server.fire([{**source, "model_name": name} for name, (source, _, _) in PAIRS.items()])
    server.fire([labels for pair in OUTSIDE.values() for labels in pair])
    deadline = time.monotonic() + 20
    muted = [{**other, "model_name": name} for name, (_, other, silenced) in PAIRS.items() if silenced]
    while not all(server.silenced(labels) for labels in muted) and time.monotonic() < deadline:
        time.sleep(0.1)
    yield server


@pytest.mark.parametrize("pair", PAIRS)
def test_an_alert_silences_what_tells_nothing_new_and_nothing_else(running: Running, pair: str) -> None:
    source, other, silenced = PAIRS[pair]
    assert running.silenced({**other, "model_name": pair}) is silenced
    assert not running.silenced({**source, "model_name": pair})


@pytest.mark.parametrize("pair", OUTSIDE)
def test_what_is_not_of_the_same_model_is_never_silenced(running: Running, pair: str) -> None:
    for labels in OUTSIDE[pair]:
        assert not running.silenced(labels)


def test_a_page_is_never_silenced_by_a_ticket(running: Running) -> None:
    """Whatever policies make of the severities: each kind as a page, on a model about which all kinds are tickets."""
    tickets = [alert(name, TICKET, **V1, **SLOW) for name in KINDS]
    for name in KINDS:
        page = alert(name, PAGE, **V1, **FAST)
        running.fire([{**labels, "model_name": f"all-{name}"} for labels in (page, *tickets)])
    found = [a for a in running.all_of("all-.+") if a["labels"]["severity"] == PAGE]
    assert {a["labels"]["alertname"] for a in found} == set(KINDS)
    assert [a["labels"]["alertname"] for a in found if a["status"]["inhibitedBy"]] == []
    muted = {a["labels"]["alertname"] for a in running.all_of("all-.+") if a["status"]["inhibitedBy"]}
    assert muted == set(KINDS) - {DOWN}  # the tickets, by the one that says that the model is down
