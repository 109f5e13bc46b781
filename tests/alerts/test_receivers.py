"""Each kind of receiver, rendered, is a configuration that Alertmanager takes; its secret is named by its file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.policies import Policies
from alerts.receivers.slices import CONFIGURATIONS
from alerts.routing import render_alertmanager
from models_registry.fleet import Fleet, FleetReceiver, FleetTeam
from models_registry.models import Receiver
from telemetry.receiver_versions import TEAMS_FILE_SINCE, WEBHOOK_FILE_SINCE
from tests.alerts import tools
from tests.alerts.fleets import OPTIONS, written

MAIL = replace(
    OPTIONS,
    smtp_smarthost="mail.example.com:587",
    smtp_from="plumbline@example.com",
    smtp_username="plumbline",
    smtp_password_file="/run/secrets/smtp",
)
RECEIVERS = {
    "webhook": FleetReceiver("page", "webhook", "https://hooks.example.com/x", ""),
    "slack": FleetReceiver("page", "slack", "#flights", "/run/secrets/slack"),
    "pagerduty": FleetReceiver("page", "pagerduty", "", "/run/secrets/pagerduty"),
    "opsgenie": FleetReceiver("page", "opsgenie", "https://api.eu.opsgenie.com/", "/run/secrets/opsgenie"),
    "email": FleetReceiver("page", "email", "{{x}}@example.com, b@example.com", ""),
    "teams": FleetReceiver("page", "teams", "", "/run/secrets/teams"),
}
# What Debian 12's Alertmanager refuses, with the whole file, and Debian 13's takes.
NEWER = {
    "teams": (RECEIVERS["teams"], TEAMS_FILE_SINCE),
    "webhook": (FleetReceiver("page", "webhook", "", "/run/secrets/hook"), WEBHOOK_FILE_SINCE),
}


def rendered(receiver: FleetReceiver) -> str:
    return render_alertmanager(Fleet((FleetTeam("flights", receivers=(receiver,)),), ()), MAIL, Policies())


def section(receiver: FleetReceiver) -> dict[str, Any]:
    found = {each["name"]: each for each in yaml.safe_load(rendered(receiver))["receivers"]}["flights/page"]
    (only,) = found[next(key for key in found if key != "name")]
    return only


def check(receiver: FleetReceiver, folder: Path) -> tools.Outcome:
    return tools.check_routes(written({"alertmanager/alertmanager.yml": rendered(receiver)}, folder))


def test_each_kind_of_the_registry_has_its_slice() -> None:
    assert set(CONFIGURATIONS) == set(Receiver.Kind.values) == set(RECEIVERS)


@pytest.mark.parametrize("kind", sorted(RECEIVERS.keys() - {"teams"}))
def test_alertmanager_takes_it(tmp_path: Path, kind: str) -> None:
    outcome = check(RECEIVERS[kind], tmp_path)
    assert outcome.accepted, outcome.text


@pytest.mark.parametrize("kind", sorted(NEWER))
def test_the_present_alertmanager_takes_the_newer_ones_from_the_version_that_the_registry_names(
    tmp_path: Path, kind: str
) -> None:
    receiver, since = NEWER[kind]
    outcome = check(receiver, tmp_path)
    assert outcome.accepted == (tools.alertmanager_version() >= since), outcome.text
    refused = "msteams_configs not found" in outcome.text or "url_file not found" in outcome.text
    assert refused != outcome.accepted


@pytest.mark.parametrize("receiver", [*RECEIVERS.values(), NEWER["webhook"][0]], ids=lambda receiver: receiver.kind)
def test_it_is_told_of_the_end_and_names_secrets_by_their_files(receiver: FleetReceiver) -> None:
    configuration = section(receiver)
    assert configuration["send_resolved"] is True
    files = [value for name, value in configuration.items() if name.endswith("_file")]
    assert files == ([receiver.secret_file] if receiver.secret_file else [])


def test_the_mail_servers_password_is_named_by_its_file() -> None:
    said = yaml.safe_load(rendered(RECEIVERS["email"]))["global"]
    assert said["smtp_auth_password_file"] == "/run/secrets/smtp"
    assert "smtp_auth_password" not in said


def test_a_typed_address_opens_no_template() -> None:
    assert section(RECEIVERS["email"])["to"] == '{{ "{" }}{x}}@example.com, b@example.com'


def test_a_page_is_more_urgent_than_a_ticket_in_opsgenie() -> None:
    ticket = replace(RECEIVERS["opsgenie"], severity="ticket")
    assert section(RECEIVERS["opsgenie"])["priority"] == "P1"
    assert CONFIGURATIONS["opsgenie"](ticket)["opsgenie_configs"][0]["priority"] == "P3"
