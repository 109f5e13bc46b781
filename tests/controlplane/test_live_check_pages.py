"""What the running Prometheus says of a release, as people see it: on its page, over REST, in a terminal."""

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from controlplane.models import LiveCheck, Release
from tests.controlplane.addresses import free_address
from tests.controlplane.watched_release import RULES, Watched, checked, published, running, watched, worked_off
from tests.page_text import text_of

__all__ = ["running", "watched"]

pytestmark = pytest.mark.django_db

State = LiveCheck.State


def test_the_command_tells_what_is_wrong(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    published(watched, "Hot")
    with pytest.raises(SystemExit) as ended:
        call_command("live_check")
    told = capsys.readouterr().out
    assert ended.value.code == 1
    assert "fault    Missing: nowhere has never been there" in told
    assert "alert    Hot:default: Fires: 1. Would have fired 2 times" in told


def test_the_command_says_that_prometheus_cannot_be_asked(
    watched: Watched, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    published(watched, "Hot")
    settings.PROMETHEUS_URL = f"http://{free_address()}"
    with pytest.raises(SystemExit) as ended:
        call_command("live_check")
    assert ended.value.code == 2 and "Not known" in capsys.readouterr().err


def test_the_page_tells_it_all_and_offers_to_look_again(watched: Watched, client: Client, stranger: User) -> None:
    client.force_login(stranger)
    check = checked(watched, *RULES)
    address = f"/releases/{check.release_id}/"
    html = client.get(address).content.decode()
    assert "4 rule groups left to look at" in text_of(html) and 'hx-trigger="every 3s' in html
    worked_off(watched, check)
    html = client.get(address).content.decode()
    text = text_of(html)
    assert "Something is wrong" in text and 'hx-trigger="every 3s' not in html
    assert "Missing nowhere has never been there, as far as the last day tells. Is it spelt" in text
    assert "Hot default Fires: 1. Would have fired 2 times" in text
    assert client.post(f"{address}live/").status_code == 302
    check.refresh_from_db()
    assert (check.state, check.whole, check.prove) == (State.WAITING, True, True)


def test_the_page_says_that_it_is_not_known(watched: Watched, client: Client, stranger: User) -> None:
    client.force_login(stranger)
    check = checked(watched, "Hot")
    LiveCheck.objects.update(problem="http://p can't be reached: <b>gone</b>", tried_at=timezone.now())
    html = client.get(f"/releases/{check.release_id}/live/").content.decode()
    assert "<b>gone" not in html and "Nothing found" not in html
    assert "Not known http://p can't be reached" in text_of(html)


def test_the_page_escapes_what_rules_hold(watched: Watched, client: Client, stranger: User) -> None:
    client.force_login(stranger)
    check = checked(watched, "Hot")
    nasty = "<script>alert(1)</script>"
    finding = {"severity": "fault", "text": nasty, "asked": nasty, "remedy": nasty, "rule": nasty}
    group = {
        "rules": [
            {
                "rule": nasty,
                "firing": 1,
                "pending": 0,
                "firings": None,
                "reads": True,
                "at": "2026-01-01T00:00:00+00:00",
            }
        ],
        "findings": [finding],
    }
    LiveCheck.objects.update(found={f"x {nasty}": group}, proofs={"passed": False, "files": 1, "reason": nasty})
    for address in (f"/releases/{check.release_id}/", f"/releases/{check.release_id}/live/"):
        assert nasty not in client.get(address).content.decode()


def test_a_release_that_prometheus_never_ran_has_no_such_part(client: Client, stranger: User, db: None) -> None:
    client.force_login(stranger)
    refused = Release.objects.create(hash="e" * 64, outcome=Release.Outcome.REFUSED)
    assert "running Prometheus" not in client.get(f"/releases/{refused.pk}/").content.decode()


def test_the_pages_queries_do_not_grow_with_what_was_found(
    watched: Watched, client: Client, stranger: User, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    client.force_login(stranger)
    check = checked(watched, *RULES)
    client.get(f"/releases/{check.release_id}/")
    with django_assert_max_num_queries(20) as before:
        client.get(f"/releases/{check.release_id}/")
    worked_off(watched, check)
    with django_assert_num_queries(len(before)):
        client.get(f"/releases/{check.release_id}/")


def test_the_api_tells_the_same_and_takes_the_wish(watched: Watched, client: Client, stranger: User) -> None:
    address = f"/api/releases/{published(watched, 'Missing', 'Hot').pk}/"
    assert client.post(f"{address}live-check/").status_code in (401, 403)
    client.force_login(stranger)
    assert client.get(address).json()["live_check"] is None
    asked = client.post(f"{address}live-check/")
    assert asked.status_code == 202 and asked.json()["state"] == "waiting" and asked.json()["groups_left"] is None
    worked_off(watched, LiveCheck.objects.get())
    told = client.get(address).json()["live_check"]
    assert (told["state"], told["groups_looked_at"], told["groups_left"]) == ("done", 5, 3)
    assert ["Missing"] in [finding["rules"] for finding in told["findings"]]
    hot = next(row for row in told["alerts"] if row["rule"] == "Hot")
    assert hot["firing"] == 1 and hot["firings"]["times"] == 2 and "Fires: 1" in hot["told"]


def test_the_api_refuses_what_is_not_in_force(watched: Watched, client: Client, stranger: User) -> None:
    client.force_login(stranger)
    old = Release.objects.create(hash="f" * 64, outcome=Release.Outcome.PUBLISHED)
    answer = client.post(f"/api/releases/{old.pk}/live-check/")
    assert answer.status_code == 409 and "another release" in answer.json()["detail"]
