"""Changing traffic: state and Change together or not at all, also with several processes at it."""

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from models_registry import changes, serving_snapshot, traffic
from models_registry.actor import SYSTEM, Actor
from models_registry.fleet import load_fleet
from models_registry.models import Change, MLModel, ModelVersion, Traffic
from models_registry.traffic import TrafficError
from telemetry import snapshot
from tests.fixtures.registry import Registry, make_model, make_version
from tests.models_registry import broken_nudge

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def stored(model: MLModel):
    """The split as the database has it."""
    return traffic.read_split(Traffic.objects.get(model=model))


def test_a_deploy_is_told_with_who_why_before_and_after(registry: Registry, owner):
    change = traffic.deploy(registry.model, "v2", percent=10, actor=Actor.of(owner), reason="CI 42")
    assert (change.kind, change.version, change.author, change.user, change.reason) == (
        "deploy",
        "v2",
        "owner",
        owner,
        "CI 42",
    )
    assert change.summary == "fraud v2: canary 10%"
    assert change.before == {"live": "v1"}
    assert change.after == {"live": "v1", "canary": "v2", "canary_percent": 10}


@pytest.mark.parametrize(
    ("kind", "summary", "move"),
    [
        ("traffic", "fraud v2: canary 10% to 5%", lambda m: traffic.shift_traffic(m, percent=5, actor=SYSTEM)),
        ("deploy", "fraud v2: promoted from canary, v1 was live", lambda m: traffic.promote(m, actor=SYSTEM)),
        ("rollback", "fraud: canary v2 rolled back, v1 answers all", lambda m: traffic.roll_back(m, actor=SYSTEM)),
        ("traffic", "fraud: withdrawn, v1 was live", lambda m: traffic.withdraw(m, actor=SYSTEM)),
    ],
)
def test_each_move_has_its_kind_and_its_words(registry: Registry, kind: str, summary: str, move):
    traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)
    change = move(registry.model)
    assert (change.kind, change.summary) == (kind, summary)


def test_rolling_back_a_live_version_is_told_as_that(registry: Registry):
    traffic.deploy(registry.model, "v2", percent=100, actor=SYSTEM)
    change = traffic.roll_back(registry.model, version="v2", actor=SYSTEM)
    assert (change.summary, change.version) == ("fraud: v2 rolled back to v1", "v2")
    assert traffic.roll_back(registry.model, version="v2", actor=SYSTEM) is None


def test_whoever_holds_the_model_sees_what_was_written(registry: Registry):
    model = registry.model
    traffic.deploy(model, "v2", percent=10, actor=SYSTEM)
    assert traffic.read_split(model.traffic).canary == "v2"


def test_a_repeated_move_writes_nothing(registry: Registry):
    traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)
    before = (Change.objects.count(), Traffic.objects.get().revision)
    assert traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM) is None
    assert (Change.objects.count(), Traffic.objects.get().revision) == before


def test_an_unregistered_version_is_refused(registry: Registry):
    with pytest.raises(TrafficError, match="fraud has no version 'v9': register it first"):
        traffic.deploy(registry.model, "v9", percent=10, actor=SYSTEM)


def test_a_version_of_another_model_is_refused(registry: Registry):
    make_version(make_model("other", registry.team), "theirs")
    with pytest.raises(TrafficError, match="no version 'theirs'"):
        traffic.deploy(registry.model, "theirs", percent=10, actor=SYSTEM)


def test_a_change_that_cannot_be_written_takes_the_state_back(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Change.objects, "create", fail)
    with pytest.raises(OSError, match="full"):
        traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)
    assert stored(registry.model).canary is None
    assert ModelVersion.objects.get(version="v2").served_at is None


@pytest.mark.django_db(transaction=True)
def test_a_change_outside_a_transaction_is_refused(registry: Registry):
    count = Change.objects.count()
    with pytest.raises(RuntimeError, match="transaction"):
        changes.record(Change.Kind.REGISTRY, actor=SYSTEM, obj=registry.model, summary="alone")
    assert Change.objects.count() == count


@pytest.mark.django_db(transaction=True)
def test_a_nudge_that_fails_is_no_error_of_the_edit(registry: Registry, settings):
    """As without Redis: what `wake` names raises, after the commit."""
    settings.PLUMBLINE_WAKE = "tests.models_registry.broken_nudge.wake"
    traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)
    assert broken_nudge.CALLS
    assert stored(registry.model).canary == "v2"


