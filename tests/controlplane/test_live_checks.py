"""After a publish the running Prometheus is asked about what changed; on demand about all of it, proofs included.

A real Prometheus whose past is known (tests.alerts.recorded_day) runs the release.
"""

import signal
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django.fixtures import Settings
from redis import Redis as RedisClient

from alerts.live_lint.asking import Budget
from controlplane import reconcile
from controlplane.bundle import Bundle
from controlplane.live_check import run as live_run
from controlplane.live_check import turns
from controlplane.live_check.report import report_of
from controlplane.live_check.run import RETRY, run
from controlplane.live_check.turns import AGAIN, LEASE, NotCurrent, ask, begin, claim, due, give_back
from controlplane.management.commands import prove as prove_command
from controlplane.models import LiveCheck, Release
from controlplane.stack.redis import Redis
from tests.controlplane.addresses import free_address
from tests.controlplane.bundles import OTHER, alert, rule_group, rule_test
from tests.controlplane.watched_release import (
    ALL,
    RULES,
    Watched,
    checked,
    key,
    published,
    running,
    watched,
    worked_off,
)

__all__ = ["running", "watched"]

pytestmark = pytest.mark.django_db

State = LiveCheck.State
# --- After a publish --------------------------------------------------------------------------------------------


def test_what_a_release_changed_is_looked_at_and_nothing_else(watched: Watched) -> None:
    check = checked(watched, "Apart", "Missing")
    report = worked_off(watched, check)
    assert {(t.severity, t.rules) for t in report.findings} == {("fault", ("Apart",)), ("fault", ("Missing",))}
    assert {alert.rule for alert in report.alerts} == {"Apart", "Missing"}
    assert run(watched.files) is None, "nothing is due any more"


def test_what_fires_now_and_would_have_is_told(watched: Watched) -> None:
    check = checked(watched, "Hot")
    (found,) = worked_off(watched, check).alerts
    assert found.firing == 1 and found.firings is not None
    assert found.firings["times"] == 2 and found.firings["still"]


def test_the_loop_waits_for_some_evaluations_and_then_tells_a_worker_once_in_a_run(
    watched: Watched, broker: Redis, settings: Settings
) -> None:
    release = published(watched, "Hot")
    settings.EVALUATION_INTERVAL_SECONDS = 600
    assert reconcile.STEPS["live_check"](timezone.now()) == "nothing is due"
    later = release.finished_at + timedelta(seconds=1201)
    assert reconcile.STEPS["live_check"](later) == "a worker was told"
    with RedisClient.from_url(broker.client_url) as client:
        assert int(client.llen("celery")) == 1


def test_without_a_broker_the_loop_says_so_and_tries_again(watched: Watched, lost_broker: None) -> None:
    checked(watched, "Hot")
    with pytest.raises(reconcile.NotDone, match="No worker could be told"):
        reconcile.STEPS["live_check"](timezone.now())
    assert due(timezone.now()).exists()


def test_the_loop_takes_the_same_queries_however_many_releases_there_are(
    watched: Watched, broker: Redis, django_assert_num_queries
) -> None:
    worked_off(watched, checked(watched, "Hot"))
    with django_assert_num_queries(3):
        reconcile.STEPS["live_check"](timezone.now())
    for _ in range(5):
        Release.objects.create(hash="c" * 64, outcome=Release.Outcome.REFUSED)
    with django_assert_num_queries(3):
        reconcile.STEPS["live_check"](timezone.now())


def test_what_is_wrong_is_looked_at_again_and_what_is_well_is_not(watched: Watched) -> None:
    check = checked(watched, "Missing", "Hot")
    worked_off(watched, check)
    assert check.state == State.DONE and check.todo == [key("Missing")]
    assert check.due_at == check.finished_at + AGAIN[0]
    assert run(watched.files, check.due_at) is not None
    check.refresh_from_db()
    assert (check.looks, check.state, check.due_at) == (2, State.DONE, check.finished_at + AGAIN[1])
    assert set(check.found) == {" ".join(key("Missing")), " ".join(key("Hot"))}


