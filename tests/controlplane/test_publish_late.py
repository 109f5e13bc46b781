"""Servers that are alive and late: they are waited for, within limits, over several runs where one would take too long.

A release is neither taken back before a slow server could load it, nor tried again and again on one that never does.
"""

import time
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from controlplane import reconcile
from controlplane.bundle import Bundle
from controlplane.models import Release
from controlplane.models.release import is_failing
from controlplane.publishing.checks import CheckImpossible, check_expressions
from controlplane.publishing.patience import LOOP, PASSED, Patience
from controlplane.publishing.rendered_rules import groups_of, new_expressions
from controlplane.publishing.servers import TIMEOUT_SECONDS
from tests.controlplane.bundles import OTHER, alert, rule_group
from tests.controlplane.conftest import Pair, steady_keeps_its_start, the_next_run_reaches, time_passes
from tests.controlplane.slow_server import SlowServer
from tests.controlplane.test_publish_faults import KINDS, server_of, with_another

pytestmark = pytest.mark.django_db

Outcome = Release.Outcome


def steps(row: Release | None) -> list[str]:
    assert row is not None
    row.refresh_from_db()
    return [entry["step"] for entry in row.log]


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_answers_the_reload_too_late_and_runs_the_release_keeps_it(
    pair: Pair, base: Bundle, kind: str
) -> None:
    wanted = pair.edit("vector(2)")
    with steady_keeps_its_start(pair.prometheus):
        with SlowServer(server_of(pair, kind).url, "/-/reload", seconds=0.6, works_late=True) as slow:
            servers = with_another(pair, kind, slow.url, timeout=2)
            published = pair.publish(wanted, servers=servers, patience=Patience(reload=0.2))
        assert published.outcome == Outcome.PUBLISHED
        assert pair.runs(wanted)
    row = published.release
    assert row is not None
    [told] = [entry["message"] for entry in row.log if entry["step"] == "reload"]
    assert "no answer in time; it may be loading still" in told


def test_one_that_never_loads_it_is_taken_back_and_not_tried_again_for_some_minutes(pair: Pair, base: Bundle) -> None:
    wanted = pair.edit("vector(2)")
    impatient = Patience(reload=0.2, load=0.5, back=0.5)
    with steady_keeps_its_start(pair.prometheus):
        with SlowServer(pair.prometheus_server.url, "/-/reload", seconds=0.4, deaf=True) as slow:
            servers = with_another(pair, "prometheus", slow.url, timeout=2)
            published = pair.publish(wanted, servers=servers, patience=impatient)
            assert published.outcome == Outcome.FAILED
            assert "alive does not run it 0.5 s after" in published.reason and "Other:default" in published.reason
            assert pair.runs(base) and is_failing()
            again = pair.publish(wanted, servers=servers, patience=impatient)
            assert again.release == published.release, "not every 15 seconds"
        time_passes(minutes=6)
        the_next_run_reaches(pair, wanted)


def test_one_that_is_still_loading_when_the_run_ends_is_looked_at_by_the_next_and_not_asked_again(
    pair: Pair, base: Bundle
) -> None:
    wanted = pair.edit("vector(22)")
    with steady_keeps_its_start(pair.prometheus):
        with SlowServer(pair.prometheus_server.url, "/-/reload", seconds=0.8, works_late=True) as slow:
            servers = with_another(pair, "prometheus", slow.url, timeout=2)
            first = pair.publish(wanted, servers=servers, patience=Patience(reload=0.2, turn=0))
            assert first.outcome == Outcome.RUNNING and "Goes on with the next run" in first.reason
            assert first.release is not None and not is_failing()
            following = pair.publish(wanted, servers=servers, patience=Patience(reload=0.2))
        assert following.outcome == Outcome.UNCHANGED and Release.objects.get().outcome == Outcome.PUBLISHED
        assert pair.runs(wanted)
    assert steps(first.release).count("reload") == 1 and "resume" not in steps(first.release)


