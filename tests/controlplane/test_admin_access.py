"""Who may what in the web UI by their role in teams; lists that take no query a row; text that is shown as text."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import escape

from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.edits import save_feature
from models_registry.models import Change, Feature, MLModel, ModelVersion, Replica
from tests.fixtures.registry import SHA256, Registry, make_baseline, make_model, make_pipeline, make_team

pytestmark = pytest.mark.django_db

ADMIN = "/admin/models_registry"


@pytest.fixture
def web(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


# --- Who may what -----------------------------------------------------------------------------------------------

PAGES = ["mlmodel", "modelversion", "feature", "team", "baseline", "pipelinerelease"]


@pytest.fixture
def rows(registry: Registry) -> dict[str, int]:
    baseline, pipeline = make_baseline(registry.model, frozen=False), make_pipeline(registry.model)
    return {
        "mlmodel": registry.model.pk,
        "modelversion": registry.model.versions.get(version="v2").pk,
        "feature": registry.model.features.first().pk,
        "team": registry.team.pk,
        "baseline": baseline.pk,
        "pipelinerelease": pipeline.pk,
    }


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("person", "may_edit"),
    [("owner", True), ("superuser", True), ("teammate", False), ("on_call", False), ("stranger", False)],
)
def test_editors_edit_and_everybody_else_reads(request, rows: dict[str, int], page: str, person: str, may_edit: bool):
    client = Client()
    client.force_login(request.getfixturevalue(person))
    address = f"{ADMIN}/{page}/{rows[page]}/change/"
    shown = client.get(address)
    assert shown.status_code == 200
    assert shown.context["has_change_permission"] is may_edit
    count = Change.objects.count()
    status = client.post(address, {}).status_code
    assert (status != 403) is may_edit
    deletes = may_edit and (page != "team" or person == "superuser")
    assert (client.get(f"{ADMIN}/{page}/{rows[page]}/delete/").status_code == 200) is deletes
    assert Change.objects.count() == count


@pytest.mark.parametrize("person", ["stranger", "teammate", "on_call"])
@pytest.mark.parametrize("page", PAGES)
def test_whoever_edits_nothing_adds_nothing(request, registry: Registry, person: str, page: str):
    client = Client()
    client.force_login(request.getfixturevalue(person))
    assert client.get(f"{ADMIN}/{page}/add/").status_code == 403


@pytest.mark.parametrize("person", ["teammate", "on_call", "stranger"])
def test_only_editors_freeze(request, registry: Registry, person: str):
    baseline = make_baseline(registry.model, frozen=False)
    client = Client()
    client.force_login(request.getfixturevalue(person))
    assert client.post(f"{ADMIN}/baseline/{baseline.pk}/freeze/").status_code == 403
    baseline.refresh_from_db()
    assert baseline.frozen_at is None


# --- Lists ------------------------------------------------------------------------------------------------------

LISTS = [*PAGES, "change", "replica"]


def fill(registry: Registry, start: int, count: int) -> None:
    for n in range(start, start + count):
        model = make_model(f"model-{n}", make_team(f"team-{n}"), versions=("v1", "v2"), live="v1", canary="v2")
        Feature.objects.create(model=model, name="f", team=registry.team)
        version = model.versions.first()
        version.baseline, version.pipeline_release = make_baseline(model), make_pipeline(model)
        version.save()
        seen = "2026-01-01T00:00:00Z"
        Replica.objects.create(name=f"r{n}", address="h:1", started_at=seen, last_seen_at=seen)


@pytest.mark.parametrize("page", LISTS)
def test_a_list_takes_the_same_queries_however_long_it_is(
    web: Client, registry: Registry, django_assert_num_queries, django_assert_max_num_queries, page: str
):
    fill(registry, 0, 3)
    web.get(f"{ADMIN}/{page}/")
    with django_assert_max_num_queries(25) as few:
        assert web.get(f"{ADMIN}/{page}/").status_code == 200
    fill(registry, 3, 6)
    with django_assert_num_queries(len(few)):
        assert web.get(f"{ADMIN}/{page}/?q=").status_code == 200


def test_the_models_page_takes_the_same_queries_however_much_it_has(
    web: Client, registry: Registry, django_assert_num_queries, django_assert_max_num_queries
):
    address = f"{ADMIN}/mlmodel/{registry.model.pk}/change/"

    def grow(start: int, count: int) -> None:
        for n in range(start, start + count):
            Feature.objects.create(model=registry.model, name=f"f{n}", team=registry.team, position=n + 5)
            baseline, pipeline = make_baseline(registry.model, f"b{n}"), make_pipeline(registry.model, f"p{n}")
            ModelVersion.objects.create(
                model=registry.model,
                version=f"w{n}",
                artifact="/x",
                sha256=SHA256,
                baseline=baseline,
                pipeline_release=pipeline,
            )

    grow(0, 2)
    with django_assert_max_num_queries(60) as few:
        web.get(address)
    grow(2, 6)
    with django_assert_num_queries(len(few)):
        web.get(address)


@pytest.mark.parametrize(
    ("address", "shown", "hidden"),
    [
        ("mlmodel/?q=model-1", "model-1", "model-0"),
        ("mlmodel/?risk__exact=high", "No results found", "model-0"),
        ("feature/?q=amount", "amount", "country"),
        ("change/?kind__exact=deploy", "model-0 v1: live", "frozen"),
    ],
)
def test_lists_are_searched_and_filtered(web: Client, registry: Registry, address: str, shown: str, hidden: str):
    fill(registry, 0, 2)
    body = web.get(f"{ADMIN}/{address}").content.decode()
    rows = body[body.index('id="changelist') :] if 'id="changelist' in body else body
    assert shown in rows
    assert hidden not in rows.split("result_list")[-1]


def test_a_change_shows_its_difference(web: Client, registry: Registry):
    change = traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)
    page = web.get(f"{ADMIN}/change/{change.uuid}/change/").content.decode()
    assert "+canary_percent: 10" in page


def test_typed_text_is_escaped(web: Client, registry: Registry):
    """It is on each of these pages, as text."""
    evil = "<script>alert(1)</script>"
    MLModel.objects.filter(name="fraud").update(description=evil)
    change = save_feature(Feature(model=registry.model, name=evil), actor=SYSTEM, reason=evil)
    assert change is not None
    for address in ("feature/", f"mlmodel/{registry.model.pk}/change/", "change/", f"change/{change.pk}/change/"):
        page = web.get(f"{ADMIN}/{address}").content.decode()
        assert evil not in page and escape(evil) in page, address