def test_a_newer_release_takes_over_what_an_older_one_left(watched: Watched) -> None:
    older = checked(watched, "Apart", "Missing")
    published(watched, "Hot", base=watched.bundle.hash + "x")
    begin(watched.bundle.hash, timezone.now())
    older.refresh_from_db()
    newer = LiveCheck.objects.latest("pk")
    assert older.state == State.SUPERSEDED and older.due_at is None
    assert newer.todo == [key("Apart"), key("Hot"), key("Missing")]


def test_the_first_release_is_looked_at_whole(watched: Watched) -> None:
    published(watched, base=watched.bundle.hash)
    begin(watched.bundle.hash, timezone.now())
    report = worked_off(watched, LiveCheck.objects.get())
    assert {alert.rule for alert in report.alerts} == set(ALL)


def test_a_release_that_is_not_current_is_not_asked_about(watched: Watched) -> None:
    release = published(watched, "Hot")
    begin("d" * 64, timezone.now())
    assert not LiveCheck.objects.exists()
    with pytest.raises(NotCurrent):
        ask(release, "d" * 64, timezone.now(), prove=True)
    check = checked(watched, "Hot")
    Release.objects.update(hash="d" * 64)
    assert run(watched.files) is not None
    check.refresh_from_db()
    assert check.state == State.SUPERSEDED and check.found == {}


# --- Bounds -----------------------------------------------------------------------------------------------------


def test_a_run_looks_at_some_groups_and_the_next_one_goes_on(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "GROUPS_AT_ONCE", 3)
    check = checked(watched, *RULES)
    assert run(watched.files) is not None
    check.refresh_from_db()
    assert check.state == State.WAITING and len(check.found) == 3 and check.left == 1
    assert len(worked_off(watched, check).alerts) == 4


def test_a_group_that_is_too_much_for_a_run_is_not_known_and_holds_nobody_up(watched: Watched) -> None:
    check = checked(watched, "Hot", "Missing")
    while not check.finished:
        assert run(watched.files, budget=Budget(queries=2)) is not None
        check.refresh_from_db()
    assert {t.severity for t in report_of(check.found).findings} == {"unknown"}
    assert check.due_at is not None, "it is tried again"


# --- Two workers, and one that dies -----------------------------------------------------------------------------


