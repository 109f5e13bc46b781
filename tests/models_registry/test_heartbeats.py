"""What replicas tell is kept as one row each, and forgotten when they are gone."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from models_registry.heartbeats import FORGET_AFTER, Heartbeat, forget_lost, receive
from models_registry.models import Replica, ReplicaStarts
from tests.fixtures.registry import Registry, make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def beat() -> Heartbeat:
    """Of a process that has just started."""
    return Heartbeat("r1", "10.0.0.1:8501", timezone.now(), "abc", {"fraud": ["v1"]}, {})


def starts(name: str) -> int:
    return ReplicaStarts.objects.filter(model__name=name).values_list("total", flat=True).first() or 0


def test_a_heartbeat_that_is_repeated_changes_its_time_only(registry: Registry, beat: Heartbeat):
    receive(beat)
    first = Replica.objects.get()
    receive(beat)
    second = Replica.objects.get()
    assert second.last_seen_at > first.last_seen_at
    assert (second.pk, second.loaded, starts("fraud")) == (first.pk, first.loaded, 1)


def test_a_process_counts_once_for_each_model_that_it_serves(registry: Registry, beat: Heartbeat):
    make_model("churn", registry.team)
    receive(beat)
    receive(replace(beat, loaded={"fraud": ["v1"], "churn": ["v1"]}))
    assert (starts("fraud"), starts("churn")) == (1, 1)
    receive(replace(beat, loaded={"fraud": ["v2"], "churn": ["v1"]}))
    assert (starts("fraud"), starts("churn")) == (1, 1)
    receive(replace(beat, started_at=beat.started_at + timedelta(seconds=1)))
    assert (starts("fraud"), starts("churn")) == (2, 1)


def test_each_replica_counts(registry: Registry, beat: Heartbeat):
    for n in range(3):
        receive(replace(beat, replica=f"r{n}"))
    assert (Replica.objects.count(), starts("fraud")) == (3, 3)


def test_an_old_process_that_loads_a_new_model_has_not_restarted(registry: Registry, beat: Heartbeat):
    receive(replace(beat, started_at=beat.started_at - timedelta(days=30)))
    assert starts("fraud") == 0


def test_a_replica_that_is_silent_while_others_are_heard_is_forgotten(registry: Registry, beat: Heartbeat):
    receive(beat)
    receive(replace(beat, replica="r2"))
    assert forget_lost() == 0
    Replica.objects.filter(name="r1").update(last_seen_at=timezone.now() - FORGET_AFTER - timedelta(seconds=1))
    assert forget_lost() == 1
    assert Replica.objects.get().name == "r2"


def test_replicas_that_all_fell_silent_are_kept(registry: Registry, beat: Heartbeat):
    """Their heartbeats get nowhere: that is no word of theirs."""
    receive(beat)
    receive(replace(beat, replica="r2"))
    Replica.objects.update(last_seen_at=timezone.now() - 9 * FORGET_AFTER)
    assert (forget_lost(), Replica.objects.count()) == (0, 2)
