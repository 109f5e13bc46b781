"""No page's queries grow with the rows it shows, and none is shown to a stranger."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from alerts.models import Incident
from controlplane.models import Release
from models_registry import traffic
from models_registry.actor import Actor
from models_registry.models import Change
from tests.fixtures.registry import Registry, make_baseline, make_model, make_team

pytestmark = pytest.mark.database

LISTS = ["/", "/incidents/", "/releases/", "/changes/", "/runbooks/"]


@pytest.fixture(autouse=True)
def without_prometheus(settings: Settings) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"


def fill(count: int, actor: Actor, start: int) -> None:
    """`count` models, each with a team, versions, a baseline and changes; as many incidents and releases."""
    now = timezone.now()
    for i in range(start, start + count):
        model = make_model(f"model-{i}", make_team(f"team-{i}"), versions=("v1", "v2"), live="v1", features=("a", "b"))
        model.versions.update(baseline=make_baseline(model))
        traffic.deploy(model, "v2", percent=5, actor=actor)
        Incident.objects.create(
            fingerprint=f"{i:016x}",
            starts_at=now - timedelta(hours=i),
            alert="MLServingDown",
            model_name=model.name,
            source="webhook",
            first_seen_at=now,
            last_seen_at=now,
        )
        Release.objects.create(hash=f"{i:064x}", outcome=Release.Outcome.PUBLISHED, log=[{"step": "x"}] * i)


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@pytest.mark.parametrize("address", LISTS)
def test_a_list_takes_as_many_queries_for_20_rows_as_for_2(client: Client, superuser: User, address: str) -> None:
    client.force_login(superuser)
    actor = Actor.of(superuser)
    fill(2, actor, 0)
    client.get(address)  # what is cached for all requests, is cached now
    few = queries(client, address)
    fill(18, actor, 2)
    assert queries(client, address) == few
    assert few < 40


@pytest.mark.parametrize("address", ["/models/fraud/", "/runbooks/MLServingDown/?model_name=fraud"])
def test_a_models_page_takes_as_many_queries_whatever_the_fleet(
    client: Client, registry: Registry, superuser: User, address: str
) -> None:
    client.force_login(superuser)
    client.get(address)
    alone = queries(client, address)
    fill(10, Actor.of(superuser), 0)
    assert queries(client, address) == alone


class TestSigningIn:
    @pytest.mark.django_db
    @pytest.mark.parametrize(
        "address",
        [
            *LISTS,
            "/models/fraud/",
            "/models/fraud/live/",
            "/models/fraud/roll-back/",
            "/models/fraud/promote/",
            "/models/fraud/shift-traffic/",
            "/incidents/1/",
            "/releases/1/",
            "/changes/00000000-0000-0000-0000-000000000000/",
            "/runbooks/MLServingDown/live/",
            "/runbooks/MLServingDown/queries/",
            "/runbooks/MLServingDown/edit/",
        ],
    )
    def test_comes_first(self, client: Client, address: str) -> None:
        response = client.get(address)
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")


@pytest.mark.usefixtures("registry")
class TestWhatIsNotThere:
    @pytest.mark.parametrize(
        "address", ["/incidents/9/", "/releases/9/", "/changes/00000000-0000-0000-0000-000000000000/", "/models/nope/"]
    )
    def test_is_said_not_to_be(self, client: Client, stranger: User, address: str) -> None:
        client.force_login(stranger)
        assert client.get(address).status_code == 404


@pytest.mark.usefixtures("registry")
class TestSecurityHeaders:
    @pytest.mark.parametrize("address", [*LISTS, "/models/fraud/", "/runbooks/MLServingDown/?model_name=fraud"])
    def test_no_page_holds_an_inline_handler_or_a_foreign_address(
        self, client: Client, stranger: User, address: str, page_text: Callable[[str], str]
    ) -> None:
        client.force_login(stranger)
        html = page_text(client.get(address).content.decode())
        assert " onclick=" not in html
        assert " onload=" not in html
        assert 'src="http' not in html
        assert "Content-Security-Policy" in client.get(address).headers


@pytest.fixture
def page_text() -> Callable[[str], str]:
    """Our own part of a page: what is inside its content."""

    def text(html: str) -> str:
        assert '<div class="pl">' in html
        return html.split('<div class="pl">', 1)[1]

    return text


def test_changes_filter_by_model_kind_and_words(client: Client, registry: Registry, owner: User) -> None:
    traffic.deploy(registry.model, "v2", percent=10, actor=Actor.of(owner), reason="a try")
    client.force_login(owner)

    def shown(query: str) -> int:
        html = client.get(f"/changes/?{query}").content.decode()
        return html.count('<a class="pl-name" href="/changes/')

    assert shown("") == Change.objects.count()
    assert shown("kind=deploy") == 2
    assert shown("model=fraud&q=try") == 1
    assert shown("model=nope") == 0
    assert shown("kind=nope") == Change.objects.count()
