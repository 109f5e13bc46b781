"""Which runs are due: pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from drift.checks import Check
from drift.claims import CLAIM_MARGIN
from drift.due import SETTLE, TELL_AGAIN, Told, due, first_due, newest_window_end
from drift.watched import Watched

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CHECK = Check(
    pk=1,
    model="fraud",
    source="prediction_log",
    population="",
    interval_seconds=900,
    window_seconds=3600,
    timeout_seconds=120,
    paused=False,
    first_due_at=NOON - timedelta(days=9),
)
V1 = Watched(CHECK, 11, "v1", "live", since=NOON - timedelta(days=9))
V2 = replace(V1, version_pk=12, version="v2", role="canary")
READY = NOON + SETTLE


def test_a_window_is_due_when_its_rows_have_arrived() -> None:
    (run,) = due([V1], {}, READY)
    assert (run.version, run.window_start, run.window_end) == ("v1", NOON - timedelta(hours=1), NOON)
    (before,) = due([V1], {}, READY - SECOND)
    assert before.window_end == NOON - timedelta(minutes=15)


def test_each_version_with_traffic_has_a_run_of_its_own() -> None:
    assert [run.version for run in due([V1, V2], {}, READY)] == ["v1", "v2"]


def test_only_the_newest_window_is_due_however_many_were_missed() -> None:
    assert [run.window_end for run in due([V1], {}, READY + timedelta(hours=7))] == [NOON + timedelta(hours=7)]


def test_a_paused_check_and_one_that_is_not_stored_yet_are_never_due() -> None:
    assert due([replace(V1, check=replace(CHECK, paused=True))], {}, READY) == []
    assert due([replace(V1, check=replace(CHECK, pk=0))], {}, READY) == []


def test_a_version_is_first_due_at_the_end_of_the_interval_in_which_it_got_traffic() -> None:
    young = replace(V1, since=NOON - timedelta(minutes=1))
    assert first_due(young) == NOON
    assert due([young], {}, READY - SECOND) == []
    assert len(due([young], {}, READY)) == 1
    assert first_due(replace(V1, since=NOON + SECOND)) == NOON + timedelta(minutes=15)


def test_a_check_that_was_resumed_starts_anew() -> None:
    resumed = replace(V1, check=replace(CHECK, first_due_at=NOON + timedelta(minutes=5)))
    assert due([resumed], {}, READY) == []
    assert first_due(resumed) == NOON + timedelta(minutes=15)


def test_what_is_finished_is_not_due() -> None:
    told = Told(dispatched_at=READY, started_at=READY, finished=True)
    assert due([V1], {(11, NOON): told}, READY + timedelta(minutes=10)) == []


def test_a_message_that_nobody_took_is_told_again_after_a_while() -> None:
    runs = {(11, NOON): Told(dispatched_at=READY, started_at=None, finished=False)}
    assert due([V1], runs, READY + TELL_AGAIN - SECOND) == []
    assert len(due([V1], runs, READY + TELL_AGAIN)) == 1


def test_a_message_that_could_not_be_sent_is_due_at_once() -> None:
    assert len(due([V1], {(11, NOON): Told(None, None, finished=False)}, READY)) == 1


def test_a_run_whose_worker_is_gone_is_told_again_when_its_claim_has_ended() -> None:
    runs = {(11, NOON): Told(dispatched_at=READY, started_at=READY, finished=False)}
    over = READY + timedelta(seconds=CHECK.timeout_seconds) + CLAIM_MARGIN
    assert due([V1], runs, over - SECOND) == []
    assert len(due([V1], runs, over)) == 1


@given(st.integers(10, 7 * 86400), st.integers(0, 20 * 365 * 86400), st.floats(0, 1))
def test_all_who_ask_within_one_interval_name_the_same_window(interval: int, at: int, share: float) -> None:
    end = newest_window_end(interval, NOON + timedelta(seconds=at))
    assert end.timestamp() % interval == 0
    asked = end + SETTLE + timedelta(seconds=share * (interval - 0.001))
    assert newest_window_end(interval, asked) == end
