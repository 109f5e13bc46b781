"""Shifting traffic from a page: told before, confirmed, done by POST, by who may, once, with its author and reason."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from alerts.views.traffic import present_split
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import Change, Member, MLModel
from tests.fixtures.registry import Registry, make_model, make_team, make_user, make_version

ADDRESSES = {
    "roll-back": "/models/fraud/roll-back/",
    "promote": "/models/fraud/promote/",
    "shift": "/models/fraud/shift-traffic/",
    "deploy": "/models/fraud/deploy/",
    "withdraw": "/models/fraud/withdraw/",
}


@pytest.fixture
def fraud(registry: Registry, settings: Settings) -> MLModel:
    """v1 live, v2 the canary with 10 %."""
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"
    traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)
    return registry.model


@pytest.fixture
def people(registry: Registry, fraud: MLModel) -> dict[str, User]:
    """One of each kind. The on-call of the data team is not on call for this model."""
    data = make_team("data")
    fraud.data_team = data
    fraud.save()
    return {
        "editor": make_user("editor", registry.team, Member.Role.EDITOR),
        "data editor": make_user("data-editor", data, Member.Role.EDITOR),
        "on-call": make_user("olga", registry.team, Member.Role.ON_CALL),
        "data on-call": make_user("data-olga", data, Member.Role.ON_CALL),
        "viewer": make_user("vito", registry.team, Member.Role.VIEWER),
        "stranger": make_user("sam"),
        "superuser": make_user("root", is_superuser=True),
    }


MATRIX = {
    #                roll-back promote raise lower deploy withdraw
    "editor": (True, True, True, True, True, True),
    "data editor": (True, True, True, True, True, True),
    "on-call": (True, False, False, True, False, False),
    "data on-call": (False, False, False, False, False, False),
    "viewer": (False, False, False, False, False, False),
    "stranger": (False, False, False, False, False, False),
    "superuser": (True, True, True, True, True, True),
}


# What is posted: the canary has 10 % before.
POSTS = {
    "roll-back": {},
    "promote": {},
    "raise": {"percent": 50},
    "lower": {"percent": 5},
    "deploy": {"deploy": "v2", "percent": 20},
    "withdraw": {},
}


@pytest.mark.parametrize("person", MATRIX)
@pytest.mark.parametrize(("column", "action"), list(enumerate(POSTS)))
def test_who_may(client: Client, people: dict[str, User], person: str, action: str, column: int) -> None:
    client.force_login(people[person])
    before = present_split(MLModel.objects.get(name="fraud"))
    address = ADDRESSES.get(action, ADDRESSES["shift"])
    allowed = MATRIX[person][column]
    # Who may lower the share sees the form, and is told by it that raising is for editors.
    sees = allowed or (action == "raise" and MATRIX[person][column + 1])
    assert client.get(address).status_code == (200 if sees else 403)
    response = client.post(address, {**POSTS[action], "reason": "tried"})
    assert response.status_code == (302 if allowed else 200 if sees else 403)
    assert (present_split(MLModel.objects.get(name="fraud")) != before) == allowed
    assert Change.objects.filter(reason="tried").count() == int(allowed)


class TestDeploying:
    ADDRESS = ADDRESSES["deploy"]

    def test_the_first_version_of_a_model_goes_live(self, client: Client, people: dict[str, User]) -> None:
        model = make_model("young", people["editor"].memberships.get().team, versions=("v1",))
        client.force_login(people["editor"])
        page = client.get("/models/young/deploy/").content.decode()
        assert "Nothing answers yet: the version goes live and answers all." in page
        client.post("/models/young/deploy/", {"deploy": "v1", "percent": 100})
        assert present_split(model).live == "v1"

    def test_a_model_without_versions_says_what_to_do(self, client: Client, people: dict[str, User]) -> None:
        make_model("empty", people["editor"].memberships.get().team, versions=())
        client.force_login(people["editor"])
        assert "register one first" in client.get("/models/empty/deploy/").content.decode()

    def test_offers_what_is_not_live_and_takes_nothing_else(self, client: Client, people: dict[str, User]) -> None:
        client.force_login(people["editor"])
        response = client.post(self.ADDRESS, {"deploy": "v1", "percent": 20})
        assert "Select a valid choice" in response.content.decode()

    def test_is_refused_when_somebody_has_shifted_since(
        self, client: Client, people: dict[str, User], fraud: MLModel
    ) -> None:
        traffic.roll_back(fraud, actor=SYSTEM)
        client.force_login(people["editor"])
        response = client.post(self.ADDRESS, {"deploy": "v2", "percent": 20, "version": "v2"})
        assert "Somebody has shifted the traffic since" in response.content.decode()
        assert present_split(fraud).canary is None


@pytest.mark.usefixtures("fraud")
class TestRollingBack:
    ADDRESS = ADDRESSES["roll-back"]

    def test_says_first_what_would_happen(self, client: Client, on_call: User) -> None:
        client.force_login(on_call)
        assert "Empties canary v2 (10 %); v1 answers all." in client.get(self.ADDRESS).content.decode()
        assert not Change.objects.filter(kind="rollback").exists()

    def test_without_a_canary_puts_the_previous_version_back(
        self, client: Client, on_call: User, fraud: MLModel
    ) -> None:
        traffic.promote(fraud, actor=SYSTEM)
        client.force_login(on_call)
        page = client.get(self.ADDRESS).content.decode()
        assert "Puts v1 back in place of v2, which then answers nothing." in page
        client.post(self.ADDRESS)
        assert present_split(fraud).live == "v1"

    def test_keeps_who_did_it_and_why(self, client: Client, on_call: User) -> None:
        client.force_login(on_call)
        client.post(self.ADDRESS, {"reason": "a fifth of its requests fail"})
        change = Change.objects.get(kind="rollback")
        assert (change.author, change.user, change.reason) == ("on-call", on_call, "a fifth of its requests fail")

    def test_comes_back_to_the_page_and_tells_the_outcome(self, client: Client, on_call: User) -> None:
        client.force_login(on_call)
        came_from = "/runbooks/MLInferenceHighErrorRate/?model_name=fraud&model_version=v2"
        response = client.post(self.ADDRESS, {"next": came_from}, follow=True)
        assert response.redirect_chain == [(came_from, 302)]
        assert "canary v2 rolled back, v1 answers all" in response.content.decode()

    @pytest.mark.parametrize(
        "elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil"]
    )
    def test_never_leads_elsewhere(self, client: Client, on_call: User, elsewhere: str) -> None:
        client.force_login(on_call)
        assert client.post(self.ADDRESS, {"next": elsewhere})["Location"] == "/models/fraud/"

    def test_a_second_click_does_not_roll_the_live_version_back(
        self, client: Client, on_call: User, fraud: MLModel
    ) -> None:
        traffic.promote(fraud, actor=SYSTEM)
        make_version(fraud, "v3")
        traffic.deploy(fraud, "v3", percent=10, actor=SYSTEM)
        client.force_login(on_call)
        form = client.get(self.ADDRESS).context["form"]
        sent = {"version": form["version"].value(), "reason": ""}
        client.post(self.ADDRESS, sent)
        again = client.post(self.ADDRESS, sent, follow=True)
        assert "Nothing to do: it is so already." in again.content.decode()
        assert present_split(fraud).live == "v2"
        assert Change.objects.filter(kind="rollback").count() == 1

    def test_where_there_is_nothing_to_go_back_to_says_so(self, client: Client, on_call: User) -> None:
        client.force_login(on_call)
        client.post(self.ADDRESS)
        page = client.get(self.ADDRESS).content.decode()
        assert "There is nothing to roll back to" in page
        assert '<button class="pl-button pl-button-danger"' not in page

    def test_needs_the_csrf_token(self, on_call: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(on_call)
        assert client.post(self.ADDRESS).status_code == 403
        assert not Change.objects.filter(kind="rollback").exists()

    def test_is_offered_on_the_runbook_only_to_who_may(self, client: Client, on_call: User, teammate: User) -> None:
        address = "/runbooks/MLInferenceHighErrorRate/?model_name=fraud"
        client.force_login(on_call)
        assert "/models/fraud/roll-back/" in client.get(address).content.decode()
        client.force_login(teammate)
        page = client.get(address).content.decode()
        assert "/models/fraud/roll-back/" not in page
        assert "You may read this page but not roll back" in page


@pytest.mark.usefixtures("fraud")
class TestShifting:
    @pytest.mark.parametrize("percent", ["", "-1", "101", "ten", "5.5"])
    def test_a_wrong_share_is_named(self, client: Client, owner: User, percent: str) -> None:
        client.force_login(owner)
        response = client.post(ADDRESSES["shift"], {"percent": percent})
        assert response.status_code == 200
        assert "pl-field-error" in response.content.decode()
        assert not Change.objects.filter(kind="traffic").exists()

    def test_a_right_one_is_done(self, client: Client, owner: User, fraud: MLModel) -> None:
        client.force_login(owner)
        client.post(ADDRESSES["shift"], {"percent": "25"})
        assert present_split(fraud).canary_percent == 25

    def test_a_share_meant_for_another_canary_is_refused(self, client: Client, owner: User, fraud: MLModel) -> None:
        client.force_login(owner)
        page = client.post(ADDRESSES["shift"], {"percent": "25", "version": "v7"}).content.decode()
        assert "v7 is not the canary any more" in page
        assert present_split(fraud).canary_percent == 10

    def test_an_unknown_model_is_not_there(self, client: Client, owner: User) -> None:
        client.force_login(owner)
        assert client.post("/models/nope/shift-traffic/", {"percent": "25"}).status_code == 404


@pytest.mark.usefixtures("fraud")
class TestWithdrawing:
    ADDRESS = ADDRESSES["withdraw"]

    def test_says_first_what_would_happen(self, client: Client, owner: User) -> None:
        client.force_login(owner)
        page = client.get(self.ADDRESS).content.decode()
        assert "v1 and v2 answer nobody any more: requests for the model are refused" in page
        assert '<button class="pl-button pl-button-danger" type="submit">Withdraw</button>' in page
        assert not Change.objects.filter(summary__contains="withdrawn").exists()

    def test_leaves_nothing_that_answers_and_keeps_why(self, client: Client, owner: User, fraud: MLModel) -> None:
        client.force_login(owner)
        answer = client.post(self.ADDRESS, {"reason": "replaced by churn", "version": "v2"}, follow=True)
        assert answer.redirect_chain == [("/models/fraud/", 302)]
        assert "fraud: withdrawn, v1 was live" in answer.content.decode()
        assert present_split(fraud).live is None
        change = Change.objects.get(reason="replaced by churn")
        assert (change.kind, change.author) == ("traffic", owner.username)

    def test_is_refused_when_somebody_has_shifted_since(self, client: Client, owner: User, fraud: MLModel) -> None:
        traffic.promote(fraud, actor=SYSTEM)
        make_version(fraud, "v3")
        traffic.deploy(fraud, "v3", percent=10, actor=SYSTEM)
        client.force_login(owner)
        answer = client.post(self.ADDRESS, {"version": "v2"})
        assert "Somebody has shifted the traffic since" in answer.content.decode()
        assert present_split(fraud).live == "v2"

    def test_where_nothing_answers_says_so_and_is_not_offered(
        self, client: Client, owner: User, fraud: MLModel
    ) -> None:
        client.force_login(owner)
        offered = 'href="/models/fraud/withdraw/?next=%2Fmodels%2Ffraud%2F"'
        assert offered in client.get("/models/fraud/").content.decode()
        traffic.withdraw(fraud, actor=SYSTEM)
        page = client.get(self.ADDRESS).content.decode()
        assert "there is nothing to withdraw" in page and 'type="submit">Withdraw' not in page
        assert "/models/fraud/withdraw/" not in client.get("/models/fraud/").content.decode()

    def test_is_offered_to_editors_alone(self, client: Client, on_call: User) -> None:
        client.force_login(on_call)
        assert "/models/fraud/withdraw/" not in client.get("/models/fraud/").content.decode()
