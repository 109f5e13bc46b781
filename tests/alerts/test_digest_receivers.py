"""A digest reaches each kind of receiver in the kind's own form, once, by its key; what fails is told without secrets.

PagerDuty, Opsgenie and Teams are stood in for by an HTTP server, the mail server by one that speaks SMTP with STARTTLS.
"""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from alerts.digests.text import MOST_LINES, Digest, MutedAlert, headline, markdown, plain, slack
from alerts.receivers import opsgenie, pagerduty, posting
from alerts.receivers.posting import NotDelivered
from alerts.receivers.slices import DELIVERIES
from controlplane.stack.receiver import Delivery
from controlplane.stack.receiver import Receiver as HttpReceiver
from models_registry.fleet import FleetReceiver
from models_registry.models import Receiver
from tests.doubles.mail_server import MailServer

EVENING, NIGHT = datetime(2026, 7, 6, 15, tzinfo=UTC), datetime(2026, 7, 6, 22, tzinfo=UTC)
MORNING = datetime(2026, 7, 7, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECRET = "hunter2-and-more"


def muted(alert: str = "MLBaselineStale", lasted: timedelta | None = HOUR, **fields: Any) -> MutedAlert:
    given = {"model_name": "fraud", "summary": f"{alert} happened", "unheard": False, "link": "https://p/incidents/1/"}
    return MutedAlert(alert, starts_at=NIGHT, ends_at=NIGHT + lasted if lasted else None, **(given | fields))


def digest(*told: MutedAlert) -> Digest:
    return Digest("flights/2026-07-07T07:00Z", "flights", EVENING, MORNING, told or (muted(),), "https://p/incidents/")


@pytest.fixture
def http(webhook_receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> HttpReceiver:
    """Stands in for PagerDuty and Opsgenie."""
    webhook_receiver.clear()
    monkeypatch.setattr(pagerduty, "EVENTS", f"{webhook_receiver.url}/v2/enqueue")
    monkeypatch.setattr(opsgenie, "OPSGENIE", (f"{webhook_receiver.url}/", f"{webhook_receiver.url}/eu/"))
    return webhook_receiver


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    return file


@pytest.fixture(scope="module")
def mail_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    with MailServer(tmp_path_factory.mktemp("mail")) as server:
        yield server


@pytest.fixture
def mail(mail_server: MailServer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> MailServer:
    mail_server.clear()
    settings.SMTP_SMARTHOST, settings.SMTP_FROM = mail_server.smarthost, "Plumbline <plumbline@example.com>"
    settings.SMTP_USERNAME = settings.SMTP_PASSWORD_FILE = ""
    monkeypatch.setenv("SSL_CERT_FILE", str(mail_server.ca))
    return mail_server


def deliver(
    kind: str, *told: MutedAlert, address: str = "", file: Path | None = None, had_by: frozenset[str] = frozenset()
) -> None:
    DELIVERIES[kind](FleetReceiver("ticket", kind, address, str(file or "")), replace(digest(*told), had_by=had_by))


def only(http: HttpReceiver) -> Delivery:
    (delivery,) = http.received()
    return delivery


@contextmanager
def answering(body: bytes, status: str = "200 OK") -> Iterator[str]:
    """The address of a server whose one answer is that."""

    def answer() -> None:
        held, _ = listening.accept()
        with held:
            held.recv(65536)
            held.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        thread.join(5)


def test_each_kind_of_receiver_can_be_told_a_digest() -> None:
    assert set(DELIVERIES) == set(Receiver.Kind.values)


class TestPagerDuty:
    def test_it_gets_an_alert_of_its_own(self, http: HttpReceiver, secret: Path) -> None:
        deliver("pagerduty", muted(), muted("MLVersionMismatch", lasted=None), file=secret)
        sent = only(http)
        assert sent.path == "/v2/enqueue"
        assert (sent.body["routing_key"], sent.body["event_action"]) == (SECRET, "trigger")
        told = sent.body["payload"]
        assert told["summary"] == headline(digest(muted(), muted(lasted=None)))
        assert told["severity"] == "warning" and told["group"] == "flights" and told["source"] == "Plumbline"
        assert "MLVersionMismatch fraud 2026-07-06 22:00 UTC still firing" in told["custom_details"]["tickets"]
        assert {"href": "https://p/incidents/1/", "text": "MLBaselineStale"} in sent.body["links"]

    def test_what_is_all_over_is_for_information(self, http: HttpReceiver, secret: Path) -> None:
        deliver("pagerduty", muted(), file=secret)
        assert only(http).body["payload"]["severity"] == "info"

    def test_a_repeated_one_has_the_same_key(self, http: HttpReceiver, secret: Path) -> None:
        deliver("pagerduty", file=secret)
        deliver("pagerduty", file=secret)
        keys = {delivery.body["dedup_key"] for delivery in http.received()}
        assert keys == {"plumbline-digest/flights/2026-07-07T07:00Z"}


class TestOpsgenie:
    @pytest.mark.parametrize(("elsewhere", "path"), [("", "/v2/alerts"), ("eu/", "/eu/v2/alerts")])
    def test_it_gets_an_alert_of_its_own(self, http: HttpReceiver, secret: Path, elsewhere: str, path: str) -> None:
        deliver("opsgenie", address=f"{http.url}/{elsewhere}" if elsewhere else "", file=secret)
        sent = only(http)
        assert (sent.path, sent.authorization) == (path, f"GenieKey {SECRET}")
        assert sent.body["message"] == headline(digest())
        assert sent.body["alias"] == "plumbline-digest/flights/2026-07-07T07:00Z"
        assert sent.body["priority"] == "P5" and "MLBaselineStale happened" in sent.body["description"]

    def test_what_still_fires_is_as_urgent_as_a_ticket(self, http: HttpReceiver, secret: Path) -> None:
        deliver("opsgenie", muted(lasted=None), file=secret)
        assert only(http).body["priority"] == "P3"

    def test_the_key_is_sent_to_nobody_else(self, http: HttpReceiver, secret: Path) -> None:
        with pytest.raises(NotDelivered, match="none of Opsgenie's addresses"):
            deliver("opsgenie", address=f"{http.url}/elsewhere/", file=secret)
        assert http.received() == []

    def test_much_is_cut_to_what_it_takes(self, http: HttpReceiver, secret: Path) -> None:
        deliver("opsgenie", *[muted(f"A{i}" + "x" * 60, summary="s" * 500) for i in range(60)], file=secret)
        body = only(http).body
        assert len(body["message"]) <= 130 and len(body["description"]) <= 15_000


class TestTeams:
    def test_it_gets_a_card_at_the_address_in_the_file(self, http: HttpReceiver, secret: Path) -> None:
        secret.write_text(f"{http.url}/teams\n")
        deliver("teams", file=secret)
        sent = only(http)
        assert (sent.path, sent.body["@type"], sent.body["title"]) == ("/teams", "MessageCard", headline(digest()))
        assert "[MLBaselineStale fraud](https://p/incidents/1/)" in sent.body["text"]
        assert sent.body["potentialAction"][0]["targets"][0]["uri"] == "https://p/incidents/"

    def test_an_error_that_it_answers_with_200_is_one(self, secret: Path) -> None:
        said = b"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429"
        with answering(said) as address:
            secret.write_text(address)
            with pytest.raises(NotDelivered, match="did not take the message"):
                deliver("teams", file=secret)

    def test_a_night_full_of_tickets_is_a_message_that_it_takes(self) -> None:
        much = digest(*[muted(f"A{i}" + "x" * 40, summary="s_" * 300) for i in range(200)])
        assert len(json.dumps(markdown(much))) < 28_000
        assert f"and {200 - MOST_LINES} more" in markdown(much)


class TestMail:
    def test_it_is_sent_over_tls_to_each_address(self, mail: MailServer) -> None:
        deliver("email", address="a@example.com, b@example.com")
        (letter,) = mail.letters
        assert letter.sender == "plumbline@example.com"
        assert letter.recipients == ("a@example.com", "b@example.com")
        assert letter.message["Subject"] == f"[Plumbline] {headline(digest())}"
        assert "- MLBaselineStale fraud 2026-07-06 22:00 UTC to 2026-07-06 23:00 UTC" in letter.message.get_content()
        assert "https://p/incidents/1/" in letter.message.get_content()
        assert letter.message["Auto-Submitted"] == "auto-generated"
        assert letter.user == ""

    def test_it_signs_in_where_a_name_is_set(self, mail: MailServer, settings: Settings, secret: Path) -> None:
        settings.SMTP_USERNAME, settings.SMTP_PASSWORD_FILE = "plumbline", str(secret)
        deliver("email", address="a@example.com")
        assert [(letter.user, letter.password) for letter in mail.letters] == [("plumbline", SECRET)]

    def test_a_repeated_one_has_the_same_id(self, mail: MailServer) -> None:
        for _ in range(2):
            deliver("email", address="a@example.com")
        ids = {letter.message["Message-ID"] for letter in mail.letters}
        assert ids == {"<plumbline-digest.flights.20260707T0700@example.com>"}

    @pytest.mark.parametrize("command", ["STARTTLS", "MAIL", "RCPT", "DATA"])
    def test_a_server_that_refuses_is_named_by_its_answer(self, mail: MailServer, command: str) -> None:
        mail.refuses = command
        with pytest.raises(NotDelivered, match="The mail server"):
            deliver("email", address="a@example.com")
        assert mail.letters == []

    def test_who_was_refused_is_named_and_the_next_try_is_for_them_alone(self, mail: MailServer) -> None:
        mail.unknown, everybody = frozenset({"b@example.com"}), "a@example.com, b@example.com,c@example.com"
        with pytest.raises(NotDelivered, match=r"^The mail server refused b@example.com \(550\).$") as refused:
            deliver("email", address=everybody)
        assert refused.value.had_by == ("a@example.com", "c@example.com")
        mail.unknown = frozenset()
        deliver("email", address=everybody, had_by=frozenset(refused.value.had_by))
        assert [letter.recipients for letter in mail.letters] == [refused.value.had_by, ("b@example.com",)]
        assert {letter.message["To"] for letter in mail.letters} == {"a@example.com, b@example.com, c@example.com"}

    def test_who_was_refused_is_named_where_all_were(self, mail: MailServer) -> None:
        mail.unknown = frozenset({"a@example.com"})
        with pytest.raises(NotDelivered, match=r"refused a@example.com \(550\)") as refused:
            deliver("email", address="a@example.com")
        assert refused.value.had_by == ()

    def test_nothing_is_sent_without_tls(self, mail: MailServer) -> None:
        mail.starttls = False
        with pytest.raises(NotDelivered, match="offers no STARTTLS"):
            deliver("email", address="a@example.com")

    def test_nothing_is_sent_to_a_server_with_another_certificate(
        self, mail: MailServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(NotDelivered, match="SSLCertVerificationError"):
            deliver("email", address="a@example.com")
        assert mail.letters == []

    @pytest.mark.parametrize("smarthost", ["", "mail", "mail:smtp"])
    def test_a_server_that_is_none_is_named(self, mail: MailServer, settings: Settings, smarthost: str) -> None:
        settings.SMTP_SMARTHOST = smarthost
        with pytest.raises(NotDelivered, match="SMTP_SMARTHOST"):
            deliver("email", address="a@example.com")


class TestFaults:
    @pytest.mark.parametrize(("kind", "name"), [("pagerduty", "PagerDuty"), ("opsgenie", "Opsgenie")])
    def test_who_refuses_is_named_and_the_key_is_not(
        self, http: HttpReceiver, secret: Path, kind: str, name: str
    ) -> None:
        http.answer = 429
        with pytest.raises(NotDelivered) as failed:
            deliver(kind, file=secret)
        assert str(failed.value) == f"{name} answered 429."

    @pytest.mark.parametrize("kind", ["pagerduty", "opsgenie", "slack", "teams"])
    @pytest.mark.parametrize(
        "held", [None, b"", b"\xff\xfe", b"two\nlines"], ids=["missing", "empty", "bytes", "lines"]
    )
    def test_a_file_that_holds_no_secret_is_named(
        self, http: HttpReceiver, tmp_path: Path, kind: str, held: bytes | None
    ) -> None:
        file = tmp_path / "held"
        if held is not None:
            file.write_bytes(held)
        with pytest.raises(NotDelivered, match=str(file)) as failed:
            deliver(kind, address="#c" if kind == "slack" else "", file=file)
        assert "two" not in str(failed.value)
        assert http.received() == []

    def test_who_never_answers_is_not_waited_for(self, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(posting, "TIMEOUT", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            monkeypatch.setattr(pagerduty, "EVENTS", f"http://127.0.0.1:{listening.getsockname()[1]}/")
            with pytest.raises(NotDelivered, match="PagerDuty gave no answer in time"):
                deliver("pagerduty", file=secret)

    def test_a_redirection_is_not_followed(
        self, http: HttpReceiver, secret: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with answering(b"", f"307 Elsewhere\r\nLocation: {http.url}/caught") as address:
            monkeypatch.setattr(pagerduty, "EVENTS", address)
            with pytest.raises(NotDelivered, match="answered 307"):
                deliver("pagerduty", file=secret)
        assert http.received() == []


@pytest.mark.parametrize("text", [slack, markdown])
def test_no_name_becomes_a_link_or_a_mention(text: Any) -> None:
    said = text(digest(muted(model_name="<!channel> [x](http://evil)", summary="<http://evil|x> *y*", unheard=True)))
    if text is slack:
        assert "&lt;!channel&gt;" in said and "<!channel" not in said and "<http://evil" not in said
    else:
        assert r"\<!channel\> \[x\](http://evil)" in said
        assert not re.search(r"(?<!\\)(<http://evil|\[x\]|<!channel)", said)
    assert "silenced, inhibited or lost" in said


def test_plain_text_says_where_each_is_kept() -> None:
    assert plain(digest(muted())).splitlines() == [
        "- MLBaselineStale fraud 2026-07-06 22:00 UTC to 2026-07-06 23:00 UTC: MLBaselineStale happened",
        "  https://p/incidents/1/",
        "",
        "https://p/incidents/",
    ]