# --- What the database itself refuses ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"canary_percent": 10},
        {"canary": "v2", "live": None},
        {"canary": "v1"},
        {"canary": "v2", "canary_percent": 101},
    ],
)
def test_a_split_that_cannot_be_is_refused_by_the_database(registry: Registry, wrong: dict):
    ids = dict(registry.model.versions.values_list("version", "pk"))
    values = {f"{k}_id" if k != "canary_percent" else k: ids.get(v, v) for k, v in wrong.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        Traffic.objects.filter(model=registry.model).update(**values)


def test_a_model_has_one_traffic_row(registry: Registry):
    with pytest.raises(IntegrityError), transaction.atomic():
        Traffic.objects.create(model=registry.model, changed_at=timezone.now())


# --- Several at once --------------------------------------------------------------------------------------------


@pytest.fixture
def shared_database(tmp_path: Path, transactional_db: None) -> dict[str, str]:
    """The environment of processes that share a migrated database: a file of their own, or this test's PostgreSQL."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'shared.sqlite3'}"}
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=environment, check=True)
        return environment
    user, host, name = (quote(str(settings[key]), safe="") for key in ("USER", "HOST", "NAME"))
    password = f":{quote(settings['PASSWORD'], safe='')}" if settings["PASSWORD"] else ""
    port = f":{settings['PORT']}" if settings["PORT"] else ""
    return {**os.environ, "DATABASE_URL": f"postgres://{user}{password}@{host}{port}/{name}"}


def process(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.models_registry.shifting_process", *arguments]
    environment = {**environment, "DJANGO_SETTINGS_MODULE": "controlplane.settings"}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def test_two_processes_lose_no_change_and_mix_no_state(shared_database: dict[str, str]):
    """Each Change's `before` is the `after` of the one before it: no write is lost, and none is written twice."""
    assert process(shared_database, "seed").wait(60) == 0
    shifting = [process(shared_database, "shift", name, start) for name, start in (("one", "20"), ("two", "60"))]
    # Side by side: the one that starts later must not find the other at its end.
    assert [p.stdout.readline() for p in shifting if p.stdout] == ["ready\n"] * 2
    with ThreadPoolExecutor() as pool:
        outputs = list(pool.map(lambda p: p.communicate("go\n", timeout=60), shifting))
    assert [p.returncode for p in shifting] == [0, 0], [errors for _, errors in outputs]
    told = json.loads(process(shared_database, "report").communicate(timeout=60)[0])
    written = sum(int(output) for output, _ in outputs)
    assert written == len(told["shares"]) == 40
    # Two moves before them: live, canary.
    assert told["revision"] == written + 2
    chain, percent = [tuple(share) for share in told["shares"]], 10
    assert Counter(before for before, _ in chain) + Counter([told["percent"]]) == Counter(
        [percent, *(after for _, after in chain)]
    )


@pytest.mark.django_db(transaction=True)
def test_the_loser_of_a_race_starts_again_from_what_the_winner_wrote(registry: Registry, monkeypatch):
    real = traffic.read_split
    raced: list[bool] = []

    def slow(row: Traffic, shadows: list[str] | None = None):
        found = real(row, shadows)
        if not raced:
            raced.append(True)
            winner = registry.model.versions.get(version="v2")
            Traffic.objects.filter(pk=row.pk).update(canary=winner, canary_percent=50, revision=row.revision + 1)
        return found

    monkeypatch.setattr(traffic, "read_split", slow)
    change = traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)
    assert change is not None and change.before["canary_percent"] == 50
    assert stored(registry.model).canary_percent == 10


def test_a_row_that_is_never_at_rest_is_given_up_with_the_remedy(registry: Registry, monkeypatch):
    real = traffic.read_split

    def never(row: Traffic, shadows: list[str] | None = None):
        Traffic.objects.filter(pk=row.pk).update(revision=row.revision + 1)
        return real(row, shadows)

    monkeypatch.setattr(traffic, "read_split", never)
    with pytest.raises(TrafficError, match="look at it again and retry"):
        traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)


# --- The fleet and the snapshot ---------------------------------------------------------------------------------


def test_the_fleet_takes_the_same_queries_from_3_to_30_models(
    registry: Registry, django_assert_num_queries, django_assert_max_num_queries
):
    def grow(start: int, stop: int) -> None:
        for n in range(start, stop):
            make_model(f"m{n}", registry.team, versions=("v1", "v2"), live="v1", canary="v2", features=("a", "b"))

    grow(0, 2)
    with django_assert_max_num_queries(12) as few:
        load_fleet()
    grow(2, 29)
    with django_assert_num_queries(len(few)):
        fleet = load_fleet()
    assert len(fleet.models) == 30


def test_the_fleet_is_in_order_whatever_the_database_collates(registry: Registry):
    for name in ("b-1", "b1", "a", "b-0"):
        make_model(name, registry.team)
    assert [m.name for m in load_fleet().models] == sorted(["fraud", "b-1", "b1", "a", "b-0"])


def test_the_snapshot_holds_what_rolling_back_needs_and_no_more(registry: Registry):
    make_version(registry.model, "v3")
    make_version(registry.model, "unused")
    make_model("idle", registry.team)
    traffic.deploy(registry.model, "v2", percent=100, actor=SYSTEM)
    traffic.deploy(registry.model, "v3", percent=7, actor=SYSTEM)
    built = serving_snapshot.build(load_fleet())
    assert [(m.name, m.live, m.canary, m.canary_percent) for m in built.models] == [("fraud", "v2", "v3", 7)]
    assert [v.version for v in built.models[0].versions] == ["v1", "v2", "v3"]
    assert snapshot.parse(built.text) == built
    assert [f.name for f in built.models[0].features] == ["amount", "country"]


def test_a_roll_back_gives_the_snapshot_from_before_but_for_what_it_returns_to(registry: Registry):
    before = serving_snapshot.build(load_fleet()).hash
    traffic.deploy(registry.model, "v2", percent=10, actor=SYSTEM)
    assert serving_snapshot.build(load_fleet()).hash != before
    traffic.roll_back(registry.model, actor=SYSTEM)
    assert serving_snapshot.build(load_fleet()).hash == before


def test_states_follow_from_the_one_row(registry: Registry):
    for version in ("v3", "v4"):
        make_version(registry.model, version)
    traffic.deploy(registry.model, "v2", percent=100, actor=SYSTEM)
    traffic.deploy(registry.model, "v3", percent=10, actor=SYSTEM)
    traffic.set_shadows(registry.model, {"v1"}, actor=SYSTEM)
    fleet = load_fleet().by_name["fraud"]
    assert {v.version: v.state for v in fleet.versions} == {
        "v1": "shadow",
        "v2": "live",
        "v3": "canary",
        "v4": "registered",
    }
    traffic.roll_back(registry.model, actor=SYSTEM)
    assert load_fleet().by_name["fraud"].version("v3").state == "retired"
