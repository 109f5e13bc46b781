"""Who gets paged, in the web UI and over the API: the receivers, and the way to each in words."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from alerts.models import AlertPolicy
from models_registry.models import Receiver
from tests.fixtures.registry import Registry, make_feature, make_team

SATURDAY, MONDAY = "2026-07-04T12:00", "2026-07-06T12:00"


@pytest.fixture
def asking(client: Client, registry: Registry, stranger: User) -> Client:
    """Somebody of no team: everybody who is signed in may ask. The team keeps hours; the platform team never sleeps."""
    registry.team.always_on_duty = False
    registry.team.save()
    make_team("platform")
    client.force_login(stranger)
    return client


def page(client: Client, **asked: str) -> str:
    return client.get("/who/", asked).content.decode()


class TestThePage:
    def test_asks_before_it_answers(self, asking: Client) -> None:
        html = page(asking)
        assert "fraud</option>" in html and "MLServingDown</option>" in html
        assert "Answer 1" not in html

    def test_names_the_receiver_and_the_way_to_it(self, asking: Client) -> None:
        html = page(asking, model="fraud", alert="MLServingDown")
        assert "payments/page" in html and "Webhook http://127.0.0.1:9/payments/page" in html
        assert "Team is payments, then severity is page." in html

    def test_says_what_could_silence_it(self, asking: Client) -> None:
        html = page(asking, model="fraud", alert="MLInferenceHighErrorRate")
        assert "An alert whose alertname is MLServingDown and severity is page, of the same model_name fraud." in html

    def test_a_ticket_waits_on_a_saturday(self, asking: Client) -> None:
        asked = {"model": "fraud", "alert": "MLDriftCheckStale"}
        assert "waits: outside payments/hours" in page(asking, **asked, at=SATURDAY)
        assert "2026-07-06 09:00 UTC" in page(asking, **asked, at=SATURDAY)
        assert "What is over by then comes in the digest." in page(asking, **asked, at=SATURDAY)
        assert "waits: outside" not in page(asking, **asked, at=MONDAY)

    def test_a_team_that_cannot_be_told_is_said_so(self, asking: Client) -> None:
        Receiver.objects.all().delete()
        assert "No team is told" in page(asking, model="fraud", alert="MLServingDown")

    def test_takes_labels(self, asking: Client) -> None:
        html = page(asking, labels='team=payments\nseverity="ticket"\nplane=meta', at=SATURDAY)
        assert "payments/ticket" in html and "waits: outside" not in html

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            ({"alert": "MLServingDown"}, "can&#x27;t fire without a model"),
            ({"labels": "team"}, "is no label"),
            ({"labels": "a=b", "alert": "MLServingDown"}, "not both"),
            ({"labels": "a=b", "at": "yesterday"}, "Enter a valid date/time"),
            ({"model": "nope", "alert": "MLServingDown"}, "Select a valid choice"),
        ],
    )
    def test_says_what_is_wrong_with_the_question(self, asking: Client, asked: dict[str, str], said: str) -> None:
        html = page(asking, **asked)
        assert said in html
        assert "Answer 1" not in html

    def test_shows_what_was_typed_and_obeys_none_of_it(self, asking: Client) -> None:
        html = page(asking, labels="x=<script>alert(1)</script>")
        assert "<script>alert(1)" not in html and "&lt;script&gt;" in html

    def test_is_linked_from_the_models_page(self, asking: Client, settings) -> None:
        settings.PROMETHEUS_URL = "http://127.0.0.1:9"
        assert "/who/?model=fraud&amp;alert=MLServingDown" in asking.get("/models/fraud/").content.decode()

    def test_signing_in_comes_first(self, client: Client, db: None) -> None:
        assert client.get("/who/").status_code == 302


class TestTheApi:
    def ask(self, client: Client, **question: object):
        return client.post(reverse("api-who"), question, content_type="application/json")

    def test_answers_with_the_path(self, asking: Client) -> None:
        body = self.ask(asking, alert="MLServingDown", model="fraud").json()
        (answer,) = body["answers"]
        assert answer["labels"]["team"] == "payments"
        assert [told["receiver"] for told in answer["told"]] == ["plumbline", "payments/page"]
        assert answer["told"][1]["path"] == [["team is payments"], ["severity is page"]]
        assert answer["told"][1]["told"] is True

    def test_a_ticket_says_from_when_it_is_told(self, asking: Client) -> None:
        body = self.ask(asking, labels={"team": "payments", "severity": "ticket"}, at=f"{SATURDAY}:00Z").json()
        told = body["answers"][0]["told"][1]
        assert (told["told"], told["muted_by"]) == (False, "payments/hours")
        assert told["told_from"] == "2026-07-06T09:00:00Z"

    def test_a_features_alert_goes_to_each_team_that_owns_one(self, asking: Client, registry: Registry) -> None:
        make_feature(registry.model, "geo", team=make_team("geo"))
        answers = self.ask(asking, alert="MLFeatureMissingRatioHigh", model="fraud").json()["answers"]
        assert [answer["labels"]["team"] for answer in answers] == ["payments", "geo"]
        (only,) = self.ask(asking, alert="MLFeatureMissingRatioHigh", model="fraud", feature="geo").json()["answers"]
        assert only["told"][1]["receiver"] == "geo/ticket"

    def test_an_alert_that_is_off_cannot_fire(self, asking: Client, registry: Registry) -> None:
        AlertPolicy.objects.create(alert="MLServingDown", model=registry.model, enabled=False)
        refused = self.ask(asking, alert="MLServingDown", model="fraud")
        assert refused.status_code == 400 and "off" in refused.json()["alert"][0]

    @pytest.mark.parametrize(
        ("question", "field"),
        [
            ({}, "labels"),
            ({"alert": "MLServingDown", "labels": {}}, "labels"),
            ({"alert": "Nope"}, "alert"),
            ({"alert": "MLServingDown", "model": "nope"}, "model"),
            ({"labels": {}, "wrong": 1}, "wrong"),
            ({"labels": {}, "at": "noon"}, "at"),
        ],
    )
    def test_a_wrong_question_is_named(self, asking: Client, question: dict, field: str) -> None:
        refused = self.ask(asking, **question)
        assert refused.status_code == 400 and field in refused.json()

    def test_needs_a_person(self, client: Client, db: None) -> None:
        assert self.ask(client, labels={}).status_code == 401
