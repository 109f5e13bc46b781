"""What a receiver must have, kind by kind: refused on entry, before a server would refuse the whole configuration."""

import pytest
from pytest_django.fixtures import Settings

from models_registry.models import Receiver
from models_registry.receiver_rules import receiver_errors


@pytest.fixture(autouse=True)
def servers(settings: Settings) -> None:
    settings.ALERTMANAGER_VERSION = (0, 25)
    settings.SMTP_SMARTHOST, settings.SMTP_FROM = "mail.example.com:587", "plumbline@example.com"


@pytest.mark.parametrize(
    ("kind", "address", "secret_file", "wrong"),
    [
        ("webhook", "https://hooks.example.com/x", "", ""),
        ("webhook", "hooks.example.com", "", "address"),
        ("webhook", "", "/run/secrets/hook", "secret_file"),
        ("slack", "#flights", "/run/secrets/slack", ""),
        ("slack", "flights", "/run/secrets/slack", "address"),
        ("slack", "#flights", "", "secret_file"),
        ("pagerduty", "", "/run/secrets/pagerduty", ""),
        ("pagerduty", "x", "/run/secrets/pagerduty", "address"),
        ("pagerduty", "", "relative", "secret_file"),
        ("opsgenie", "", "/run/secrets/opsgenie", ""),
        ("opsgenie", "https://api.eu.opsgenie.com/", "/run/secrets/opsgenie", ""),
        ("opsgenie", "", "", "secret_file"),
        # The key would be sent there.
        ("opsgenie", "https://collector.example.com/", "/run/secrets/opsgenie", "address"),
        ("email", "a@example.com", "", ""),
        ("email", "a@example.com, b@example.com", "", ""),
        ("email", "", "", "address"),
        ("email", "a@example.com, nobody", "", "address"),
        ("email", "a@example.com", "/run/secrets/mail", "secret_file"),
        ("teams", "", "/run/secrets/teams", "kind"),
    ],
)
def test_what_is_refused(kind: str, address: str, secret_file: str, wrong: str) -> None:
    assert ",".join(receiver_errors(kind, address, secret_file)) == wrong


@pytest.mark.parametrize(("kind", "field", "since"), [("teams", "kind", "0.27"), ("webhook", "secret_file", "0.26")])
def test_too_old_a_server_is_named_with_the_remedy(kind: str, field: str, since: str) -> None:
    told = receiver_errors(kind, "", "/run/secrets/x")[field]
    assert f"from {since} on" in told and "ALERTMANAGER_VERSION says 0.25: raise it" in told


@pytest.mark.parametrize("kind", ["teams", "webhook"])
@pytest.mark.parametrize("version", [(0, 27), (0, 28, 1), (1, 0)])
def test_a_new_enough_one_takes_the_address_from_a_file(
    settings: Settings, kind: str, version: tuple[int, ...]
) -> None:
    settings.ALERTMANAGER_VERSION = version
    assert receiver_errors(kind, "", "/run/secrets/x") == {}
    assert "address" in receiver_errors(kind, "https://example.com/secret", "/run/secrets/x")


def test_e_mail_needs_a_server(settings: Settings) -> None:
    settings.SMTP_FROM = ""
    assert "SMTP_SMARTHOST and SMTP_FROM" in receiver_errors("email", "a@example.com", "")["kind"]


def test_each_kind_has_its_rule() -> None:
    assert [kind for kind in Receiver.Kind.values if not receiver_errors(kind, "no address", "no file")] == []
