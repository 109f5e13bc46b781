"""Business proxies at every entry: who may set and push them, what is refused by field, and where they are shown."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from controlplane.registry_file import apply_files, export
from drift.models import BusinessProxy, PushedValue
from drift.proxy_edits import delete_proxy, save_proxy
from drift.pushed_values import push_value, version_meant
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import Change
from tests.fixtures.registry import Registry, make_model, make_team
from tests.page_text import text_of

pytestmark = pytest.mark.django_db

PEOPLE = ("anonymous", "stranger", "teammate", "on_call", "owner", "superuser")
READERS, EDITORS = {*PEOPLE} - {"anonymous"}, {"owner", "superuser"}
LIST, ITEM = "/api/business-proxies/", "/api/business-proxies/fraud/approval_rate/"
VALUES = f"{ITEM}values/"
PROXY = {"model": "fraud", "name": "approval_rate", "lower": 0.6, "upper": 0.8}


def make(registry: Registry, name: str = "approval_rate", **fields: Any) -> BusinessProxy:
    proxy = BusinessProxy(model=registry.model, name=name, **{"lower": 0.6, "upper": 0.8, **fields})
    save_proxy(proxy, actor=SYSTEM)
    return proxy


def call(client: Client, method: str, address: str, body: Any = None) -> Any:
    if method == "get":
        return client.get(address)
    return getattr(client, method)(address, {} if body is None else body, content_type="application/json")


@pytest.fixture
def client(owner: User) -> Client:
    signed_in = Client()
    signed_in.force_login(owner)
    return signed_in


# --- What may be set ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"name": "Approval Rate"}, "name", "use 1 to 63 lower-case letters, digits, underscores"),
        ({"lower": None, "upper": None}, "lower", "Give a lower or an upper limit"),
        ({"lower": 0.8}, "upper", "0.8 is not above the lower limit, 0.8"),
        ({"lower": float("nan")}, "lower", "nan is no limit"),
        ({"upper": float("inf")}, "upper", "inf is no limit"),
        ({"predicted_class": "ugly"}, "predicted_class", "'ugly' is no class of fraud: it has good, bad."),
        ({"predicted_class": "good", "upper": 80}, "upper", "80 is no share of answers: 60 % is 0.6."),
        ({"max_age_seconds": 5}, "max_age_seconds", "60"),
    ],
)
def test_what_can_not_be_watched_is_refused_by_field(
    registry: Registry, fields: dict[str, Any], field: str, told: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        make(registry, **{"name": "approval_rate", **fields})
    assert list(refused.value.message_dict) == [field]
    assert told in " ".join(refused.value.message_dict[field])
    assert not BusinessProxy.objects.exists()


def test_a_proxy_is_named_once_per_model_and_keeps_its_name(registry: Registry) -> None:
    proxy = make(registry)
    with pytest.raises(ValidationError):
        make(registry)
    proxy.name = "another"
    with pytest.raises(ValidationError) as refused:
        save_proxy(proxy, actor=SYSTEM)
    assert list(refused.value.message_dict) == ["name"]


@pytest.mark.database
@pytest.mark.parametrize("limits", [(None, None), (0.5, 0.5), (2.0, 1.0)])
def test_the_database_refuses_a_band_that_nothing_is_in_or_out_of(
    registry: Registry, limits: tuple[float | None, float | None]
) -> None:
    lower, upper = limits
    with pytest.raises(IntegrityError), transaction.atomic():
        BusinessProxy.objects.bulk_create([BusinessProxy(model=registry.model, name="n", lower=lower, upper=upper)])


def test_each_edit_writes_a_change_and_a_repeated_one_none(registry: Registry) -> None:
    proxy = make(registry)
    proxy.upper, proxy.predicted_class = None, "good"
    assert save_proxy(proxy, actor=SYSTEM) is not None
    assert save_proxy(proxy, actor=SYSTEM) is None
    delete_proxy(proxy, actor=SYSTEM)
    told = list(Change.objects.filter(kind="threshold").order_by("at").values_list("summary", flat=True))
    assert told == [
        "fraud: business proxy approval_rate: 0.6 to 0.8",
        "fraud: business proxy approval_rate: predicted class none to good, upper 0.8 to none",
        "fraud: business proxy approval_rate deleted",
    ]


# --- REST -----------------------------------------------------------------------------------------------------------

MATRIX = [
    ("get", LIST, None, 200, READERS),
    ("post", LIST, PROXY | {"name": "second"}, 201, EDITORS),
    ("post", LIST, PROXY | {"model": "elsewhere"}, 201, {"superuser"}),
    ("get", ITEM, None, 200, READERS),
    ("patch", ITEM, {"lower": 0.5}, 200, EDITORS),
    ("put", ITEM, PROXY, 200, EDITORS),
    ("delete", ITEM, None, 204, EDITORS),
    ("post", VALUES, {"value": 0.7, "at": ...}, 200, EDITORS),
]


def push(**fields: Any) -> dict[str, Any]:
    return {"value": 0.7, "at": timezone.now().isoformat(), **fields}


@pytest.mark.parametrize(
    ("method", "address", "body", "done", "allowed"), MATRIX, ids=[f"{m[0]} {m[1]}" for m in MATRIX]
)
def test_matrix(
    registry: Registry,
    request: pytest.FixtureRequest,
    method: str,
    address: str,
    body: Any,
    done: int,
    allowed: set[str],
) -> None:
    make_model("elsewhere", make_team("others"))
    make(registry)
    outcomes = {}
    for person in PEOPLE:
        client = Client()
        if person != "anonymous":
            client.force_login(request.getfixturevalue(person))
        with transaction.atomic():
            sent = push() if address == VALUES else body
            outcomes[person] = call(client, method, address, sent).status_code
            transaction.set_rollback(True)
    assert outcomes == {p: done if p in allowed else 401 if p == "anonymous" else 403 for p in PEOPLE}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (PROXY | {"uper": 0.9}, "uper"),
        (PROXY | {"upper": "high"}, "upper"),
        (PROXY | {"upper": 0.1}, "upper"),
        (PROXY | {"name": "a/b"}, "name"),
        (PROXY | {"predicted_class": "ugly"}, "predicted_class"),
        (PROXY | {"model": "nobody"}, "model"),
    ],
)
def test_a_wrong_field_is_named(registry: Registry, client: Client, body: dict[str, Any], field: str) -> None:
    refused = call(client, "post", LIST, body)
    assert (refused.status_code, list(refused.json())) == (400, [field])


def test_a_pushed_value_is_that_of_the_live_version_and_a_retry_is_safe(registry: Registry, client: Client) -> None:
    make(registry)
    body = push()
    for _ in range(3):
        answer = call(client, "post", VALUES, body)
        assert (answer.status_code, answer.json()) == (200, {"version": "v1", "kept": True})
    late = push(value=0.1, at=(timezone.now() - timedelta(hours=1)).isoformat())
    assert call(client, "post", VALUES, late).json() == {"version": "v1", "kept": False}
    (read,) = client.get(ITEM).json()["pushed_values"]
    assert (read["version"], read["value"]) == ("v1", 0.7)
    assert client.get(LIST).json()["results"] == [client.get(ITEM).json()]
    assert Change.objects.filter(kind="threshold").count() == 1, "a value is no change of what is desired"


@pytest.mark.parametrize(
    ("changed", "field", "told"),
    [
        ({"value": None}, "value", "null"),
        ({"value": "nan"}, "value", "valid number"),
        ({"value": "much"}, "value", "number"),
        ({"at": "noon"}, "at", "format"),
        ({"at": "2999-01-01T00:00:00Z"}, "at", "is in the future"),
        ({"at": "2020-01-01T00:00:00Z"}, "at", "max_age_seconds"),
        ({"version": "v9"}, "version", "fraud has no version 'v9'"),
        ({"valeu": 1}, "valeu", "Unknown field"),
    ],
)
def test_a_push_that_is_wrong_names_the_field(
    registry: Registry, client: Client, changed: dict[str, Any], field: str, told: str
) -> None:
    make(registry)
    refused = call(client, "post", VALUES, push(**changed))
    assert (refused.status_code, list(refused.json())) == (400, [field])
    assert told in str(refused.json())
    assert not PushedValue.objects.exists()


def test_without_a_live_version_the_version_has_to_be_named(registry: Registry, client: Client) -> None:
    make(registry)
    traffic.withdraw(registry.model, actor=SYSTEM)
    assert list(call(client, "post", VALUES, push()).json()) == ["version"]
    assert call(client, "post", VALUES, push(version="v1")).status_code == 200


# --- The web UI and the file ----------------------------------------------------------------------------------------


def test_a_person_makes_a_proxy_and_the_change_is_theirs(registry: Registry, client: Client) -> None:
    address = "/admin/drift/businessproxy/add/"
    assert client.get(f"{address}?model=fraud").status_code == 200
    body = {"model": registry.model.pk, "name": "approval_rate", "predicted_class": "good", "max_age_seconds": "3600"}
    refused = client.post(address, body)
    assert list(refused.context["adminform"].form.errors) == ["lower"]
    assert list(client.post(address, {**body, "model": "", "lower": "0.6"}).context["errors"]), "no model, no crash"
    answer = client.post(address, body | {"lower": "0.6"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    row = BusinessProxy.objects.get()
    assert (row.predicted_class, row.lower, row.upper) == ("good", 0.6, None)
    assert Change.objects.get(kind="threshold").author == "owner"
    assert "0.6 and more" in client.get("/admin/drift/businessproxy/").content.decode()
    assert client.post(f"/admin/drift/businessproxy/{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not BusinessProxy.objects.exists()


def test_a_stranger_reads_and_does_not_write(registry: Registry, stranger: User) -> None:
    row, client = make(registry), Client()
    client.force_login(stranger)
    address = f"/admin/drift/businessproxy/{row.pk}/change/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"lower": "0.1"}).status_code == 403


def test_the_file_states_proxies_both_ways(registry: Registry, tmp_path: Any) -> None:
    text = """business_proxies:
