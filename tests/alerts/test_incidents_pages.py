"""The incidents' list and one incident's page."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from alerts.models import Incident
from models_registry import traffic
from models_registry.actor import Actor
from models_registry.models import Change
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.database

NOW = timezone.now()


def incident(number: int, **fields: object) -> Incident:
    values = {
        "fingerprint": f"{number:016x}",
        "starts_at": NOW - timedelta(hours=number),
        "alert": "MLServingDown",
        "model_name": "fraud",
        "team": "payments",
        "severity": "page",
        "labels": {"alertname": "MLServingDown"},
        "source": "webhook",
        "first_seen_at": NOW,
        "last_seen_at": NOW,
        **fields,
    }
    return Incident.objects.create(**values)


@pytest.fixture
def reader(client: Client, stranger: User) -> Client:
    client.force_login(stranger)
    return client


@pytest.mark.usefixtures("registry")
class TestTheList:
    def shown(self, client: Client, query: str = "") -> list[int]:
        response = client.get(f"/incidents/?{query}")
        assert response.status_code == 200
        return [row.pk for row in response.context["paged"].page.object_list]

    def test_open_ones_come_first_then_the_latest(self, reader: Client) -> None:
        closed, late = incident(1, ends_at=NOW), incident(2, ends_at=NOW + timedelta(minutes=1))
        still = incident(9)
        assert self.shown(reader) == [still.pk, late.pk, closed.pk]

    def test_filters(self, reader: Client) -> None:
        a = incident(1, model_name="eta", team="search", severity="ticket", alert="MLDriftManyFeatures")
        b = incident(2, ends_at=NOW, feature_name="50% off")
        assert self.shown(reader, "state=open") == [a.pk]
        assert self.shown(reader, "state=closed") == [b.pk]
        assert self.shown(reader, "team=search") == [a.pk]
        assert self.shown(reader, "model_name=fraud") == [b.pk]
        assert self.shown(reader, "severity=ticket") == [a.pk]
        assert self.shown(reader, "q=drift+eta") == [a.pk]
        assert self.shown(reader, "q=50%25") == [b.pk]
        assert self.shown(reader, "q=nothing") == []
        assert self.shown(reader, "state=odd&page=99&page=x") == [a.pk, b.pk]

    def test_pages(self, reader: Client) -> None:
        for number in range(60):
            incident(number)
        assert len(self.shown(reader)) == 25
        assert len(self.shown(reader, "page=3")) == 10
        assert "state=open&amp;page=2" in reader.get("/incidents/?state=open").content.decode()

    def test_only_registered_models_are_links(self, reader: Client) -> None:
        incident(1, model_name="elsewhere")
        assert "/models/elsewhere/" not in reader.get("/incidents/").content.decode()

    def test_says_that_there_are_none(self, reader: Client) -> None:
        assert "No incidents yet" in reader.get("/incidents/").content.decode()


class TestOne:
    def test_leads_to_its_runbook_and_shows_what_changed_around_its_start(
        self, reader: Client, registry: Registry, owner: User
    ) -> None:
        found = incident(5, model_version="v2")
        change = traffic.deploy(registry.model, "v2", percent=10, actor=Actor.of(owner))
        assert change is not None
        Change.objects.filter(pk=change.pk).update(at=found.starts_at - timedelta(minutes=10))
        page = reader.get(f"/incidents/{found.pk}/").content.decode()
        assert "/runbooks/MLServingDown/?model_name=fraud&amp;model_version=v2" in page
        assert "fraud v2: canary 10%" in page
        Change.objects.filter(pk=change.pk).update(at=found.starts_at - timedelta(days=2))
        assert "fraud v2: canary 10%" not in reader.get(f"/incidents/{found.pk}/").content.decode()

    @pytest.mark.usefixtures("registry")
    def test_of_an_alert_that_is_not_ours_has_no_runbook(self, reader: Client) -> None:
        found = incident(5, alert="DiskFull", model_name="", labels={"alertname": "DiskFull"})
        page = reader.get(f"/incidents/{found.pk}/").content.decode()
        assert "Open the runbook" not in page
