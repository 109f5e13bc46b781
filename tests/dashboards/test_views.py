"""The ways from Plumbline into Grafana."""

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from dashboards.annotations import deliver_pending
from dashboards.models import AnnotationDelivery
from models_registry.models import Change

GRAFANA = "https://grafana.example.com/sub"


@pytest.fixture
def signed_in(client: Client, stranger: User) -> Client:
    """Somebody of no team: whoever is signed in may read."""
    client.force_login(stranger)
    return client


def test_an_alerts_link_opens_the_models_dashboard_in_grafana(signed_in: Client, settings: Settings) -> None:
    settings.GRAFANA_URL = GRAFANA
    answer = signed_in.get("/dashboards/go/", {"model_name": "claims-risk", "model_version": "v1.2_a"})
    assert answer.status_code == 302
    url = urlsplit(answer["Location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{GRAFANA}/d/ml-model/ml-model"
    assert parse_qs(url.query) == {"var-model": ["claims-risk"], "var-version": ["v1.2_a"]}


def test_without_a_version_the_dashboard_shows_them_all(signed_in: Client, settings: Settings) -> None:
    settings.GRAFANA_URL = GRAFANA
    answer = signed_in.get("/dashboards/go/", {"model_name": "claims-risk"})
    assert parse_qs(urlsplit(answer["Location"]).query) == {"var-model": ["claims-risk"]}


def test_an_alert_about_no_model_opens_the_fleets_dashboard(signed_in: Client, settings: Settings) -> None:
    settings.GRAFANA_URL = GRAFANA
    assert signed_in.get("/dashboards/go/")["Location"] == f"{GRAFANA}/d/ml-fleet/ml-fleet"


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({"model_name": "claims-risk"}, "/models/claims-risk/"),
        ({"model_name": "claims-risk", "model_version": "v2"}, "/models/claims-risk/?version=v2"),
        ({}, "/"),
    ],
)
def test_without_a_grafana_the_link_opens_plumblines_own_page(
    signed_in: Client, settings: Settings, query: dict[str, str], page: str
) -> None:
    settings.GRAFANA_URL = ""
    assert signed_in.get("/dashboards/go/", query)["Location"] == page


@pytest.mark.parametrize("grafana", ["", GRAFANA])
@pytest.mark.parametrize(
    "query",
    [
        {"model_name": "//evil.example.com"},
        {"model_name": "../../admin"},
        {"model_name": "Claims"},
        {"model_name": "fraud\r\nSet-Cookie: a=b"},
        {"model_name": "fraud", "model_version": "v1&var-model=other"},
        {"model_name": "fraud", "model_version": "javascript:alert(1)"},
    ],
)
def test_nothing_but_a_name_becomes_a_part_of_the_address(
    signed_in: Client, settings: Settings, grafana: str, query: dict[str, str]
) -> None:
    settings.GRAFANA_URL = grafana
    answer = signed_in.get("/dashboards/go/", query)
    assert answer.status_code == 400
    assert "Location" not in answer
    assert answer["Content-Type"].startswith("text/plain")


def test_the_starter_comes_as_a_file(signed_in: Client) -> None:
    answer = signed_in.get("/dashboards/starter.json")
    assert answer["Content-Type"] == "application/json"
    assert answer["Content-Disposition"] == 'attachment; filename="ml-starter-dashboard.json"'
    assert json.loads(answer.content)["title"] == "ML starter"


@pytest.mark.parametrize("address", ["/dashboards/starter.json", "/dashboards/go/?model_name=fraud"])
def test_who_is_not_signed_in_is_asked_to(client: Client, db: None, settings: Settings, address: str) -> None:
    settings.GRAFANA_URL = GRAFANA
    answer = client.get(address)
    assert answer.status_code == 302
    assert urlsplit(answer["Location"]).path == "/admin/login/"


@pytest.mark.parametrize("address", ["/dashboards/starter.json", "/dashboards/go/"])
def test_nothing_is_changed_here(signed_in: Client, address: str) -> None:
    assert signed_in.post(address).status_code == 405


def test_the_api_lists_deliveries_with_what_they_tell(
    signed_in: Client, make_change: Callable[..., Change], settings: Settings
) -> None:
    settings.GRAFANA_URL = ""
    change = make_change()
    deliver_pending()
    (row,) = signed_in.get("/api/annotations/", {"state": "waiting"}).json()["results"]
    assert (row["change"], row["kind"], row["model_name"]) == (str(change.uuid), "deploy", "claims-risk")
    assert (row["state"], row["attempts"], row["grafana_id"]) == ("waiting", 0, None)
    assert signed_in.get("/api/annotations/", {"state": "delivered"}).json()["count"] == 0
    assert signed_in.get("/api/annotations/", {"change": str(change.uuid)}).json()["count"] == 1


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_api_changes_nothing(signed_in: Client, method: str) -> None:
    assert getattr(signed_in, method)("/api/annotations/").status_code == 405


def test_the_api_is_for_those_who_are_signed_in(client: Client, db: None) -> None:
    assert client.get("/api/annotations/").status_code in (401, 403)


def test_the_lists_ask_the_same_questions_however_many_there_are(
    signed_in: Client, make_change: Callable[..., Change], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_change()
    deliver_pending()
    signed_in.get("/api/annotations/")
    with django_assert_num_queries(4):  # session, user, count, page
        signed_in.get("/api/annotations/")
    for n in range(20):
        make_change(f"change {n}")
    deliver_pending()
    with django_assert_num_queries(4):
        signed_in.get("/api/annotations/")


def test_the_admin_shows_deliveries_and_lets_nobody_edit_them(
    client: Client, superuser: User, make_change: Callable[..., Change]
) -> None:
    client.force_login(superuser)
    change = make_change("<script>alert(1)</script>")
    deliver_pending()
    page = client.get("/admin/dashboards/annotationdelivery/")
    assert page.status_code == 200
    assert b"<script>alert(1)</script>" not in page.content
    assert b"&lt;script&gt;alert(1)&lt;/script&gt;" in page.content
    assert client.get("/admin/dashboards/annotationdelivery/add/").status_code == 403
    address = f"/admin/dashboards/annotationdelivery/{change.uuid}/change/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"state": "delivered"}).status_code == 403
    assert AnnotationDelivery.objects.get().state == "waiting"
