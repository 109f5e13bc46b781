"""Incidents as a real Alertmanager tells them: authenticated, fingerprinted alike, opened and closed."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from alerts.fingerprint import fingerprint
from alerts.models import Incident
from controlplane.stack.alertmanager import Alertmanager

ADDRESS = "/api/alertmanager/webhook"
LABELS = {
    "alertname": "MLInferenceHighErrorRate",
    "model_name": "flights",
    "model_version": "v2",
    "feature_name": 'Größe "quoted"\\ in\ncm',
    "empty_is_dropped": "",
    "severity": "page",
    "plane": "health",
}


def post_alert(alertmanager: Alertmanager, start: datetime, end: datetime) -> None:
    """As Prometheus does."""
    alert = {"labels": LABELS, "startsAt": start.isoformat(), "endsAt": end.isoformat()}
    requests.post(f"{alertmanager.url}/api/v2/alerts", json=[alert], timeout=5).raise_for_status()


def wait_for(condition: Callable[[], Any], seconds: float = 15) -> Any:
    """What `condition` returns once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    pytest.fail("It did not happen in time.")


@pytest.mark.django_db(transaction=True)
def test_a_real_alertmanager_opens_and_closes_an_incident(
    live_server: LiveServer,
    alertmanager_server: Callable[..., Alertmanager],
    settings: Settings,
    tmp_path: Path,
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(settings.WEBHOOK_TOKEN)
    config = tmp_path / "alertmanager.yml"
    config.write_text(
        f"""
route: {{receiver: plumbline, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: plumbline
    webhook_configs:
      - url: {live_server.url}{ADDRESS}
        send_resolved: true
        http_config: {{authorization: {{credentials_file: {token_file}}}}}
"""
    )
    alertmanager = alertmanager_server(config)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)

    post_alert(alertmanager, start, start + timedelta(hours=1))
    opened = wait_for(lambda: Incident.objects.filter(ends_at__isnull=True).first())
    assert opened.starts_at == start
    assert opened.feature_name == LABELS["feature_name"]
    [held] = requests.get(f"{alertmanager.url}/api/v2/alerts", timeout=5).json()
    kept = {name: value for name, value in LABELS.items() if value}
    assert opened.fingerprint == held["fingerprint"] == fingerprint(kept)

    end = datetime.now(UTC).replace(microsecond=0)
    post_alert(alertmanager, start, end)
    closed = wait_for(lambda: Incident.objects.filter(ends_at__isnull=False).first())
    assert (closed.pk, closed.ends_at) == (opened.pk, end)


@pytest.mark.django_db
class TestTheAddressOfTheWebhook:
    PAYLOAD = '{"version": "4", "alerts": []}'

    def post(self, client: Client, body: str = PAYLOAD, **headers: str) -> int:
        return client.post(ADDRESS, body, content_type="application/json", headers=headers).status_code

    def test_takes_the_token(self, client: Client, settings: Settings) -> None:
        assert self.post(client, authorization=f"Bearer {settings.WEBHOOK_TOKEN}") == 200

    @pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", "Basic abc", "Bearer \N{SNOWMAN}"])
    def test_refuses_everybody_without_it(self, client: Client, header: str) -> None:
        assert self.post(client, authorization=header) == 401

    def test_refuses_everybody_while_no_token_is_set(self, client: Client, settings: Settings) -> None:
        settings.WEBHOOK_TOKEN = ""
        assert self.post(client, authorization="Bearer ") == 401

    def test_a_signed_in_session_is_no_token(self, admin_client: Client) -> None:
        assert self.post(admin_client) == 401

    def test_says_what_it_does_not_understand(self, client: Client, settings: Settings) -> None:
        assert self.post(client, '{"version": "3"}', authorization=f"Bearer {settings.WEBHOOK_TOKEN}") == 400

    def test_is_no_page(self, client: Client) -> None:
        assert client.get(ADDRESS).status_code == 405
