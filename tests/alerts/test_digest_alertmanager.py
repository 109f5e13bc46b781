"""What comes and goes while tickets are muted: a running Alertmanager tells Plumbline alone, and Plumbline the team.

The whole way: the rendered routes, Alertmanager's messages to Plumbline's webhook, the incident, the digest.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from alerts.digests.sending import Digested, send_digests
from alerts.hours import WEEKDAYS, Hours
from alerts.incidents import record_webhook
from alerts.models import Incident
from alerts.policies import Policies
from alerts.routing import alertmanager_document, render_alertmanager
from controlplane.stack.alertmanager import Alertmanager
from controlplane.stack.receiver import Receiver as HttpReceiver
from models_registry.fleet import load_fleet
from models_registry.models import Receiver
from tests.alerts.fleets import OPTIONS
from tests.fixtures.registry import make_model, make_team

PLUMBLINE, TEAM = "/api/alertmanager/webhook", "/team/ticket"


@pytest.mark.django_db
def test_it_is_told_to_nobody_but_plumbline_until_the_digest(
    webhook_receiver: HttpReceiver, alertmanager_server: Callable[..., Alertmanager], tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    on_duty = WEEKDAYS[(now + timedelta(days=3)).weekday()]
    team = make_team("flights", receivers=False, always_on_duty=False, working_days=[on_duty])
    Receiver.objects.create(team=team, severity="ticket", kind="webhook", address=f"{webhook_receiver.url}{TEAM}")
    make_model("fraud", team)
    fleet = load_fleet()
    (tmp_path / "token").write_text("token")
    options = replace(OPTIONS, plumbline_url=webhook_receiver.url, webhook_token_file=str(tmp_path / "token"))
    options = replace(options, group_wait=0, group_interval=1)
    text = render_alertmanager(fleet, options, Policies())
    # Plumbline's own messages come every 15 s; nothing but the test's patience depends on it.
    (tmp_path / "alertmanager.yml").write_text(text.replace("group_interval: 15s", "group_interval: 1s"))
    alertmanager = alertmanager_server(tmp_path / "alertmanager.yml")

    labels = {"alertname": "MLVersionMismatch", "team": "flights", "severity": "ticket", "plane": "health"}
    alert = {"labels": {**labels, "model_name": "fraud"}, "startsAt": now.isoformat()}
    # It fires, and it is over.
    for ends_at, messages in ((now + timedelta(hours=1), 1), (datetime.now(UTC), 2)):
        body = [{**alert, "endsAt": ends_at.isoformat()}]
        requests.post(f"{alertmanager.url}/api/v2/alerts", json=body, timeout=5).raise_for_status()
        told = webhook_receiver.wait_for(messages, PLUMBLINE)
        record_webhook(told[-1].body)
    incident = Incident.objects.get()
    assert incident.ends_at is not None
    assert webhook_receiver.received(TEAM) == []

    hours = Hours.of(fleet.team_by_name["flights"])
    assert hours is not None
    begin = hours.begin_next(now)
    assert begin is not None
    routes = alertmanager_document(fleet, options, Policies())
    assert send_digests(fleet, routes, begin + timedelta(minutes=2)) == Digested(sent=1)
    (digest,) = webhook_receiver.received(TEAM)
    assert digest.body["kind"] == "plumbline-ticket-digest"
    (summed,) = digest.alerts
    assert (summed["labels"]["alertname"], summed["status"]) == ("MLVersionMismatch", "resolved")
