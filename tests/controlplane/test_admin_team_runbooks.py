"""A team's runbooks, for all of its models, are written on the team's page in the admin."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from alerts.runbook_editing import save_runbook
from alerts.runbook_page import find_text
from models_registry.actor import SYSTEM
from models_registry.models import Change, Team
from tests.controlplane.test_admin_registry import ADMIN, RUNBOOK, errors_of, posted
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.django_db

OURS = RUNBOOK.replace("\n\nm\n", "\n\nOurs.\n")


@pytest.fixture
def web(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def page_of(team: Team) -> str:
    return f"{ADMIN}/team/{team.pk}/change/"


def row(team: Team, number: int = 0, **fields: object) -> dict[str, object]:
    typed = {"alert": "MLServingDown", "owner_team": team.pk, "body": OURS, **fields}
    total = {"runbooks_of_models-TOTAL_FORMS": str(number + 1)}
    return total | {f"runbooks_of_models-{number}-{name}": value for name, value in typed.items()}


def write(team: Team) -> None:
    save_runbook("MLServingDown", team, body=OURS, owner_team=team, review_by=None, actor=SYSTEM)


def test_a_runbook_of_a_teams_models_is_written_on_its_page(web: Client, registry: Registry):
    answer = web.post(page_of(registry.team), posted(web, page_of(registry.team), **row(registry.team)))
    assert answer.status_code == 302, errors_of(answer)
    text = find_text("MLServingDown", "fraud")
    assert (text.origin, "Ours." in text.body) == ("team", True)
    (change,) = Change.objects.filter(object_type="runbook")
    assert (change.summary, change.author) == ("team payments: runbook MLServingDown written", "owner")


def test_its_owner_is_searched_for(web: Client, registry: Registry):
    write(registry.team)
    page = web.get(page_of(registry.team)).content.decode()
    assert "admin-autocomplete" in page[page.index('id="id_runbooks_of_models-0-owner_team"') - 1500 :]


def test_a_text_without_a_section_is_refused_at_the_field(web: Client, registry: Registry):
    typed = row(registry.team, body="## Meaning\n\nm")
    answer = web.post(page_of(registry.team), posted(web, page_of(registry.team), **typed))
    assert list(errors_of(answer)) == ["body"]


def test_a_runbook_moved_to_another_alert_leaves_none_behind(web: Client, registry: Registry):
    write(registry.team)
    typed = posted(web, page_of(registry.team), **{"runbooks_of_models-0-alert": "MLCanaryWorse"})
    assert web.post(page_of(registry.team), typed).status_code == 302
    assert [r.alert for r in registry.team.runbooks_of_models.all()] == ["MLCanaryWorse"]


def test_it_is_dropped_there(web: Client, registry: Registry):
    write(registry.team)
    typed = posted(web, page_of(registry.team), **{"runbooks_of_models-0-DELETE": "on"})
    assert web.post(page_of(registry.team), typed).status_code == 302
    assert find_text("MLServingDown", "fraud").origin == "shipped"


def test_whoever_does_not_edit_the_team_reads_them(registry: Registry, teammate: User):
    write(registry.team)
    client = Client()
    client.force_login(teammate)
    page = client.get(page_of(registry.team)).content.decode()
    assert "Ours." in page
    assert 'name="runbooks_of_models-0-body"' not in page
    assert client.post(page_of(registry.team), row(registry.team)).status_code == 403


def test_a_new_team_is_made_before_its_texts(registry: Registry, superuser: User):
    client = Client()
    client.force_login(superuser)
    assert "runbooks_of_models" not in client.get(f"{ADMIN}/team/add/").content.decode()
