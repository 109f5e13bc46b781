"""API tokens: kept as a hash, shown once, revoked at once, guessed in vain."""

import hashlib
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client

from controlplane.models import ApiToken
from controlplane.tokens import FAILURES_ALLOWED, issue, revoke
from models_registry.models import Change
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_cache():
    cache.clear()
    yield
    cache.clear()


def get(token: str, address: str = "/api/models/", **options) -> int:
    return Client(headers={"Authorization": f"Bearer {token}"}).get(address, **options).status_code


def test_a_token_acts_as_its_user(owner: User, registry: Registry):
    _, text = issue(owner, "ci")
    client = Client(headers={"Authorization": f"Bearer {text}"}, enforce_csrf_checks=True)
    answer = client.post("/api/models/fraud/deploy/", {"version": "v2", "percent": 5}, content_type="application/json")
    assert answer.status_code == 200
    assert Change.objects.first().author == "owner"


def test_the_command_prints_the_token_once_and_alone(owner: User):
    out = StringIO()
    call_command("create_token", "owner", "ci", stdout=out)
    assert get(out.getvalue().strip()) == 200


@pytest.mark.parametrize(("user", "said"), [("nobody", "createsuperuser"), ("owner", "already")])
def test_the_command_says_what_is_wrong(owner: User, user: str, said: str):
    issue(owner, "ci")
    with pytest.raises(CommandError, match=said):
        call_command("create_token", user, "ci")


def test_the_database_holds_no_token(owner: User):
    row, text = issue(owner, "ci")
    stored = ApiToken.objects.values().get()
    assert text not in str(stored)
    assert stored["digest"] == hashlib.sha256(text.encode()).hexdigest()
    assert row.prefix == text[:8]
    assert len(text) >= 43


def test_a_revoked_token_is_refused_at_once(owner: User):
    row, text = issue(owner, "ci")
    assert get(text) == 200
    assert (revoke(row), revoke(row)) == (True, False)
    assert get(text) == 401


def test_the_token_of_somebody_who_left_is_refused(owner: User):
    _, text = issue(owner, "ci")
    User.objects.update(is_active=False)
    assert get(text) == 401


@pytest.mark.parametrize("wrong", ["", "plb_", "x" * 10_000, "plb_\N{SNOWMAN}"])
def test_a_wrong_token_is_refused(owner: User, wrong: str):
    issue(owner, "ci")
    assert get(wrong) == 401


def test_a_digest_is_no_token(owner: User):
    row, _ = issue(owner, "ci")
    assert get(row.digest) == 401


def test_many_wrong_tokens_from_one_address_are_held_up(owner: User):
    _, text = issue(owner, "ci")
    assert {get("wrong") for _ in range(FAILURES_ALLOWED)} == {401}
    assert get("wrong") == 429
    assert get(text, REMOTE_ADDR="10.0.0.9") == 200


def test_last_use_is_kept(owner: User):
    row, text = issue(owner, "ci")
    get(text)
    row.refresh_from_db()
    assert row.last_used_at is not None


# --- The page ---------------------------------------------------------------------------------------------------

PAGE = "/admin/controlplane/apitoken/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_everybody_makes_a_token_of_their_own_and_sees_it_once(stranger: User):
    web = signed_in(stranger)
    made = web.post(f"{PAGE}add/", {"name": "laptop"})
    text = made.content.decode().split('<code id="token"')[1].split(">")[1].split("<")[0]
    assert get(text) == 200
    assert "no-store" in made["Cache-Control"]
    row = ApiToken.objects.get()
    assert row.user == stranger
    for address in (PAGE, f"{PAGE}{row.pk}/change/"):
        assert text not in web.get(address).content.decode()


def test_a_name_that_is_taken_is_named(stranger: User):
    issue(stranger, "laptop")
    answer = signed_in(stranger).post(f"{PAGE}add/", {"name": "laptop"})
    assert list(answer.context["adminform"].form.errors) == ["name"]


def test_a_superuser_makes_one_for_somebody_else(superuser: User, stranger: User):
    signed_in(superuser).post(f"{PAGE}add/", {"name": "ci", "user": stranger.pk})
    assert ApiToken.objects.get().user == stranger


def test_nobody_else_makes_one_for_somebody_else(stranger: User, superuser: User):
    signed_in(stranger).post(f"{PAGE}add/", {"name": "ci", "user": superuser.pk})
    assert ApiToken.objects.get().user == stranger


def test_tokens_of_others_are_neither_seen_nor_revoked(owner: User, stranger: User):
    row, text = issue(owner, "secretly-named")
    web = signed_in(stranger)
    assert "secretly-named" not in web.get(PAGE).content.decode()
    assert web.post(f"{PAGE}{row.pk}/revoke/").status_code == 404
    assert get(text) == 200


def test_revoking_asks_first(owner: User):
    row, text = issue(owner, "ci")
    web = signed_in(owner)
    assert "can&#x27;t be undone" in web.get(f"{PAGE}{row.pk}/revoke/").content.decode()
    assert get(text) == 200
    assert web.post(f"{PAGE}{row.pk}/revoke/").status_code == 302
    assert get(text) == 401
