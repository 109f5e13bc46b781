"""What is wrong with Plumbline itself is said on every page, not only on the one where it would be looked for."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from controlplane.models import Peer
from tests.fixtures.registry import Registry, make_team

PAGES = ("/", "/releases/", "/incidents/", "/changes/", "/runbooks/", "/models/fraud/", "/runbooks/MLCanaryWorse/")


@pytest.fixture
def lost_alertmanager(db: None) -> None:
    Peer.objects.create(
        name="alertmanager",
        reachable=False,
        since=timezone.now(),
        checked_at=timezone.now(),
        message="http://127.0.0.1:9 refuses connections.",
    )


@pytest.mark.parametrize("address", PAGES)
def test_each_page_shows_the_banners_or_asks_for_them(
    client: Client, registry: Registry, lost_alertmanager: None, stranger: User, settings, address: str
) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"
    client.force_login(stranger)
    page = client.get(address).content.decode()
    assert ("Alertmanager can&#x27;t be reached" in page) != ('hx-get="/banners/"' in page)


def test_the_banners_say_what_is_lost(client: Client, lost_alertmanager: None, stranger: User) -> None:
    client.force_login(stranger)
    shown = client.get("/banners/").content.decode()
    assert "Alertmanager can&#x27;t be reached" in shown
    assert "Nobody is notified while it is down." in shown


@pytest.mark.parametrize("told", ["nobody", "a team without a receiver", "a team with one"])
def test_a_platform_team_that_cannot_be_told_is_a_banner(client: Client, db: None, stranger: User, told: str) -> None:
    """The alert about a dead Plumbline would end at Plumbline."""
    if told != "nobody":
        make_team("platform", receivers=told == "a team with one")
    client.force_login(stranger)
    shown = client.get("/banners/").content.decode()
    assert ("Nobody is told when Plumbline itself is down" in shown) == (told != "a team with one")


def test_a_stranger_to_the_system_sees_none(client: Client, db: None) -> None:
    assert client.get("/banners/").status_code == 302
