"""Objectives: what may be promised, who may promise it, and what is left of the budget, wherever it is told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from alerts.error_budget import Budget, Hour, days
from alerts.models import ErrorBudget, HourlyCount, Objective
from alerts.objectives import ObjectiveRow
from alerts.policies import load_policies
from alerts.policy_edits import delete_objective, save_objective
from controlplane.registry_file import apply_files, export
from models_registry.actor import SYSTEM
from models_registry.models import Change
from tests.fixtures.registry import Registry, make_model, make_team
from tests.page_text import text_of

PEOPLE = ("anonymous", "stranger", "teammate", "on_call", "owner", "superuser")
READERS, EDITORS = {*PEOPLE} - {"anonymous"}, {"owner", "superuser"}
OBJECTIVE = {"model": "fraud", "name": "availability", "kind": "availability", "target": 0.999}
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def make(registry: Registry, name: str = "availability", **fields: Any) -> Objective:
    given_ = {"kind": "availability", "target": 0.99, **fields}
    row = Objective(model=registry.model, name=name, **given_)
    save_objective(row, actor=SYSTEM)
    return row


# --- What may be promised ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"target": 1.0}, "target", "99.9 % is 0.999"),
        ({"target": 99.9}, "target", "from 0.5 to 0.99999, not 99.9"),
        ({"period_days": 6}, "period_days", "7 to 90 days, not 6"),
        ({"period_days": 91}, "period_days", "7 to 90 days, not 91"),
        ({"name": "Fast Answers"}, "name", "lower-case"),
        ({"kind": "latency"}, "latency_seconds", "one of 0.01, 0.025"),
        ({"kind": "latency", "latency_seconds": 0.3}, "latency_seconds", "not 0.3"),
        ({"latency_seconds": 0.35}, "latency_seconds", "leave this empty"),
        ({"route": "/predict"}, "route", "/predict"),
    ],
)
def test_what_can_not_be_promised_is_refused_by_field(
    registry: Registry, fields: dict[str, Any], field: str, told: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        make(registry, **fields)
    assert told in " ".join(refused.value.message_dict[field])
    assert not Objective.objects.exists()


def test_an_objective_is_named_once_per_model(registry: Registry) -> None:
    make(registry)
    with pytest.raises(ValidationError):
        make(registry)


def test_each_edit_writes_a_change_and_a_repeated_one_none(registry: Registry) -> None:
    row = make(registry)
    row.target = 0.95
    assert save_objective(row, actor=SYSTEM) is not None
    assert save_objective(row, actor=SYSTEM) is None
    delete_objective(row, actor=SYSTEM)
    told = list(Change.objects.filter(object_type="objective").order_by("at").values_list("kind", "summary"))
    assert told == [
        ("threshold", "objective availability of fraud made"),
        ("threshold", "objective availability of fraud: target changed"),
        ("threshold", "objective availability of fraud deleted"),
    ]
    assert not Objective.objects.exists()


def test_an_objective_keeps_its_name_and_its_model(registry: Registry) -> None:
    row = make(registry)
    row.name = "another"
    with pytest.raises(ValidationError):
        save_objective(row, actor=SYSTEM)


def test_what_is_stored_is_what_is_rendered(registry: Registry) -> None:
    make(registry, "fast", kind="latency", latency_seconds=0.35, period_days=7, route="predict_batch")
    assert load_policies().objectives == (ObjectiveRow("fraud", "fast", "latency", "predict_batch", 0.99, 7, 0.35),)


# --- REST ---------------------------------------------------------------------------------------------------------

MATRIX = [
    ("get", "/api/objectives/", None, READERS),
    ("post", "/api/objectives/", OBJECTIVE | {"name": "second"}, EDITORS),
    ("post", "/api/objectives/", OBJECTIVE | {"model": "elsewhere"}, {"superuser"}),
    ("get", "/api/objectives/fraud/availability/", None, READERS),
    ("patch", "/api/objectives/fraud/availability/", {"target": 0.9}, EDITORS),
    ("put", "/api/objectives/fraud/availability/", OBJECTIVE, EDITORS),
    ("delete", "/api/objectives/fraud/availability/", None, EDITORS),
]


def call(client: Client, method: str, address: str, body: Any = None) -> Any:
    if method == "get":
        return client.get(address)
    return getattr(client, method)(address, {} if body is None else body, content_type="application/json")


@pytest.fixture
def client(owner: User) -> Client:
    signed_in = Client()
    signed_in.force_login(owner)
    return signed_in


@pytest.mark.parametrize(("method", "address", "body", "allowed"), MATRIX, ids=[f"{m[0]} {m[1]}" for m in MATRIX])
def test_matrix(
    registry: Registry, request: pytest.FixtureRequest, method: str, address: str, body: Any, allowed: set[str]
) -> None:
    make_model("elsewhere", make_team("others"))
    make(registry)
    outcomes = {}
    for person in PEOPLE:
        client = Client()
        if person != "anonymous":
            client.force_login(request.getfixturevalue(person))
        with transaction.atomic():
            outcomes[person] = call(client, method, address, body).status_code
            transaction.set_rollback(True)
    done = {"get": 200, "post": 201, "patch": 200, "put": 200, "delete": 204}[method]
    assert outcomes == {p: done if p in allowed else 401 if p == "anonymous" else 403 for p in PEOPLE}


def test_an_objective_is_made_and_says_which_tiers_it_leaves_out(registry: Registry, client: Client) -> None:
    made = call(client, "post", "/api/objectives/", OBJECTIVE | {"target": 0.9})
    assert made.status_code == 201, made.content
    read = client.get("/api/objectives/fraud/availability/").json()
    assert read == made.json()
    assert (read["route"], read["period_days"], read["tiers_left_out"]) == ("predict", 30, ["page-fast"])
    assert read["budget"] is None, "nothing is counted yet"


def test_the_budget_that_is_left_is_told(registry: Registry, client: Client) -> None:
    row = make(registry)
    ErrorBudget.objects.create(objective=row, counted_until=NOON, events=1000, bad=4, hours=24)
    budget = client.get("/api/objectives/").json()["results"][0]["budget"]
    assert budget == {
        "left": pytest.approx(0.6),
        "good_ratio": pytest.approx(0.996),
        "events": 1000,
        "bad": 4,
        "hours": 24,
        "until": "2026-07-01T12:00:00Z",
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (OBJECTIVE | {"target": 2}, "target"),
        (OBJECTIVE | {"latency": 1}, "latency"),
        (OBJECTIVE | {"kind": "speed"}, "kind"),
        (OBJECTIVE | {"model": "nobody"}, "model"),
        ({k: v for k, v in OBJECTIVE.items() if k != "target"}, "target"),
    ],
)
def test_a_wrong_field_is_named(registry: Registry, client: Client, body: dict[str, Any], field: str) -> None:
    refused = call(client, "post", "/api/objectives/", body)
    assert refused.status_code == 400
    assert list(refused.json()) == [field]


# --- The admin and the file ----------------------------------------------------------------------------------------


def test_a_person_makes_an_objective_and_the_change_is_theirs(registry: Registry, client: Client) -> None:
    page = client.get("/admin/alerts/objective/add/?model=fraud")
    assert page.status_code == 200
    body = {"model": registry.model.pk, "name": "fast", "kind": "latency", "route": "predict"}
    body |= {"target": "0.99", "period_days": "28", "latency_seconds": "0.3"}
    refused = client.post("/admin/alerts/objective/add/", body)
    assert list(refused.context["adminform"].form.errors) == ["latency_seconds"]
    answer = client.post("/admin/alerts/objective/add/", body | {"latency_seconds": "0.35"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert Objective.objects.get().row() == ObjectiveRow("fraud", "fast", "latency", "predict", 0.99, 28, 0.35)
    assert Change.objects.get(object_type="objective").author == "owner"


def test_a_stranger_reads_and_does_not_write(registry: Registry, stranger: User) -> None:
    row, client = make(registry), Client()
    client.force_login(stranger)
    address = f"/admin/alerts/objective/{row.pk}/change/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"target": "0.5", "period_days": "7"}).status_code == 403


def test_the_file_states_objectives_both_ways(registry: Registry, tmp_path: Any) -> None:
    text = """objectives:
