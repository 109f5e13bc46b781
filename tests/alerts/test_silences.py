"""Silences as a real Alertmanager holds them: listed with their owner, ended, reminded of before they end in vain."""

import time
import uuid
from datetime import datetime, timedelta

import pytest
import requests
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from alerts.alertmanager import Alertmanager, HeldSilence
from alerts.fingerprint import fingerprint
from alerts.matchers import Matcher
from alerts.models import Incident, SilenceReminder
from alerts.silences.reminders import ends_soon, remind
from controlplane import reconcile
from controlplane.pages.banners import banners
from models_registry.models import Change
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.django_db


def fire(alertmanager: Alertmanager, now: datetime) -> dict[str, str]:
    """An alert of a version of its own, so that no test's silence is about another test's alert."""
    labels = {"alertname": "MLServingDown", "model_name": "fraud", "model_version": uuid.uuid4().hex[:8]}
    alert = {"labels": labels, "startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=9)).isoformat()}
    requests.post(f"{alertmanager.url}/api/v2/alerts", json=[alert], timeout=5).raise_for_status()
    return labels


def silence(alertmanager: Alertmanager, labels: dict[str, str], now: datetime, lasting: timedelta) -> str:
    identity = alertmanager.create_silence(
        labels, starts_at=now, ends_at=now + lasting, author="alice", comment="being fixed"
    )
    deadline = time.monotonic() + 10
    # Which alerts it silences is told once the alert has been looked at.
    while any(a.labels == labels and identity not in a.silenced_by for a in alertmanager.alerts()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return identity


HOURS = timedelta(hours=4)
SOON = HOURS - timedelta(minutes=10)


class TestReminding:
    @pytest.mark.database
    def test_of_a_silence_whose_alert_still_fires_once(
        self, alertmanager: Alertmanager, registry: Registry, now: datetime
    ) -> None:
        silence(alertmanager, fire(alertmanager, now), now, HOURS)
        assert [remind(alertmanager, now + SOON), remind(alertmanager, now + SOON)] == [1, 0]
        change = Change.objects.get(object_type="silence")
        assert "MLServingDown fraud" in change.summary and "by alice ends at" in change.summary
        assert (change.author, change.model, change.reason) == ("plumbline", registry.model, "being fixed")

    def test_is_said_on_every_page_while_it_stands(
        self, alertmanager: Alertmanager, registry: Registry, now: datetime
    ) -> None:
        def said(at: datetime) -> list[str]:
            return [banner.title for banner in banners(at) if "silence" in banner.title]

        identity = silence(alertmanager, fire(alertmanager, now), now, HOURS)
        remind(alertmanager, now + SOON)
        (title,) = said(now + SOON)
        assert title.startswith("The silence of MLServingDown fraud") and title.endswith("and it still fires")
        assert said(now + HOURS) == []  # over: there is nothing to remind of
        alertmanager.expire_silence(identity)
        remind(alertmanager, now + SOON)
        assert said(now + SOON) == []

    def test_not_of_one_that_silences_nothing(self, alertmanager: Alertmanager, now: datetime) -> None:
        silence(alertmanager, {"alertname": "Nothing"}, now, HOURS)
        assert remind(alertmanager, now + SOON) == 0

    def test_not_before_it_ends_soon(self, alertmanager: Alertmanager, registry: Registry, now: datetime) -> None:
        silence(alertmanager, fire(alertmanager, now), now, HOURS)
        assert remind(alertmanager, now) == 0

    def test_is_a_step_of_the_loop(
        self, alertmanager: Alertmanager, registry: Registry, now: datetime, settings: Settings
    ) -> None:
        settings.PROMETHEUS_URL = settings.ALERTMANAGER_URL  # whoever answers /-/ready
        settings.FURTHER_PROMETHEUS_URLS = settings.FURTHER_ALERTMANAGER_URLS = []
        silence(alertmanager, fire(alertmanager, now), now, HOURS)
        assert reconcile.STEPS["silences"](now + SOON) == "1 silences that end soon reminded of"


@pytest.mark.parametrize(
    ("lasting", "left", "soon"),
    [
        (timedelta(hours=24), timedelta(minutes=30), True),
        (timedelta(hours=24), timedelta(minutes=31), False),
        (timedelta(hours=1), timedelta(minutes=15), True),
        (timedelta(hours=1), timedelta(minutes=16), False),
        (timedelta(hours=1), timedelta(0), False),
    ],
)
def test_a_short_silence_is_not_reminded_of_from_its_beginning(
    lasting: timedelta, left: timedelta, soon: bool, now: datetime
) -> None:
    held = HeldSilence("1", (), now, now + lasting, "alice", "")
    assert ends_soon(held, held.ends_at - left) is soon


def test_a_silence_by_pattern_is_told_in_words(now: datetime) -> None:
    matchers = (Matcher("team", "=~", "a|b"), Matcher("alertname", "!=", "X"))
    held = HeldSilence("1", matchers, now, now, "alice", "")
    assert held.told == "alertname is not X and team is one of a, b"
    assert held.value_of("team") == ""


class TestThePage:
    def test_lists_owner_reason_end_and_what_it_silences(
        self, alertmanager: Alertmanager, registry: Registry, client: Client, stranger: User, now: datetime
    ) -> None:
        labels = fire(alertmanager, now)
        silence(alertmanager, labels, now, timedelta(hours=1))
        row = Incident.objects.create(
            fingerprint=fingerprint(labels),
            starts_at=now,
            alert="MLServingDown",
            labels=labels,
            source="webhook",
            first_seen_at=now,
            last_seen_at=now,
        )
        client.force_login(stranger)
        html = client.get("/silences/").content.decode()
        assert "alice" in html and "being fixed" in html
        assert f"{now + timedelta(hours=1):%Y-%m-%d %H:%M} UTC" in html
        assert f'href="/incidents/{row.pk}/"' in html and 'href="/models/fraud/"' in html
        assert "End now" not in html

    def test_shows_what_was_typed_and_obeys_none_of_it(
        self, alertmanager: Alertmanager, client: Client, stranger: User, now: datetime
    ) -> None:
        typed = "<script>alert(1)</script>"
        alertmanager.create_silence(
            {"alertname": typed}, starts_at=now, ends_at=now + HOURS, author=typed, comment=typed
        )
        client.force_login(stranger)
        html = client.get("/silences/").content.decode()
        assert typed not in html and html.count("&lt;script&gt;") >= 3

    def test_an_alertmanager_that_cannot_be_reached_is_said(
        self, client: Client, stranger: User, settings: Settings
    ) -> None:
        settings.ALERTMANAGER_URL = "http://127.0.0.1:9"
        client.force_login(stranger)
        html = client.get("/silences/").content.decode()
        assert "What is silenced is not known" in html and "Nothing is silenced" not in html

    def test_signing_in_comes_first(self, client: Client) -> None:
        assert client.get("/silences/").status_code == 302


class TestEnding:
    def test_the_on_call_ends_it_with_a_change(
        self, alertmanager: Alertmanager, registry: Registry, client: Client, on_call: User, now: datetime
    ) -> None:
        identity = silence(alertmanager, fire(alertmanager, now), now, HOURS)
        client.force_login(on_call)
        assert "End now" in client.get("/silences/").content.decode()
        assert client.post(f"/silences/{identity}/end/")["Location"] == "/silences/"
        assert alertmanager.silences() == []
        change = Change.objects.get(summary__contains="was ended")
        assert (change.author, change.model) == ("on-call", registry.model)

    def test_nobody_else_does(
        self,
        alertmanager: Alertmanager,
        registry: Registry,
        client: Client,
        stranger: User,
        on_call: User,
        now: datetime,
    ) -> None:
        of_the_model = silence(alertmanager, fire(alertmanager, now), now, HOURS)
        of_nobody = silence(alertmanager, {"alertname": "X"}, now, HOURS)
        for person, identity in ((stranger, of_the_model), (on_call, of_nobody)):
            client.force_login(person)
            assert client.post(f"/silences/{identity}/end/").status_code == 403
        assert {each.identity for each in alertmanager.silences()} == {of_the_model, of_nobody}
        assert not Change.objects.filter(summary__contains="was ended").exists()
        assert not SilenceReminder.objects.exists()

    def test_looking_ends_nothing(self, client: Client, on_call: User) -> None:
        client.force_login(on_call)
        assert client.get("/silences/1/end/").status_code == 405
