"""What an edit restarts, where it is no edit of one policy: on a model's page, in a registry file, over REST."""

from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from alerts.models import AlertPolicy, CustomAlert, Objective
from alerts.policy_edits import save_custom_alert, save_objective
from alerts.runbook_sections import SECTIONS
from controlplane import edit_preview
from controlplane.registry_file import export
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import Change, MLModel
from tests.controlplane.firing_alerts import DOWN, PENDING
from tests.controlplane.test_admin_registry import posted
from tests.fixtures.registry import Registry, make_team
from tests.page_text import text_of

RUNBOOK = "".join(f"## {section}\n\nWords.\n\n" for section in SECTIONS)


@pytest.fixture
def web(client: Client, superuser: User) -> Client:
    client.force_login(superuser)
    return client


def page_of(model: MLModel, rest: str = "change/") -> str:
    return f"/admin/models_registry/mlmodel/{model.pk}/{rest}"


def messages(answer: Any, client: Client) -> str:
    assert answer.status_code == 302, answer.content
    return " ".join(unescape(str(m)) for m in client.get(answer["Location"]).context["messages"])


class TestTheModelsPage:
    def typed(self, web: Client, registry: Registry, **changed: object) -> dict[str, object]:
        return posted(web, page_of(registry.model), **changed)

    def test_another_team_is_said_to_start_its_alerts_anew_before_it_is_saved(
        self, web: Client, firing: None, registry: Registry
    ) -> None:
        others, changes = make_team("others"), Change.objects.count()
        body = self.typed(web, registry, on_call_team=others.pk)
        page = text_of(web.post(page_of(registry.model, "restarts/"), body).content.decode())
        assert f"{DOWN} fraud fires since" in page and "starts anew" in page
        assert f"{PENDING} fraud pending since" in page and "waits its whole for anew" in page
        registry.model.refresh_from_db()
        assert registry.model.on_call_team == registry.team
        assert Change.objects.count() == changes

    def test_and_after(self, web: Client, firing: None, registry: Registry) -> None:
        others = make_team("others")
        body = self.typed(web, registry, on_call_team=others.pk)
        words = messages(web.post(page_of(registry.model), body), web)
        assert f"Firing now, and starts anew: {DOWN} on fraud, since" in words
        assert f"Pending now, and waits its whole `for` anew: {PENDING} on fraud, since" in words

    def test_an_objective_that_is_added_there_restarts_nothing(
        self, web: Client, firing: None, registry: Registry
    ) -> None:
        row = {"name": "available", "kind": "availability", "route": "predict", "target": "0.99", "period_days": "30"}
        body = self.typed(web, registry, **{f"objectives-0-{name}": value for name, value in row.items()})
        body["objectives-TOTAL_FORMS"] = "1"
        page = text_of(web.post(page_of(registry.model, "restarts/"), body).content.decode())
        assert "3 firing or pending, and none of them is concerned: nothing starts anew" in page
        assert not Objective.objects.exists()
        assert "No firing alert starts anew." in messages(web.post(page_of(registry.model), body), web)
        assert Objective.objects.exists()

    def test_what_makes_no_rules_is_saved_without_a_word(self, web: Client, firing: None, registry: Registry) -> None:
        page = web.post(page_of(registry.model), self.typed(web, registry))
        assert "anew" not in messages(page, web)

    def test_what_is_wrong_is_named_first(self, web: Client, firing: None, registry: Registry) -> None:
        body = self.typed(web, registry, **{"features-0-name": ""})
        page = text_of(web.post(page_of(registry.model, "restarts/"), body).content.decode())
        assert "Correct this first" in page and "Name: This field is required." in page

    def test_is_asked_before_the_transaction_of_the_edit(
        self, web: Client, firing: None, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outside, inside, ask = len(connection.savepoint_ids), [], edit_preview.ask

        def noted(alert: str | None) -> Any:
            inside.append(len(connection.savepoint_ids))
            return ask(alert)

        monkeypatch.setattr(edit_preview, "ask", noted)
        body = self.typed(web, registry)
        web.post(page_of(registry.model, "restarts/"), body)
        web.post(page_of(registry.model), body)
        assert inside == [outside, outside]

    def test_a_model_that_is_deleted_ends_its_alerts(self, web: Client, firing: None, registry: Registry) -> None:
        told = text_of(web.get(page_of(registry.model, "delete/restarts/")).content.decode())
        assert "Correct this first" in told and "withdraw it first" in told
        traffic.withdraw(registry.model, actor=SYSTEM)
        told = text_of(web.get(page_of(registry.model, "delete/restarts/")).content.decode())
        assert f"{DOWN} fraud fires since" in told and "ends" in told and "is dropped" in told
        assert MLModel.objects.filter(pk=registry.model.pk).exists()
        words = messages(web.post(page_of(registry.model, "delete/"), {"post": "yes"}), web)
        assert f"Firing now, and ends: {DOWN} on fraud, since" in words

    def test_a_features_own_page_tells_it_too(self, web: Client, firing: None, registry: Registry) -> None:
        page = f"/admin/models_registry/feature/{registry.model.features.get(name='amount').pk}/"
        body = posted(web, f"{page}change/", team=make_team("others").pk)
        told = text_of(web.post(f"{page}restarts/", body).content.decode())
        assert "3 firing or pending, and none of them is concerned" in told
        assert "No firing alert starts anew." in messages(web.post(f"{page}change/", body), web)
        assert registry.model.features.get(name="amount").team.name == "others"
        assert "3 firing or pending" in text_of(web.get(f"{page}delete/restarts/").content.decode())

    def test_the_panel_waits_to_be_asked(self, web: Client, firing: None, registry: Registry) -> None:
        page = web.get(page_of(registry.model)).content.decode()
        assert "What would this change?" in page and 'hx-trigger="click"' in page
        assert "What would this change?" not in web.get("/admin/models_registry/mlmodel/add/").content.decode()


class TestAFile:
    def apply(self, folder: Path, document: dict[str, Any], *options: str) -> str:
        file, out = folder / "registry.yml", StringIO()
        file.write_text(yaml.safe_dump(document))
        call_command("apply", str(file), *options, stdout=out)
        return out.getvalue()

    POLICY = {"alert_policies": [{"alert": DOWN, "model": "fraud", "for": "5m"}]}
    ANEW = f"Firing now, and starts anew: {DOWN} on fraud, since"

    def test_the_plan_names_what_starts_anew_and_changes_nothing(self, tmp_path: Path, firing: None) -> None:
        told = self.apply(tmp_path, self.POLICY, "--dry-run")
        assert "1 change would be made.\n" in told and self.ANEW in told
        assert not AlertPolicy.objects.exists()

    def test_applying_names_it_too_and_repeating_names_nothing(self, tmp_path: Path, firing: None) -> None:
        assert self.ANEW in self.apply(tmp_path, self.POLICY)
        assert self.apply(tmp_path, self.POLICY) == "No changes.\n"

    def test_a_team_that_gets_a_model_is_an_edit_of_its_alerts(self, tmp_path: Path, firing: None) -> None:
        make_team("others")
        document = yaml.safe_load(export())
        next(m for m in document["models"] if m["name"] == "fraud")["on_call_team"] = "others"
        told = self.apply(tmp_path, document, "--dry-run")
        assert self.ANEW in told and f"Pending now, and waits its whole `for` anew: {PENDING} on fraud" in told

    def test_what_is_pruned_ends(self, tmp_path: Path, firing: None, registry: Registry) -> None:
        traffic.withdraw(registry.model, actor=SYSTEM)
        document = yaml.safe_load(export())
        document["models"] = [model for model in document["models"] if model["name"] != "fraud"]
        told = self.apply(tmp_path, document, "--prune", "--dry-run")
        assert f"Firing now, and ends: {DOWN} on fraud, since" in told
        assert f"Pending now, and is dropped: {PENDING} on fraud, since" in told

    def test_what_is_not_known_is_said_and_applied_all_the_same(
        self, tmp_path: Path, registry: Registry, settings: Settings
    ) -> None:
        settings.PROMETHEUS_URL = "http://127.0.0.1:9"
        told = self.apply(tmp_path, self.POLICY)
        assert "Which firing alerts start anew is not known: http://127.0.0.1:9 can't be reached" in told
        assert AlertPolicy.objects.exists()

    def test_a_file_that_is_refused_tells_of_no_alert(self, tmp_path: Path, firing: None) -> None:
        with pytest.raises(CommandError) as refused:
            self.apply(tmp_path, {"alert_policies": [{"alert": DOWN, "model": "fraud", "for": "soon"}]})
        assert "anew" not in str(refused.value)


class TestTheApi:
    CASE = {"series": {"up": "0x20"}, "at": "15m"}
    CUSTOM = {
        "model": "fraud",
        "expression": "up == 0",
        "severity": "page",
        "owner": "on_call",
        "description": "x",
        "runbook": RUNBOOK,
        "for_seconds": 300,
        "fires_case": CASE,
        "silent_case": CASE,
    }

    def post(self, client: Client, address: str, **body: Any) -> Any:
        return client.post(f"/api/{address}/preview/", body, content_type="application/json")

    @pytest.fixture
    def signed_in(self, client: Client, stranger: User) -> Client:
        client.force_login(stranger)
        return client

    def custom(self, registry: Registry, **changed: Any) -> CustomAlert:
        row = CustomAlert(name="BadTooMany", **{**self.CUSTOM, "model": registry.model, "severity": "ticket"})
        save_custom_alert(row, actor=SYSTEM)
        return row

    def test_a_custom_alert_is_previewed(self, signed_in: Client, firing: None, registry: Registry) -> None:
        self.custom(registry)
        answer = self.post(signed_in, "custom-alerts/BadTooMany", **self.CUSTOM).json()
        assert [found["labels"]["alertname"] for found in answer["restarts"]] == ["BadTooMany"]
        assert answer["policy"] == "model:fraud" and "starts anew" in answer["verdict"]
        gone = self.post(signed_in, "custom-alerts/BadTooMany", delete=True).json()
        assert [found["state"] for found in gone["ends"]] == ["firing"]
        assert CustomAlert.objects.get().severity == "ticket"

    def test_what_a_custom_alert_would_be_refused_for_is_named(
        self, signed_in: Client, firing: None, registry: Registry
    ) -> None:
        wrong = self.post(signed_in, "custom-alerts/Fresh", **{**self.CUSTOM, "expression": "up =="})
        assert wrong.status_code == 400 and "expression" in wrong.json()
        assert self.post(signed_in, "custom-alerts/Fresh", delete=True).status_code == 404

    def test_an_objective_is_previewed(self, signed_in: Client, firing: None, registry: Registry) -> None:
        new = self.post(signed_in, "objectives/fraud/available", kind="availability", target=0.99)
        assert new.status_code == 200, new.content
        assert new.json()["models"] == ["fraud"] and new.json()["restarts"] == []
        row = Objective(model=registry.model, name="available", kind="availability", target=0.99)
        save_objective(row, actor=SYSTEM)
        gone = self.post(signed_in, "objectives/fraud/available", delete=True).json()
        assert gone["models"] == ["fraud"]
        assert Objective.objects.get().target == 0.99
        assert self.post(signed_in, "objectives/fraud/other", delete=True).status_code == 404
        assert self.post(signed_in, "objectives/fraud/available", target=7).status_code == 400

    def test_it_needs_a_person(self, client: Client, db: None) -> None:
        for address in ("custom-alerts/X", "objectives/fraud/x"):
            assert self.post(client, address).status_code == 401
