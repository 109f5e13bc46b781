"""Pausing a drift check from the runbook page of an alert that it makes: said before, confirmed, undone, by who may."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from drift.edits import pause_check, save_check
from drift.models import DriftCheck
from drift.pauses import pause_of
from models_registry.actor import SYSTEM, Actor
from models_registry.models import Change
from tests.fixtures.registry import Registry
from tests.page_text import text_of

pytestmark = pytest.mark.django_db

PAUSE, RESUME, PANEL = (f"/models/fraud/drift-check/{part}" for part in ("pause/", "resume/", ""))
RUNBOOK = "/runbooks/MLFeatureMissingRatioHigh/?model_name=fraud"
PEOPLE = ("stranger", "teammate", "on_call", "owner", "superuser")
OPERATORS = {"on_call", "owner", "superuser"}


@pytest.fixture
def check(registry: Registry, settings: Settings) -> DriftCheck:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"
    save_check(DriftCheck(model=registry.model), actor=SYSTEM)
    return DriftCheck.objects.get()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def paused(check: DriftCheck) -> bool:
    return DriftCheck.objects.get(pk=check.pk).paused


class TestPausing:
    def test_says_first_what_would_happen(self, check: DriftCheck, on_call: User) -> None:
        text = text_of(signed_in(on_call).get(PAUSE).content.decode())
        assert "No check of fraud runs until somebody resumes it." in text
        assert "Alerts on requests, errors and latency go on." in text
        assert not paused(check)

    def test_is_done_with_the_reason_and_comes_back_to_the_runbook(self, check: DriftCheck, on_call: User) -> None:
        sent = {"reason": "the loader is broken", "next": RUNBOOK}
        answer = signed_in(on_call).post(PAUSE, sent, follow=True)
        assert answer.redirect_chain == [(RUNBOOK, 302)]
        assert "fraud: drift check paused" in answer.content.decode()
        assert paused(check)
        change = Change.objects.get(reason="the loader is broken")
        assert (change.author, change.kind) == ("on-call", "threshold")

    def test_needs_a_reason(self, check: DriftCheck, on_call: User) -> None:
        assert "pl-field-error" in signed_in(on_call).post(PAUSE, {"reason": ""}).content.decode()
        assert not paused(check)

    def test_and_resumed_the_same_way(self, check: DriftCheck, on_call: User) -> None:
        pause_check(check.model, paused=True, actor=Actor("bob"), reason="broken")
        client = signed_in(on_call)
        assert "by bob: broken" in text_of(client.get(RESUME).content.decode())
        client.post(RESUME)
        assert not paused(check)
        assert Change.objects.filter(summary="fraud: drift check resumed", author="on-call").count() == 1

    def test_twice_is_told_and_changes_nothing(self, check: DriftCheck, on_call: User) -> None:
        client = signed_in(on_call)
        for _ in range(2):
            answer = client.post(PAUSE, {"reason": "twice"}, follow=True)
        assert "Nothing to do: it is so already." in answer.content.decode()
        assert Change.objects.filter(reason="twice").count() == 1
        page = client.get(PAUSE).content.decode()
        assert "the check is paused already" in page and 'type="submit">Pause' not in page

    @pytest.mark.parametrize("address", [PAUSE, RESUME])
    def test_is_for_who_may_operate_the_model(
        self, check: DriftCheck, request: pytest.FixtureRequest, address: str
    ) -> None:
        if address == RESUME:
            pause_check(check.model, paused=True, actor=SYSTEM)
        before = paused(check)
        for person in ("stranger", "teammate"):
            client = signed_in(request.getfixturevalue(person))
            assert client.get(address).status_code == 403
            assert client.post(address, {"reason": "x"}).status_code == 403
        assert paused(check) == before
        assert signed_in(request.getfixturevalue("on_call")).get(address).status_code == 200

    def test_looking_changes_nothing_and_signing_in_comes_first(self, check: DriftCheck, client: Client) -> None:
        assert [client.post(address).status_code for address in (PAUSE, RESUME)] == [302, 302]
        assert not paused(check)

    @pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
    def test_never_leads_elsewhere(self, check: DriftCheck, on_call: User, elsewhere: str) -> None:
        sent = {"reason": "x", "next": elsewhere}
        assert signed_in(on_call).post(PAUSE, sent)["Location"] == "/models/fraud/"


class TestTheRunbookPage:
    @pytest.mark.parametrize(
        ("alert", "offered"), [("MLFeatureMissingRatioHigh", True), ("MLInferenceHighErrorRate", False)]
    )
    def test_has_it_on_quality_alerts_also_without_scripts(
        self, check: DriftCheck, on_call: User, alert: str, offered: bool
    ) -> None:
        html = signed_in(on_call).get(f"/runbooks/{alert}/?model_name=fraud").content.decode()
        assert (f'href="{PAUSE}?next=' in html) == offered
        assert (f'hx-get="{PANEL}?next=%2Frunbooks%2F{alert}%2F' in html) == offered

    def test_offers_it_to_who_may(self, check: DriftCheck, request: pytest.FixtureRequest) -> None:
        answers = {p: signed_in(request.getfixturevalue(p)).get(PANEL).content.decode() for p in PEOPLE}
        assert {person for person, html in answers.items() if PAUSE in html} == OPERATORS
        assert "Editors of the model's teams and its on-call may pause it." in text_of(answers["stranger"])

    def test_says_since_when_it_is_paused_by_whom_why_and_for_how_long(self, check: DriftCheck, on_call: User) -> None:
        pause_check(check.model, paused=True, actor=Actor("bob"), reason="<b>broken</b>")
        html = signed_in(on_call).get(PANEL, {"next": RUNBOOK}).content.decode()
        text = text_of(html)
        assert "by bob: <b>broken</b>" in text and "<b>broken" not in html
        assert "It stays so until somebody resumes it." in text
        assert f'href="{RESUME}?next=%2Frunbooks%2F' in html and PAUSE not in html

    def test_a_later_edit_does_not_pass_for_the_pause(self, check: DriftCheck) -> None:
        pause_check(check.model, paused=True, actor=Actor("bob"), reason="broken")
        edited = DriftCheck.objects.get()
        edited.min_rows = 77
        save_check(edited, actor=Actor("carol"))
        pause = pause_of(DriftCheck.objects.get())
        assert pause is not None and pause.by == "bob"

    def test_a_model_without_a_check_says_so(self, registry: Registry, on_call: User) -> None:
        html = signed_in(on_call).get(PANEL).content.decode()
        assert "None has run yet" in html and PAUSE not in html


def test_the_models_page_says_and_offers_it_too(check: DriftCheck, on_call: User, teammate: User) -> None:
    client = signed_in(on_call)
    assert f'href="{PAUSE}?next=%2Fmodels%2Ffraud%2F"' in client.get("/models/fraud/").content.decode()
    pause_check(check.model, paused=True, actor=Actor("bob"), reason="broken")
    html = client.get("/models/fraud/").content.decode()
    assert "by bob: broken" in text_of(html) and f'href="{RESUME}?next=' in html
    assert RESUME not in signed_in(teammate).get("/models/fraud/").content.decode()