- {model: fraud, name: approval_rate, predicted_class: good, lower: 0.6, upper: 0.8}
- {model: fraud, name: review_rate, upper: 0.05, max_age_seconds: 7200}
"""
    (tmp_path / "registry.yml").write_text(text, encoding="utf-8")
    first, second = (apply_files([tmp_path / "registry.yml"], actor=SYSTEM) for _ in range(2))
    assert (len(first.changes), first.problems, second.changes) == (2, (), ())
    exported = export()
    BusinessProxy.objects.all().delete()
    (tmp_path / "exported.yml").write_text(exported, encoding="utf-8")
    assert not apply_files([tmp_path / "exported.yml"], actor=SYSTEM).problems
    assert export() == exported
    stated = [(p.name, p.lower, p.upper, p.max_age_seconds) for p in BusinessProxy.objects.order_by("name")]
    assert stated == [("approval_rate", 0.6, 0.8, 172800), ("review_rate", None, 0.05, 7200)]


def test_a_wrong_limit_in_the_file_is_told_where_it_stands(registry: Registry, tmp_path: Any) -> None:
    text = "business_proxies:\n- model: fraud\n  name: approval_rate\n  predicted_class: good\n  lower: 60\n"
    (tmp_path / "registry.yml").write_text(text, encoding="utf-8")
    (problem,) = apply_files([tmp_path / "registry.yml"], actor=SYSTEM).problems
    assert problem.line == 5
    assert "60 is no share of answers" in str(problem)


def test_the_models_page_shows_each_band_with_the_present_value(registry: Registry, client: Client) -> None:
    assert "None is watched" in text_of(client.get("/models/fraud/").content.decode())
    proxy = make(registry)
    make(registry, "pass_rate", predicted_class="good", upper=None)
    push_value(proxy, version_meant(proxy, "v1"), 0.55, timezone.now())
    html = client.get("/models/fraud/").content.decode()
    text = text_of(html).partition("Business proxies")[2].partition("Features")[0]
    assert "approval_rate pushed v1 0.55 0.6 to 0.8 a moment ago" in text
    assert "pass_rate share of good v1 unknown 0.6 and more The drift check has no scores to tell." in text
    assert html.count("pl-number pl-over") == 1
    traffic.withdraw(registry.model, actor=SYSTEM)
    assert "No version has traffic" in text_of(client.get("/models/fraud/").content.decode())


@pytest.mark.parametrize("address", [LIST, "/models/fraud/", "/admin/drift/businessproxy/"])
def test_pages_take_a_number_of_queries_that_no_proxy_adds_to(
    registry: Registry, client: Client, django_assert_num_queries: Callable[..., Any], address: str
) -> None:
    def filled(name: str) -> None:
        proxy = make(registry, name)
        push_value(proxy, version_meant(proxy, "v1"), 0.5, timezone.now())

    filled("approval_rate")
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        assert client.get(address).status_code == 200
    for n in range(5):
        filled(f"more-{n}")
    with django_assert_num_queries(len(few)):
        client.get(address)