def test_of_two_workers_one_gets_it(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    checked(watched, "Hot")
    real, claimed = turns.uuid.uuid4, []

    def other_is_quicker() -> object:
        monkeypatch.setattr(turns.uuid, "uuid4", real)
        claimed.append(claim(timezone.now()))
        return real()

    monkeypatch.setattr(turns.uuid, "uuid4", other_is_quicker)
    assert claim(timezone.now()) is None, "it had seen the row, and came too late"
    assert claimed[0] is not None and claim(timezone.now()) is None


def test_what_a_killed_worker_was_at_is_done_again_and_its_late_word_counts_for_nothing(watched: Watched) -> None:
    check = checked(watched, "Missing")
    now = timezone.now()
    dead = claim(now)
    assert dead is not None and run(watched.files, now + LEASE / 2) is None
    assert run(watched.files, now + LEASE) is not None
    check.refresh_from_db()
    assert check.state == State.DONE and len(check.found) == 1
    assert not give_back(dead, found={}, state=State.DONE)
    check.refresh_from_db()
    assert len(check.found) == 1


# --- Prometheus' faults -----------------------------------------------------------------------------------------


def not_known(watched: Watched, check: LiveCheck, why: str) -> None:
    """Nothing is told, the reason is, and it is tried again."""
    assert run(watched.files) is not None
    check.refresh_from_db()
    assert why in check.problem and check.found == {}
    assert check.state == State.WAITING and check.due_at == check.tried_at + RETRY


def test_a_prometheus_that_is_down_is_not_known_and_asked_again(watched: Watched, settings: Settings) -> None:
    check = checked(watched, "Missing")
    settings.PROMETHEUS_URL = f"http://user:secret@{free_address()}"
    not_known(watched, check, "Connection refused")
    assert "secret" not in check.problem
    settings.PROMETHEUS_URL = watched.server.url
    assert run(watched.files, check.due_at) is not None
    check.refresh_from_db()
    assert check.state == State.DONE and not check.problem and len(check.found) == 1


def test_a_prometheus_that_hangs_is_not_known(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "TIMEOUT", 0.4)
    check = checked(watched, "Missing")
    watched.server.process.send_signal(signal.SIGSTOP)
    try:
        not_known(watched, check, "no answer in time")
    finally:
        watched.server.process.send_signal(signal.SIGCONT)


def test_where_the_first_of_several_is_down_the_next_one_is_asked(watched: Watched, settings: Settings) -> None:
    settings.FURTHER_PROMETHEUS_URLS = (watched.server.url,)
    settings.PROMETHEUS_URL = f"http://{free_address()}"
    assert worked_off(watched, checked(watched, "Missing")).of("fault")


def test_a_prometheus_that_runs_something_else_is_not_known(watched: Watched) -> None:
    other = Bundle({**watched.bundle.files, OTHER: rule_group("Other:default", alert("Other", "there > 1"))})
    watched.files.write(other)
    watched.files.switch(other.hash)
    try:
        Release.objects.create(
            hash=other.hash,
            base_hash="b",
            outcome=Release.Outcome.PUBLISHED,
            changed_groups=[[OTHER, "Other:default"]],
            finished_at=timezone.now() - timedelta(minutes=1),
        )
        begin(other.hash, timezone.now())
        (found,) = worked_off(watched, LiveCheck.objects.get()).findings
    finally:
        watched.files.switch(watched.bundle.hash)
    assert found.severity == "unknown" and "does not run this group" in found.text


# --- On demand --------------------------------------------------------------------------------------------------


def test_all_of_it_on_demand_with_all_proofs_whatever_passed_before(watched: Watched) -> None:
    check = ask(published(watched, "Hot"), watched.bundle.hash, timezone.now(), prove=True)
    report = worked_off(watched, check)
    assert {alert.rule for alert in report.alerts} == set(ALL)
    assert check.proofs["passed"] is True and check.proofs["files"] == 0


def test_asking_again_while_it_is_under_way_changes_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "GROUPS_AT_ONCE", 2)
    release = published(watched, "Hot")
    check = ask(release, watched.bundle.hash, timezone.now(), prove=False)
    run(watched.files)
    assert ask(release, watched.bundle.hash, timezone.now(), prove=False).left == 3
    assert len(worked_off(watched, check).alerts) == 5


def test_asking_takes_the_row_from_a_run_that_is_under_way(watched: Watched) -> None:
    check = checked(watched, "Hot")
    at_it = claim(timezone.now())
    assert at_it is not None
    ask(check.release, watched.bundle.hash, timezone.now(), prove=False)
    assert not give_back(at_it, found={}, state=State.DONE)
    check.refresh_from_db()
    assert check.state == State.WAITING and check.todo is None


@pytest.mark.parametrize(("fires", "passed"), [(True, True), (False, False)])
def test_a_proof_that_fails_is_told(watched: Watched, fires: bool, passed: bool) -> None:
    proof = rule_test("Steady", "rules/health/Steady.yml", fires=fires)
    proven = live_run.prove(Bundle({**watched.bundle.files, "prometheus/tests/Steady.yml": proof}))
    assert (proven.passed, proven.files) == (passed, 1)
    assert passed or "alertname: Steady" in proven.reason


def test_proofs_run_on_the_whole_rules_too(watched: Watched) -> None:
    proof = rule_test("Steady", "rules/health/Steady.yml", fires=True)
    assert live_run.prove(
        Bundle({**watched.bundle.files, "prometheus/tests/Steady.yml": proof}), whole_rules=True
    ).passed


def test_the_command_proves_what_the_registry_says_now(
    plumbline_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("prove")
    assert "proof files passed in" in capsys.readouterr().out
    assert not Release.objects.exists()
    monkeypatch.setattr(prove_command, "render_bundle", lambda: wrong)
    wrong = Bundle({"prometheus/tests/Some.yml": rule_test("Some", "rules/Some.yml", fires=True)})
    with pytest.raises(SystemExit) as ended:
        call_command("prove")
    assert ended.value.code == 1 and "alertname: Some" in capsys.readouterr().err
