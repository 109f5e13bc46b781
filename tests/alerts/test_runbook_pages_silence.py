"""Silencing from a runbook page, in a real Alertmanager: exactly what the page is about, with its author and reason."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from alerts.alertmanager import Alertmanager
from controlplane.stack.alertmanager import Alertmanager as AlertmanagerServer
from models_registry.models import Change
from tests.fixtures.registry import Registry

ADDRESS = "/runbooks/MLInferenceHighErrorRate/silence/?model_name=fraud&model_version=v1"
SENT = {"hours": "4", "reason": "known, being fixed"}


@pytest.fixture(autouse=True)
def without_prometheus(settings: Settings) -> None:
    settings.PROMETHEUS_URL = settings.ALERTMANAGER_URL = "http://127.0.0.1:9"


def test_makes_a_silence_for_this_model_and_version(
    client: Client,
    registry: Registry,
    on_call: User,
    settings: Settings,
    tmp_path: Path,
    alertmanager_server: Callable[..., AlertmanagerServer],
) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    settings.ALERTMANAGER_URL = alertmanager_server(config).url
    client.force_login(on_call)
    response = client.post(ADDRESS, SENT)
    assert response["Location"] == "/runbooks/MLInferenceHighErrorRate/?model_name=fraud&model_version=v1"
    [silence] = Alertmanager(settings.ALERTMANAGER_URL).request("GET", "/api/v2/silences").json()
    assert {m["name"]: m["value"] for m in silence["matchers"]} == {
        "alertname": "MLInferenceHighErrorRate",
        "model_name": "fraud",
        "model_version": "v1",
    }
    assert (silence["createdBy"], silence["comment"]) == ("on-call", "known, being fixed")
    change = Change.objects.get(reason="known, being fixed")
    assert "silenced until" in change.summary
    assert change.after["silence"] == silence["id"]


def test_an_alertmanager_that_cannot_be_reached_is_said_and_nothing_is_recorded(
    client: Client, registry: Registry, on_call: User
) -> None:
    client.force_login(on_call)
    page = client.post(ADDRESS, SENT).content.decode()
    assert "Not silenced." in page
    assert not Change.objects.filter(summary__contains="silenced").exists()


def test_of_a_pair_the_one_that_answers_takes_it(
    client: Client, registry: Registry, on_call: User, settings: Settings, alertmanager: Alertmanager
) -> None:
    settings.FURTHER_ALERTMANAGER_URLS = (settings.ALERTMANAGER_URL,)
    settings.ALERTMANAGER_URL = "http://127.0.0.1:9"
    client.force_login(on_call)
    assert client.post(ADDRESS, SENT).status_code == 302
    [silence] = alertmanager.silences()
    assert silence.comment == "known, being fixed"
    assert "known, being fixed" in client.get("/silences/").content.decode()
    assert client.get("/api/silences/").json()["count"] == 1


def test_needs_a_reason_and_a_known_length(client: Client, registry: Registry, on_call: User) -> None:
    client.force_login(on_call)
    for sent in ({"hours": "4", "reason": ""}, {"hours": "9999", "reason": "x"}):
        assert "pl-field-error" in client.post(ADDRESS, sent).content.decode()


def test_is_for_who_may_operate(client: Client, registry: Registry, teammate: User, stranger: User) -> None:
    for person in (teammate, stranger):
        client.force_login(person)
        assert client.get(ADDRESS).status_code == 403
        assert client.post(ADDRESS, SENT).status_code == 403


@pytest.mark.parametrize("address", ["/runbooks/Nope/silence/?model_name=fraud", "/runbooks/MLServingDown/silence/"])
def test_without_a_model_or_an_alert_there_is_nothing_to_silence(
    client: Client, registry: Registry, on_call: User, address: str
) -> None:
    client.force_login(on_call)
    assert client.post(address, SENT).status_code == 404
