"""Lists of the API: the same number of queries however long, searched, filtered, ordered, in pages."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from models_registry.models import Feature
from tests.fixtures.registry import (
    Registry,
    make_baseline,
    make_model,
    make_pipeline,
    make_team,
    make_user,
    make_version,
)

pytestmark = pytest.mark.django_db


class Api:
    """JSON in, (status, JSON) out."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)

    def __call__(self, method: str, address: str, body=None):
        options = {} if method == "get" else {"data": {} if body is None else body, "content_type": "application/json"}
        answer = getattr(self.client, method)(f"/api/{address}", **options)
        return answer.status_code, answer.json() if answer.content else None


@pytest.fixture
def api(owner: User) -> Api:
    return Api(owner)


LISTS = [
    "teams/",
    "models/",
    "models/fraud/versions/",
    "models/fraud/features/",
    "models/fraud/baselines/",
    "models/fraud/pipeline-releases/",
    "changes/",
    "replicas/",
]


def fill(registry: Registry, start: int, count: int) -> None:
    for n in range(start, start + count):
        team = make_team(f"team-{n}")
        make_user(f"user-{n}", team)
        make_model(f"model-{n}", team, versions=("v1", "v2"), live="v1", canary="v2", features=("a", "b"))
        make_feature = Feature(model=registry.model, name=f"f{n}", team=team)
        make_feature.save()
        baseline = make_baseline(registry.model, f"b{n}")
        make_version(
            registry.model, f"w{n}", baseline=baseline, pipeline_release=make_pipeline(registry.model, f"p{n}")
        )


@pytest.mark.parametrize("address", LISTS)
def test_a_list_takes_the_same_queries_however_long_it_is(
    api: Api, registry: Registry, django_assert_num_queries, address: str, django_assert_max_num_queries
):
    fill(registry, 0, 2)
    with django_assert_max_num_queries(15) as few:
        api("get", address)
    fill(registry, 2, 8)
    with django_assert_num_queries(len(few)):
        status, shown = api("get", address)
    assert status == 200
    assert address == "replicas/" or shown["count"] >= 9


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("models/?search=fra", ["fraud"]),
        ("models/?ordering=-name", ["model-1", "model-0", "fraud"]),
        ("models/?on_call_team__name=team-1", ["model-1"]),
        ("models/?risk=high", []),
        ("teams/?search=team-0", ["team-0"]),
        ("models/fraud/features/?critical=true", ["country"]),
        ("models/fraud/features/?ordering=-position", ["country", "amount", "f0", "f1"]),
    ],
)
def test_lists_are_searched_filtered_and_ordered(api: Api, registry: Registry, address: str, names: list[str]):
    fill(registry, 0, 2)
    status, shown = api("get", address)
    assert (status, [item["name"] for item in shown["results"]]) == (200, names)


def test_changes_are_filtered_by_model_kind_and_time(api: Api, registry: Registry):
    fill(registry, 0, 1)
    kinds = [c["kind"] for c in api("get", "changes/?model_name=model-0&kind=deploy")[1]["results"]]
    assert kinds == ["deploy", "deploy"]
    assert api("get", "changes/?since=2999-01-01T00:00:00Z")[1]["count"] == 0


def test_a_long_list_comes_in_pages(api: Api, registry: Registry):
    for n in range(60):
        Feature.objects.create(model=registry.model, name=f"f{n}")
    first = api("get", "models/fraud/features/")[1]
    assert (first["count"], len(first["results"])) == (62, 50)
    assert api("get", "models/fraud/features/?page=2")[1]["next"] is None
