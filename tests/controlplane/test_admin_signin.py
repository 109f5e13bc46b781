"""Signing in and out, being locked out, changing the password; the theme under the content security policy."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from tests.fixtures.registry import PASSWORD

pytestmark = pytest.mark.django_db
LOGIN = "/admin/login/"


def sign_in(client: Client, name: str, password: str, **headers: str):
    return client.post(LOGIN, {"username": name, "password": password, "next": "/admin/"}, **headers)


def test_a_member_signs_in_and_out(client: Client, owner: User):
    assert sign_in(client, "owner", PASSWORD)["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert client.post("/admin/logout/").status_code in (200, 302)
    assert client.get("/admin/")["Location"].startswith(LOGIN)


def test_signing_out_needs_a_post(client: Client, owner: User):
    client.force_login(owner)
    assert client.get("/admin/logout/").status_code == 405
    assert client.get("/admin/").status_code == 200


def test_five_failures_lock_the_name_out_and_say_for_how_long(client: Client, owner: User):
    statuses = [sign_in(client, "owner", "wrong").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 200, 429]
    locked = sign_in(client, "owner", PASSWORD)
    assert locked.status_code == 429
    assert "Wait 15 minutes" in locked.content.decode()
    assert client.get("/admin/").status_code == 302


def test_a_lock_out_keeps_nobody_else_out(client: Client, owner: User, teammate: User):
    for _ in range(6):
        sign_in(client, "owner", "wrong")
    assert sign_in(client, "teammate", PASSWORD).status_code == 302
    assert sign_in(Client(), "owner", PASSWORD, REMOTE_ADDR="10.0.0.9").status_code == 302


def test_the_password_is_changed_and_must_be_a_good_one(client: Client, owner: User):
    client.force_login(owner)
    body = {"old_password": PASSWORD, "new_password1": "short", "new_password2": "short"}
    assert "too short" in client.post("/admin/password_change/", body).content.decode()
    good = {**body, "new_password1": "a-better-one-7", "new_password2": "a-better-one-7"}
    assert client.post("/admin/password_change/", good).status_code == 302
    assert sign_in(Client(), "owner", "a-better-one-7").status_code == 302


def test_whoever_is_no_longer_active_is_out(client: Client, owner: User):
    client.force_login(owner)
    User.objects.update(is_active=False)
    assert client.get("/admin/").status_code == 302


def test_people_are_written_by_superusers_and_named_to_others(owner: User, superuser: User):
    page = f"/admin/auth/user/{superuser.pk}/change/"
    editor, root = Client(), Client()
    editor.force_login(owner)
    root.force_login(superuser)
    shown = editor.get(page).content.decode()
    assert "superuser" in shown
    assert "pbkdf2" not in shown
    assert editor.post(page, {"username": "mine"}).status_code == 403
    assert editor.get("/admin/auth/user/add/").status_code == 403
    made = root.post("/admin/auth/user/add/", {"username": "new", "password1": PASSWORD, "password2": PASSWORD})
    assert made.status_code == 302
    assert User.objects.get(username="new").is_staff


def test_the_web_process_tells_its_health_without_sign_in(client: Client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_in_a_browser_a_model_is_registered_and_the_api_page_opens(live_server, browser_page: Page, owner: User):
    """In real Chromium, under the content security policy: the theme's tabs, autocomplete and inlines work."""
    broken: list[str] = []
    browser_page.on("pageerror", lambda error: broken.append(str(error)))
    browser_page.on("console", lambda m: broken.append(m.text) if "Content Security Policy" in m.text else None)
    browser_page.goto(f"{live_server.url}/admin/models_registry/mlmodel/add/")
    browser_page.fill("input[name=username]", "owner")
    browser_page.fill("input[name=password]", PASSWORD)
    browser_page.get_by_role("button", name="Log in").click()
    browser_page.fill("input[name=name]", "churn")
    browser_page.fill("textarea[name=classes]", "stays, leaves")
    for team in ("on_call_team", "applied_ml_team", "data_team"):
        browser_page.locator(f".field-{team} .select2-selection").click()
        browser_page.get_by_role("option", name="payments").click()
    browser_page.locator("a[href='#versions']").click()
    browser_page.fill("input[name=versions-0-version]", "v1")
    browser_page.fill("input[name=versions-0-artifact]", "/srv/churn.skops")
    browser_page.fill("input[name=versions-0-sha256]", "ab" * 32)
    browser_page.locator("a[href='#features']").click()
    browser_page.get_by_text("Add another Feature").click()
    browser_page.fill("input[name=features-0-name]", "tenure")
    browser_page.get_by_role("button", name="Save", exact=True).click()
    expect(browser_page.get_by_text("was added successfully")).to_be_visible()
    browser_page.goto(f"{live_server.url}/api/docs/")
    expect(browser_page.get_by_text("/api/models/{model_name}/roll_back/")).to_be_visible()
    assert broken == []
