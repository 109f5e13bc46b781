"""What fails says why and leads on: in the frame to who is signed in, without the database to everybody else."""

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

FRAME = 'id="nav-sidebar"'


def text_of(answer: HttpResponse) -> str:
    return " ".join(answer.content.decode().split())


@pytest.fixture
def web(owner: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(owner)
    return client


# --- Signed in --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        ("/nowhere/", 404, "There is nothing at this address."),
        ("/models/fraud/alerts/MLNothing/", 404, "No alert MLNothing about a model fraud."),
        ("/models/&lt;b&gt;/live/", 404, "No model"),
        ("/admin/models_registry/nothing/", 404, "There is nothing at this address."),
        ("/admin/models_registry/team/add/", 403, "Your roles in teams don&#x27;t allow this."),
    ],
)
def test_a_failure_is_told_in_the_frame_with_a_way_on(web: Client, address: str, status: int, says: str) -> None:
    answer = web.get(address)
    page = text_of(answer)
    assert (answer.status_code, FRAME in page) == (status, True)
    assert says in page
    assert '<a class="pl-button pl-button-primary" href="/">To the fleet</a>' in page


@pytest.mark.django_db
def test_a_form_of_an_older_sign_in_leads_back_to_its_page(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    answer = client.post("/models/fraud/roll-back/", {"reason": "typed"})
    assert (answer.status_code, FRAME in text_of(answer)) == (403, True)
    assert "Nothing was changed." in text_of(answer)
    assert 'href="/models/fraud/roll-back/">Load the page again' in text_of(answer)


# --- Not signed in, or not able to be ---------------------------------------------------------------------------


@pytest.mark.django_db
def test_whoever_is_not_signed_in_is_led_to_the_sign_in() -> None:
    answer = Client().get("/nowhere/?a=b")
    assert (answer.status_code, FRAME in text_of(answer)) == (404, False)
    assert 'href="/admin/login/?next=%2Fnowhere%2F%3Fa%3Db">Sign in' in text_of(answer)


def test_the_page_of_an_error_needs_no_database() -> None:
    """Here any use of the database raises, as it does where the database is gone."""
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "x" * 32
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in text_of(answer) and "log, at" in text_of(answer)
    assert 'href="/">Try again' in text_of(answer)


def test_a_way_on_never_leads_to_another_host() -> None:
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "x" * 32
    answer = client.get("//evil.example.com/models/", follow=False)
    assert "//evil.example.com" not in text_of(answer)


def test_an_unknown_host_is_told_whose_setting_it_is() -> None:
    answer = Client().get("/", headers={"host": "other.example.com"})
    assert (answer.status_code, "ALLOWED_HOSTS" in text_of(answer)) == (400, True)


# --- Programs ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/api/nothing/", "/api/models/no-such/"])
def test_programs_get_json(web: Client, address: str) -> None:
    answer = web.get(address)
    assert answer.status_code == 404
    assert answer.json()["detail"]


def test_programs_get_json_of_an_error_of_ours() -> None:
    answer = Client(raise_request_exception=False).get(reverse("api-model-list"), headers={"authorization": "Bearer x"})
    assert answer.status_code == 500
    assert answer.json()["detail"].startswith("Something went wrong.")
