"""Ticket digests: what came and went while a team was away reaches it when its hours begin, once, whatever fails."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from alerts.digests import sending
from alerts.digests.sending import GIVE_UP_AFTER, LEASE, Digested, send_digests
from alerts.digests.words import digest_words
from alerts.models import Incident, TicketDigest
from alerts.policies import Policies
from alerts.routing import alertmanager_document
from controlplane import reconcile
from controlplane.pages.banners import banners
from controlplane.stack.receiver import Receiver as HttpReceiver
from models_registry.fleet import load_fleet
from models_registry.models import MLModel, Receiver, Team
from tests.alerts.fleets import OPTIONS
from tests.doubles.dripping import dripping
from tests.doubles.mail_server import MailServer
from tests.fixtures.registry import make_model, make_team

pytestmark = pytest.mark.django_db

# A team in Berlin, 9 to 17: 7:00 to 15:00 UTC in summer.
MONDAY = datetime(2026, 7, 6, tzinfo=UTC)
MORNING = datetime(2026, 7, 7, 7, 0, tzinfo=UTC)
JUST_AFTER = MORNING + timedelta(minutes=2)


@pytest.fixture
def team(webhook_receiver: HttpReceiver) -> Team:
    webhook_receiver.clear()
    team = make_team("flights", receivers=False, always_on_duty=False, time_zone="Europe/Berlin")
    Receiver.objects.create(team=team, severity="ticket", kind="webhook", address=f"{webhook_receiver.url}/digest")
    make_model("fraud", team)
    return team


def incident(at: datetime, lasted: timedelta | None = None, **labels: str) -> Incident:
    number = Incident.objects.count()
    labels = {"alertname": f"A{number}", "team": "flights", "severity": "ticket", "model_name": "fraud", **labels}
    return Incident.objects.create(
        fingerprint=f"{number:016x}",
        starts_at=at,
        ends_at=at + lasted if lasted else None,
        alert=labels["alertname"],
        model_name="fraud",
        labels=labels,
        annotations={"summary": f"{labels['alertname']} happened"},
        source="webhook",
        first_seen_at=at,
        last_seen_at=at,
    )


def run(now: datetime) -> Digested:
    fleet = load_fleet()
    return send_digests(fleet, alertmanager_document(fleet, OPTIONS, Policies()), now)


def failing(now: datetime) -> list[str]:
    return [banner.text for banner in banners(now) if "wasn't told what it missed" in banner.title]


def posted(receiver: HttpReceiver) -> list[Any]:
    return [delivery.body for delivery in receiver.received("/digest")]


HOUR = timedelta(hours=1)
NIGHT = MONDAY.replace(hour=22)


class TestWhatItTells:
    @pytest.mark.parametrize(
        ("at", "lasted", "told"),
        [
            (NIGHT, HOUR, True),  # came and went while muted: nobody else tells of it
            (NIGHT, None, True),  # fires still
            (MONDAY.replace(hour=14), 9 * HOUR, True),  # told in hours, its end was not
            (MONDAY.replace(hour=8), HOUR, False),  # all of it within hours
            (MONDAY.replace(hour=14, minute=59), None, False),  # told, and Alertmanager repeats it
            (MONDAY.replace(hour=15), HOUR, True),  # from the very end of the hours
            (MORNING, None, False),  # Alertmanager tells of it
        ],
    )
    def test_what_began_or_ended_while_muted(
        self, team: Team, webhook_receiver: HttpReceiver, at: datetime, lasted: timedelta | None, told: bool
    ) -> None:
        incident(at, lasted)
        assert run(JUST_AFTER) == Digested(sent=int(told))
        assert len(posted(webhook_receiver)) == told
        assert TicketDigest.objects.get().state == ("sent" if told else "nothing")

    @pytest.mark.parametrize("labels", [{"severity": "page"}, {"plane": "meta"}, {"team": "others"}])
    def test_nothing_that_was_not_muted_for_the_team(
        self, team: Team, webhook_receiver: HttpReceiver, labels: dict[str, str]
    ) -> None:
        incident(NIGHT, HOUR, **labels)
        run(JUST_AFTER)
        assert posted(webhook_receiver) == []

    def test_a_model_of_high_risk_was_not_muted(self, team: Team, webhook_receiver: HttpReceiver) -> None:
        MLModel.objects.update(risk="high")
        incident(NIGHT, HOUR)
        run(JUST_AFTER)
        assert posted(webhook_receiver) == []

    def test_the_platform_team_gets_what_teams_without_a_receiver_missed(
        self, team: Team, webhook_receiver: HttpReceiver
    ) -> None:
        Team.objects.update(name=OPTIONS.platform_team)
        incident(NIGHT, HOUR, team="nobody")
        run(JUST_AFTER)
        (body,) = posted(webhook_receiver)
        assert body["alerts"][0]["labels"]["team"] == "nobody"

    def test_over_a_weekend_it_covers_all_of_it(self, team: Team, webhook_receiver: HttpReceiver) -> None:
        friday_night, sunday = MONDAY - timedelta(days=2, hours=2), MONDAY - timedelta(hours=8)
        incident(friday_night, HOUR)
        incident(sunday, HOUR)
        run(MONDAY.replace(hour=7, minute=2))
        (body,) = posted(webhook_receiver)
        assert [alert["labels"]["alertname"] for alert in body["alerts"]] == ["A0", "A1"]

    def test_what_concerns_other_teams_leaves_no_team_untold(self, team: Team, webhook_receiver: HttpReceiver) -> None:
        for _ in range(501):
            incident(NIGHT, HOUR, team="another")
        incident(NIGHT, HOUR, alertname="Mine")
        assert run(JUST_AFTER).sent == 1
        (body,) = posted(webhook_receiver)
        assert [alert["labels"]["alertname"] for alert in body["alerts"]] == ["Mine"]

    def test_a_webhook_gets_the_alerts_in_alertmanagers_form(
        self, team: Team, webhook_receiver: HttpReceiver, settings: Settings
    ) -> None:
        settings.PLUMBLINE_URL = "https://plumbline.example.com"
        row = incident(NIGHT, HOUR)
        run(JUST_AFTER)
        (body,) = posted(webhook_receiver)
        assert (body["kind"], body["team"], body["id"]) == (
            "plumbline-ticket-digest",
            "flights",
            "flights/2026-07-07T07:00Z",
        )
        assert body["muted_from"] == "2026-07-06T15:00:00+00:00"
        assert body["alerts"] == [
            {
                "status": "resolved",
                "labels": row.labels,
                "annotations": row.annotations,
                "startsAt": "2026-07-06T22:00:00+00:00",
                "endsAt": "2026-07-06T23:00:00+00:00",
                "incident": f"https://plumbline.example.com/incidents/{row.pk}/",
            }
        ]

    def test_slack_gets_text_through_the_secret_file(
        self, team: Team, webhook_receiver: HttpReceiver, tmp_path: Path
    ) -> None:
        secret = tmp_path / "slack"
        secret.write_text(f"{webhook_receiver.url}/digest\n")
        Receiver.objects.update(kind="slack", address="#flights", secret_file=str(secret))
        incident(NIGHT, HOUR, alertname="Late")
        run(JUST_AFTER)
        (body,) = posted(webhook_receiver)
        assert body["channel"] == "#flights"
        assert "1 ticket while you were away (since 2026-07-06 15:00 UTC): 1 over, 0 still firing" in body["text"]
        assert "2026-07-06 22:00 UTC to 2026-07-06 23:00 UTC: Late happened" in body["text"]


class TestWhen:
    @pytest.mark.parametrize(
        "now",
        [MORNING - HOUR, MORNING, MORNING + timedelta(hours=9), MORNING + timedelta(days=4)],
        ids=["before", "while the night's last messages arrive", "after hours", "on a Saturday"],
    )
    def test_not_yet_and_not_outside_the_hours(self, team: Team, now: datetime) -> None:
        incident(NIGHT, HOUR)
        assert run(now) == Digested()
        assert not TicketDigest.objects.exists()

    def test_a_loop_that_was_down_catches_up_within_the_hours(self, team: Team, webhook_receiver: HttpReceiver) -> None:
        incident(NIGHT, HOUR)
        assert run(MORNING + timedelta(hours=5)).sent == 1

    def test_once_for_each_beginning(self, team: Team, webhook_receiver: HttpReceiver) -> None:
        incident(NIGHT, HOUR)
        for minutes in range(2, 60, 10):
            run(MORNING + timedelta(minutes=minutes))
        assert len(posted(webhook_receiver)) == 1
        incident(MORNING + timedelta(hours=12), HOUR)
        run(JUST_AFTER + timedelta(days=1))
        assert len(posted(webhook_receiver)) == 2

    def test_a_team_that_is_always_on_duty_gets_none(self, team: Team) -> None:
        Team.objects.update(always_on_duty=True)
        incident(NIGHT, HOUR)
        assert run(JUST_AFTER) == Digested()
        assert not TicketDigest.objects.exists()


class TestFaults:
    def test_a_receiver_that_fails_is_tried_again_and_told_once(
        self, team: Team, webhook_receiver: HttpReceiver
    ) -> None:
        incident(NIGHT, HOUR)
        webhook_receiver.answer = 500
        assert run(JUST_AFTER) == Digested(waiting=1)
        assert TicketDigest.objects.get().last_error == "The webhook answered 500."
        assert run(JUST_AFTER + timedelta(seconds=10)) == Digested(waiting=1)
        assert TicketDigest.objects.get().attempts == 1  # not due yet
        webhook_receiver.answer = 200
        assert run(JUST_AFTER + timedelta(minutes=1)) == Digested(sent=1)
        assert len(posted(webhook_receiver)) == 1

    def test_addresses_that_were_refused_are_named_and_tried_again_alone(
        self, team: Team, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        incident(NIGHT, HOUR)
        Receiver.objects.update(kind="email", address="a@example.com, b@example.com")
        with MailServer(tmp_path) as mail:
            settings.SMTP_SMARTHOST, settings.SMTP_FROM = mail.smarthost, "plumbline@example.com"
            monkeypatch.setenv("SSL_CERT_FILE", str(mail.ca))
            mail.unknown = frozenset({"b@example.com"})
            assert run(JUST_AFTER) == Digested(waiting=1)
            assert "The mail server refused b@example.com (550)." in digest_words(team)
            assert run(JUST_AFTER + timedelta(minutes=1)) == Digested(waiting=1)
            mail.unknown = frozenset()
            assert run(JUST_AFTER + HOUR) == Digested(sent=1)
        assert [letter.recipients for letter in mail.letters] == [("a@example.com",), ("b@example.com",)]

    def test_it_is_given_up_before_the_next_one(self, team: Team) -> None:
        Receiver.objects.update(address="http://127.0.0.1:9/")
        incident(NIGHT, HOUR)
        run(JUST_AFTER)
        run(JUST_AFTER + GIVE_UP_AFTER)
        digest = TicketDigest.objects.get()
        assert (digest.state, digest.last_error) == ("failed", "The webhook can't be reached: ConnectionError.")

    def test_a_worker_that_died_after_its_claim_is_taken_over_after_the_lease(
        self, team: Team, webhook_receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        incident(NIGHT, HOUR)

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setitem(sending.DELIVERIES, "webhook", killed)
            with pytest.raises(KeyboardInterrupt):
                run(JUST_AFTER)
        left = TicketDigest.objects.get()
        assert (left.state, left.attempts) == ("waiting", 1)  # the attempt was written before anything was sent
        TicketDigest.objects.update(next_attempt_at=JUST_AFTER + LEASE)  # claims are by the real clock
        assert run(JUST_AFTER + LEASE / 2) == Digested(waiting=1)
        assert run(JUST_AFTER + LEASE) == Digested(sent=1)

    def test_a_secret_file_that_cannot_be_read_is_named_and_its_content_never(self, team: Team, tmp_path: Path) -> None:
        Receiver.objects.update(kind="slack", address="#flights", secret_file=str(tmp_path / "missing"))
        incident(NIGHT, HOUR)
        run(JUST_AFTER)
        assert "missing: No such file or directory." in TicketDigest.objects.get().last_error
        (tmp_path / "missing").write_text("hunter2")
        run(JUST_AFTER + timedelta(minutes=1))
        assert "doesn't hold an http(s) address" in TicketDigest.objects.get().last_error
        assert "hunter2" not in TicketDigest.objects.get().last_error

    def test_a_receiver_that_was_taken_away_leaves_it_undelivered_and_says_so(
        self, team: Team, webhook_receiver: HttpReceiver
    ) -> None:
        incident(NIGHT, HOUR)
        webhook_receiver.answer = 500
        run(JUST_AFTER)
        Receiver.objects.all().delete()
        assert run(JUST_AFTER + HOUR) == Digested()
        assert TicketDigest.objects.get().state == "impossible"
        assert (
            "The newest, of 2026-07-07 07:00 UTC: can't be delivered, 1 alert: The team has no receiver"
            in digest_words(team)
        )

    def test_one_that_does_not_answer_holds_up_nothing_else_for_long(
        self, team: Team, webhook_receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = make_team("other", receivers=False, always_on_duty=False, time_zone="Europe/Berlin")
        Receiver.objects.create(team=other, severity="ticket", kind="webhook", address=f"{webhook_receiver.url}/digest")
        incident(NIGHT, HOUR)
        incident(NIGHT, HOUR, team="other")
        with monkeypatch.context() as patched:
            patched.setattr(sending, "PATIENCE", -1.0)
            assert run(JUST_AFTER) == Digested(waiting=2)
        assert run(JUST_AFTER) == Digested(sent=2)

    def test_one_that_drips_its_answer_is_given_up_and_tried_again(
        self, team: Team, webhook_receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        incident(NIGHT, HOUR)
        address = Receiver.objects.get().address
        with dripping() as url, monkeypatch.context() as patched:
            Receiver.objects.update(address=f"{url}/")
            patched.setattr(sending, "LONGEST_DELIVERY", 0.3)
            assert run(JUST_AFTER) == Digested(waiting=1)
        assert TicketDigest.objects.get().last_error == "The webhook receiver took over 0.3 seconds."
        Receiver.objects.update(address=address)
        assert run(JUST_AFTER + HOUR) == Digested(sent=1)

    def test_a_failure_is_on_every_page_until_it_is_delivered(self, team: Team, webhook_receiver: HttpReceiver) -> None:
        incident(NIGHT, HOUR)
        webhook_receiver.answer = 500
        run(JUST_AFTER)
        (told,) = failing(JUST_AFTER)
        assert "The webhook answered 500. It is tried again." in told
        assert failing(JUST_AFTER + timedelta(days=1)) == []
        webhook_receiver.answer = 200
        run(JUST_AFTER + HOUR)
        assert failing(JUST_AFTER + HOUR) == []


@pytest.mark.database
def test_two_workers_that_see_the_same_row_send_it_once(
    team: Team, webhook_receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident(NIGHT, HOUR)
    claim = sending._claim

    def overtaken(digest: TicketDigest, now: datetime) -> bool:
        """The other worker does all of its run between our look and our claim."""
        monkeypatch.setattr(sending, "_claim", claim)
        assert run(now) == Digested(sent=1)
        return claim(digest, now)

    monkeypatch.setattr(sending, "_claim", overtaken)
    assert run(JUST_AFTER) == Digested()
    assert len(posted(webhook_receiver)) == 1
    assert TicketDigest.objects.get().attempts == 1


def test_it_is_a_step_of_the_loop(team: Team, webhook_receiver: HttpReceiver) -> None:
    incident(NIGHT, HOUR)
    assert reconcile.STEPS["digests"](JUST_AFTER) == "1 sent, 0 waiting"
    assert len(posted(webhook_receiver)) == 1


def test_the_teams_page_says_what_becomes_of_muted_tickets(team: Team, client, superuser) -> None:
    client.force_login(superuser)
    page = f"/admin/models_registry/team/{team.pk}/change/"
    assert "Plumbline tells the tickets&#x27; receiver (Webhook)" in client.get(page).content.decode()
    Receiver.objects.update(kind="pagerduty", address="", secret_file="/run/secrets/pager")
    shown = client.get(page).content.decode()
    assert "receiver (PagerDuty)" in shown and "It reads /run/secrets/pager for that" in shown
    Receiver.objects.all().delete()
    assert "they go to the platform team" in client.get(page).content.decode()
    assert client.get("/admin/models_registry/team/add/").status_code == 200
