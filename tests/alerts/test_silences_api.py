"""Silences over REST, in a real Alertmanager: listed in pages, made for what an alert carries, ended; by whom may."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from alerts.alertmanager import Alertmanager
from alerts.fingerprint import fingerprint
from alerts.models import CustomAlert, Incident
from models_registry.models import Change
from tests.alerts.test_silences import HOURS, fire, silence
from tests.fixtures.registry import Registry, make_model, make_team

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("registry")]

LIST = "/api/silences/"
NEW = {"alert": "MLServingDown", "model": "fraud", "duration": "4h", "reason": "known, being fixed"}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, **body: Any) -> Any:
    return client.post(LIST, {**NEW, **body}, content_type="application/json")


class TestListing:
    def test_tells_owner_reason_end_and_what_is_silenced_now(
        self, alertmanager: Alertmanager, stranger: User, now: datetime
    ) -> None:
        labels = fire(alertmanager, now)
        identity = silence(alertmanager, labels, now, timedelta(hours=1))
        incident = Incident.objects.create(
            fingerprint=fingerprint(labels),
            starts_at=now,
            alert="MLServingDown",
            labels=labels,
            source="webhook",
            first_seen_at=now,
            last_seen_at=now,
        )
        answer = signed_in(stranger).get(LIST).json()
        (row,) = answer["results"]
        assert (answer["count"], row["id"], row["owner"], row["reason"]) == (1, identity, "alice", "being fixed")
        assert datetime.fromisoformat(row["ends_at"]) == now + timedelta(hours=1)
        assert row["model"] == "fraud" and 'alertname="MLServingDown"' in row["matchers"]
        assert row["silences"].startswith("MLServingDown fraud")
        assert [(each["labels"], each["incident"]) for each in row["silenced_now"]] == [(labels, incident.pk)]
        assert row["may_end"] is False
        assert signed_in(stranger).get(f"{LIST}{identity}/").json() == row

    def test_comes_in_pages_of_one_model_or_alert_in_the_same_number_of_queries(
        self,
        alertmanager: Alertmanager,
        on_call: User,
        now: datetime,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        client = signed_in(on_call)

        def fill(names: range) -> None:
            for n in names:
                about = {"alertname": "MLServingDown", "model_name": f"model-{n}"}
                alertmanager.create_silence(about, starts_at=now, ends_at=now + HOURS, author="a", comment="c")

        make_model("model-0")
        make_model("model-59")
        fill(range(2))
        client.get(LIST)
        with django_assert_num_queries(4):
            client.get(LIST)
        fill(range(2, 60))
        with django_assert_num_queries(4):
            first = client.get(LIST).json()
        assert (first["count"], len(first["results"])) == (60, 50)
        assert len(client.get(f"{LIST}?page=2").json()["results"]) == 10
        assert [row["model"] for row in client.get(f"{LIST}?model=model-59").json()["results"]] == ["model-59"]
        assert client.get(f"{LIST}?alert=Other").json()["count"] == 0

    def test_an_alertmanager_that_cannot_be_reached_is_no_empty_list(self, stranger: User, settings: Settings) -> None:
        settings.ALERTMANAGER_URL = "http://127.0.0.1:9"
        answer = signed_in(stranger).get(LIST)
        assert answer.status_code == 503
        assert "What is silenced is not known" in answer.json()["detail"]

    def test_signing_in_comes_first(self, client: Client) -> None:
        assert [client.get(LIST).status_code, post(client).status_code] == [401, 401]


class TestMaking:
    def test_the_on_call_silences_an_alert_of_the_model_with_a_change(
        self, alertmanager: Alertmanager, on_call: User, now: datetime
    ) -> None:
        answer = post(signed_in(on_call))
        assert answer.status_code == 201, answer.content
        (held,) = alertmanager.silences()
        assert (held.identity, held.author, held.comment) == (answer.json()["id"], "on-call", "known, being fixed")
        assert {m.label: m.value for m in held.matchers} == {"alertname": "MLServingDown", "model_name": "fraud"}
        assert abs(held.ends_at - now - HOURS) < timedelta(seconds=10)
        change = Change.objects.get(reason="known, being fixed")
        assert change.after["silence"] == held.identity and change.author == "on-call"

    def test_the_labels_of_a_firing_alert_will_do(self, alertmanager: Alertmanager, owner: User, now: datetime) -> None:
        labels = {
            "alertname": "MLInferenceHighErrorRate",
            "model_name": "fraud",
            "model_version": "v1",
            "route": "predict",
            "severity": "page",
            "team": "payments",
        }
        answer = post_labels(signed_in(owner), labels)
        assert answer.status_code == 201, answer.content
        assert set(answer.json()["matchers"]) == {f'{label}="{value}"' for label, value in labels.items()}
        (held,) = alertmanager.silences()
        assert {m.label: m.value for m in held.matchers} == labels

    def test_is_for_who_may_operate_the_model(
        self, alertmanager: Alertmanager, stranger: User, teammate: User, registry: Registry, on_call: User
    ) -> None:
        make_model("elsewhere", make_team("others"))
        for person, body in ((stranger, {}), (teammate, {}), (on_call, {"model": "elsewhere"})):
            assert post(signed_in(person), **body).status_code == 403
        assert alertmanager.silences() == []
        assert not Change.objects.filter(summary__contains="silenced").exists()

    @pytest.mark.parametrize(
        ("body", "field", "told"),
        [
            ({"alert": "Nonsense"}, "alert", "no alert 'Nonsense'"),
            ({"model": "nobody"}, "model", "no model 'nobody'"),
            ({"version": "v77"}, "version", "no version 'v77'"),
            ({"version": "v1"}, "version", "has no label 'model_version'"),
            ({"alert": "MLFeatureMissingRatioHigh", "feature": "nope"}, "feature", "no feature 'nope'"),
            ({"reason": ""}, "reason", "blank"),
            ({"duration": "a while"}, "duration", "not a duration"),
            ({"duration": "8d"}, "duration", "1m to 1w"),
            ({"for": "4h"}, "for", "Unknown field"),
            ({"labels": {"alertname": "MLServingDown"}}, "labels", "either labels, or alert"),
        ],
    )
    def test_a_wrong_field_is_named_and_nothing_is_silenced(
        self, alertmanager: Alertmanager, owner: User, body: dict[str, Any], field: str, told: str
    ) -> None:
        answer = post(signed_in(owner), **body)
        assert answer.status_code == 400
        assert told in str(answer.json()[field])
        assert alertmanager.silences() == []

    @pytest.mark.parametrize(
        "labels",
        [{}, {"alertname": "MLServingDown"}, {"model_name": "fraud"}, {"alertname": "", "model_name": "fraud"}],
    )
    def test_never_all_alerts_or_all_models(
        self, alertmanager: Alertmanager, owner: User, labels: dict[str, str]
    ) -> None:
        assert post_labels(signed_in(owner), labels).status_code == 400
        assert alertmanager.silences() == []

    def test_an_alert_of_a_persons_own_may_carry_any_label(
        self, alertmanager: Alertmanager, owner: User, registry: Registry
    ) -> None:
        CustomAlert.objects.create(
            model=registry.model,
            name="Odd",
            expression="up == 0",
            description="Odd.",
            runbook="r",
            fires_case={},
            silent_case={},
        )
        labels = {"alertname": "Odd", "model_name": "fraud", "region": 'no"rth'}
        assert post_labels(signed_in(owner), labels).status_code == 201
        (held,) = alertmanager.silences()
        assert held.value_of("region") == 'no"rth'

    def test_nothing_is_recorded_where_alertmanager_cannot_be_reached(
        self, registry: Registry, owner: User, settings: Settings
    ) -> None:
        settings.ALERTMANAGER_URL = "http://127.0.0.1:9"
        answer = post(signed_in(owner))
        assert answer.status_code == 503 and "nothing was changed" in answer.json()["detail"]
        assert not Change.objects.filter(summary__contains="silenced").exists()


def post_labels(client: Client, labels: dict[str, str]) -> Any:
    body = {"labels": labels, "duration": "1h", "reason": "known"}
    return client.post(LIST, body, content_type="application/json")


class TestEnding:
    def test_the_on_call_ends_it_with_a_change(
        self, alertmanager: Alertmanager, on_call: User, registry: Registry
    ) -> None:
        client = signed_in(on_call)
        address = f"{LIST}{post(client).json()['id']}/"
        assert client.get(address).json()["may_end"] is True
        assert client.delete(address).status_code == 204
        assert alertmanager.silences() == []
        change = Change.objects.get(summary__contains="was ended")
        assert (change.author, change.model) == ("on-call", registry.model)
        # Safe to repeat: it is gone.
        assert [client.delete(address).status_code, client.get(address).status_code] == [404, 404]

    def test_nobody_else_does(
        self, alertmanager: Alertmanager, on_call: User, owner: User, stranger: User, now: datetime
    ) -> None:
        of_the_model = post(signed_in(owner)).json()["id"]
        of_nobody = alertmanager.create_silence(
            {"alertname": "X"}, starts_at=now, ends_at=now + HOURS, author="a", comment="c"
        )
        for person, identity in ((stranger, of_the_model), (on_call, of_nobody)):
            assert signed_in(person).delete(f"{LIST}{identity}/").status_code == 403
        assert {each.identity for each in alertmanager.silences()} == {of_the_model, of_nobody}
        assert not Change.objects.filter(summary__contains="was ended").exists()