def test_a_group_that_is_evaluated_rarely_is_waited_for_over_several_runs_and_not_for_ever(
    pair: Pair, base: Bundle
) -> None:
    rare = rule_group("Other:default", alert("Other", "vector(3)")).replace("rules:", "interval: 4m\n  rules:")
    wanted = pair.bundle({OTHER: rare})
    with steady_keeps_its_start(pair.prometheus):
        first = pair.publish(wanted, patience=Patience(turn=0))
        assert first.outcome == Outcome.PROBATION and "1 of 1 changed groups are not evaluated yet" in first.reason
        loaded_at, row = pair.prometheus.runtime().loaded_at, first.release
        assert row is not None
        again = pair.publish(wanted, patience=Patience(turn=0))
        assert (again.outcome, again.release) == (Outcome.PROBATION, row)
        assert pair.prometheus.runtime().loaded_at == loaded_at and steps(row).count("verify") == 1
        assert pair.runs(wanted) and not is_failing()

        earlier = [entry | {"at": _before(entry["at"], minutes=5)} for entry in row.log]
        Release.objects.filter(pk=row.pk).update(log=earlier)
        late = pair.publish(wanted)
        assert late.outcome == Outcome.ROLLED_BACK and "has not evaluated group Other:default" in late.reason
        assert pair.runs(base)


def _before(at: str, **ago: float) -> str:
    return (datetime.fromisoformat(at) - timedelta(**ago)).isoformat()


def test_attempts_that_meet_the_same_lost_server_are_one_row(pair: Pair, base: Bundle) -> None:
    """Each comes so far that it has begun: the server is ready, and then does not answer."""
    wanted = pair.edit("vector(4)")
    with SlowServer(pair.prometheus_server.url, "/api/v1/query", seconds=0.9) as slow:
        servers = with_another(pair, "prometheus", slow.url, timeout=0.6)
        first = pair.publish(wanted, servers=servers)
        assert first.outcome == Outcome.UNREACHABLE and first.release is not None
        again = pair.publish(wanted, servers=servers)
        assert (again.outcome, again.release) == (Outcome.UNREACHABLE, first.release)
        row = Release.objects.get()
        assert row.tries == 2 and row.finished_at is not None and row.started_at == first.release.started_at
        assert row.finished_at > first.release.finished_at and steps(row)[-1] == "queries"
        assert pair.publish(pair.edit("vector(44)"), servers=servers).release != row, "another bundle"
    assert pair.runs(base)


@pytest.mark.parametrize(("tries", "paused"), [(2, False), (3, True)])
def test_a_release_that_takes_its_server_down_each_time_is_left_alone_for_some_minutes(
    pair: Pair, base: Bundle, tries: int, paused: bool
) -> None:
    wanted = pair.edit("vector(5)" if paused else "vector(55)")
    log = [{"step": step, "at": timezone.now().isoformat(), "seconds": 0, "message": ""} for step in ("switch", "back")]
    row = Release.objects.create(
        hash=wanted.hash,
        base_hash=base.hash,
        outcome=Outcome.UNREACHABLE,
        tries=tries,
        log=log,
        finished_at=timezone.now(),
    )
    assert (pair.publish(wanted).release == row) == paused
    time_passes(minutes=6)
    the_next_run_reaches(pair, wanted)


def test_expressions_that_there_was_no_time_for_are_named(pair: Pair, base: Bundle) -> None:
    named = [alert(f"A{number}", f"vector({number} + 10)") for number in range(8)]
    wanted = groups_of(pair.bundle({OTHER: rule_group("Other:default", *named)}))
    started = time.monotonic()
    with pytest.raises(CheckImpossible, match=r"8 of 8 new .* not checked in time.*A0, A1, A2, A3, A4 and 3 more"):
        check_expressions(pair.prometheus, new_expressions(groups_of(base), wanted), PASSED)
    assert time.monotonic() - started < 1


def test_the_longest_run_of_the_loop_ends_before_celery_ends_it() -> None:
    publish = LOOP.check + LOOP.turn + LOOP.back + 3 * TIMEOUT_SECONDS
    assert LOOP.reload >= 60 <= LOOP.load
    before = max(reconcile.PATIENCE_SECONDS + 45, reconcile.LATER_SECONDS)
    assert before + publish <= settings.CELERY_TASK_SOFT_TIME_LIMIT