- {model: fraud, name: availability, kind: availability, target: 0.999}
- {model: fraud, name: fast, kind: latency, latency_seconds: 0.35, target: 0.95, period_days: 7}
"""
    (tmp_path / "registry.yml").write_text(text, encoding="utf-8")
    first, second = (apply_files([tmp_path / "registry.yml"], actor=SYSTEM) for _ in range(2))
    assert (len(first.changes), first.problems, second.changes) == (2, (), ())
    (tmp_path / "exported.yml").write_text(export(), encoding="utf-8")
    before = load_policies().objectives
    Objective.objects.all().delete()
    assert not apply_files([tmp_path / "exported.yml"], actor=SYSTEM).problems
    assert load_policies().objectives == before


def test_a_wrong_promise_in_the_file_is_told_where_it_stands(registry: Registry, tmp_path: Any) -> None:
    text = "objectives:\n- model: fraud\n  name: availability\n  kind: availability\n  target: 99.9\n"
    (tmp_path / "registry.yml").write_text(text, encoding="utf-8")
    (problem,) = apply_files([tmp_path / "registry.yml"], actor=SYSTEM).problems
    assert problem.line == 5
    assert "The target is the share of good answers" in str(problem)


# --- What is left ---------------------------------------------------------------------------------------------------


def row(target: float = 0.99, period_days: int = 7) -> ObjectiveRow:
    return ObjectiveRow("fraud", "availability", "availability", "predict", target, period_days)


@pytest.mark.parametrize(
    ("events", "bad", "left"), [(1000, 0, 1.0), (1000, 5, 0.5), (1000, 10, 0.0), (1000, 20, -1.0), (0, 0, None)]
)
def test_the_share_of_the_budget_that_is_left(events: float, bad: float, left: float | None) -> None:
    assert Budget(row(), events, bad, 24, NOON).left == (left if left is None else pytest.approx(left, abs=1e-9))


counts = st.tuples(st.floats(1, 1e6), st.floats(0, 1)).map(lambda found: (found[0], found[0] * found[1]))


@given(hours=st.lists(st.none() | counts, min_size=1, max_size=7 * 24), target=st.floats(0.5, 0.9999))
def test_what_the_days_spent_adds_up_to_what_is_spent_and_gaps_spend_nothing(
    hours: list[tuple[float, float] | None], target: float
) -> None:
    known = [
        Hour(NOON - timedelta(hours=n + 1), found and found[0], found and found[1]) for n, found in enumerate(hours)
    ]
    events = sum(hour.events or 0 for hour in known)
    bad = sum(hour.bad or 0 for hour in known)
    budget = Budget(row(target), events, bad, sum(h.events is not None for h in known), NOON)
    shown = days(budget, known)
    assert len(shown) in (7, 8)
    assert sum(day.hours for day in shown) == budget.hours
    if budget.left is not None:
        assert sum(day.spent for day in shown) == pytest.approx(1 - budget.left, abs=1e-6)
    assert all(day.spent == 0 for day in shown if day.is_gap)


def scraped(client: Client, metric: str) -> list[str]:
    return [line for line in client.get("/metrics").content.decode().splitlines() if line.startswith(metric)]


def test_the_metrics_tell_what_is_left_while_it_is_counted(registry: Registry, client: Client) -> None:
    row = make(registry)
    left = "plumbline_objective_error_budget_left"
    labels = ('model_name="fraud"', 'objective="availability"', 'route="predict"')
    assert scraped(client, "plumbline_objective_target") and not scraped(client, left)
    budget = ErrorBudget.objects.create(objective=row, counted_until=timezone.now(), events=1000, bad=4, hours=24)
    (line,) = scraped(client, left)
    assert float(line.rpartition(" ")[2]) == pytest.approx(0.6)
    assert all(label in line for label in labels)
    ErrorBudget.objects.update(counted_until=budget.counted_until - timedelta(hours=4))
    assert not scraped(client, left), "an old number never looks fresh"


def test_the_metrics_tell_the_latency_limit_for_dashboards_to_draw(registry: Registry, client: Client) -> None:
    make(registry)
    make(registry, "fast", kind="latency", latency_seconds=0.35)
    (line,) = scraped(client, "plumbline_objective_latency_limit_seconds")
    assert 'objective="fast"' in line and line.endswith(" 0.35")


def test_the_models_page_shows_what_is_left_the_gaps_and_the_tiers_left_out(registry: Registry, client: Client) -> None:
    row = make(registry, target=0.9, period_days=7)
    until = timezone.now().replace(minute=0, second=0, microsecond=0)
    for n in range(48):
        known = n < 24
        HourlyCount.objects.create(
            objective=row,
            hour=until - timedelta(hours=n + 1),
            events=100 if known else None,
            bad=20 if known else None,
        )
    ErrorBudget.objects.create(objective=row, counted_until=until, events=2400, bad=480, hours=24)
    page = client.get("/models/fraud/").content.decode()
    text = text_of(page)
    assert "90% of predict without an error, over 7 d" in text
    assert "-100%" in text and "24 of 168 h known" in text
    assert "page-fast (14.4 x 10%)" in text
    assert "nothing is known" in page and "of the budget spent" in page


def test_the_models_page_says_where_nothing_is_promised(registry: Registry, client: Client) -> None:
    assert "No objective is set" in client.get("/models/fraud/").content.decode()


@pytest.mark.parametrize("address", ["/api/objectives/", "/metrics", "/models/fraud/", "/admin/alerts/objective/"])
def test_pages_take_a_number_of_queries_that_no_objective_adds_to(
    registry: Registry, client: Client, django_assert_num_queries: Callable[..., Any], address: str
) -> None:
    make(registry)
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        assert client.get(address).status_code == 200
    for n in range(5):
        row = make(registry, f"more-{n}")
        ErrorBudget.objects.create(objective=row, counted_until=timezone.now(), events=10, bad=1, hours=2)
    with CaptureQueriesContext(connection) as many:
        client.get(address)
    assert len(many) == len(few)
